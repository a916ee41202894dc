#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# doc/without-root.md as it is written.
# ways: user
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_guide import try_guide  # noqa: E402

try_guide("without-root.md", programs=("qemu-system-x86_64",))
