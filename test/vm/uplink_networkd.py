#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's NIC in a bridge on a real Debian 12, with systemd-networkd: see lib_uplink."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_uplink import run, what_needs_modules  # noqa: E402

run("systemd-networkd",
    "printf '[Match]\\nName=eth0\\n\\n[Network]\\nDHCP=ipv4\\nIPv6AcceptRA=no\\n' >/etc/systemd/network/20-wired.network; "
    "printf 'auto lo\\niface lo inet loopback\\n' >/etc/network/interfaces; systemctl enable systemd-networkd >/dev/null 2>&1",
    "test -f /etc/systemd/network/05-lanyard-port-eth0.network", what_needs_modules)
