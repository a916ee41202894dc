#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""VLANs of ports on a kernel whose bridges know them: test/netns/vlans.sh, whole, in a Debian 12, by root's instance and by a
user's own. The disk is made by test/vm/lib_debian (as root, by the network)."""
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_computer import Computer, debian, programs  # noqa: E402

source = os.environ["LANYARD_SOURCE"]
ENVIRONMENT = "LANYARD_BUILD=/opt/lanyard LANYARD_SOURCE=/opt/lanyard LC_ALL=C.UTF-8 HOME=/tmp LANYARD_PATIENCE=6"


def main():
    folder = debian()
    if not folder:
        sys.exit(77)
    built = programs("lanyard-holder", "lanyard-publish", "lanyard-probe", "lanyard-capture") + [shutil.which("busybox")]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work, Computer(folder, built + [os.path.join(source, "test")], work, 768) as computer:
        computer.run("modprobe -a 8021q tun veth && useradd -m pupil && mkdir -p /run/lanyard && ip link set lo up", check=True)
        for way in ("system", "user"):
            code, said = computer.run(f"{ENVIRONMENT} timeout 290 /opt/lanyard/test/world {way} -u pupil bash "
                                      "/opt/lanyard/test/netns/vlans.sh 2>&1")
            print(f"{way}: exit {code}\n{said}")
            assert code == 0 and "know no VLANs" not in said, way


main()
