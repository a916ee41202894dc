#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages' own test, debian/tests, as autopkgtest runs it on a computer that has nothing of Lanyard yet."""
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_package import SOURCE, run  # noqa: E402


def whole_way(computer):
    # a computer of its own is what this is, though autopkgtest cannot know
    code, said = computer.run("mkdir -p /tmp/own && cp -r /opt/lanyard/own/debian /tmp/own/ && autopkgtest --ignore-restrictions=isolation-machine "
                              "-B /opt/lanyard/now/*.deb /tmp/own/ -- null 2>&1")
    assert code == 0 and "smoke                PASS" in said, f"exit {code}: {said[-3000:]}"
    print("smoke: PASS", flush=True)


with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
    own = os.path.join(work, "own")
    shutil.copytree(os.path.join(SOURCE, "debian"), os.path.join(own, "debian"))
    run(whole_way, files=[own])
