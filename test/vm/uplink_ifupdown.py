#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's NIC in a bridge on a real Debian 12, with ifupdown: see lib_uplink."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_uplink import run  # noqa: E402

run("ifupdown",
    "printf 'auto lo\\niface lo inet loopback\\n\\nauto eth0\\niface eth0 inet dhcp\\n' >/etc/network/interfaces",
    "grep -q 'lanyard ly-lan' /etc/network/interfaces")
