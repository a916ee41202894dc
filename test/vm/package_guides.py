#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guides of doc/ tell root to do on a whole Debian, as it is written there: the installation, and `lanyard setup` with
its policy; and the same setup for who prefers to be asked. What it wrote is taken back without a trace."""
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_package import APT, OTHERS, PACKAGES, SOURCE, compare, run, traces, verified, works  # noqa: E402

GUIDE = "cd / && WORLD_WAY=installed LANYARD_SOURCE=/opt/lanyard/guide LANYARD_BUILD=/usr/bin GUIDE_AGAIN=240 " \
    "python3 -c 'import sys; sys.path.insert(0, \"/opt/lanyard/guide\"); import lib_guide; lib_guide.Guide(sys.argv[1]).follow(sys.argv[2:])'"


def follow(computer, guide, *sections):
    words = " ".join(f"'{word}'" for word in (guide, *sections))
    print(computer.run(f"{GUIDE} {words} 2>&1", check=True)[1], flush=True)


def answer(computer, *answers):
    """To the questions of `lanyard setup`, at a terminal."""
    lines = "".join(f"{line}\\n" for line in answers)
    return computer.run(f"printf '{lines}' | script -qec 'lanyard setup' /dev/null 2>&1", check=True)[1]


def questions(computer):
    computer.run("groupadd school", check=True)
    said = answer(computer, "nobody-of-this-name", "school", "keep", "none", "alice", "y")
    for sentence in ("nobody-of-this-name", "what will be done:", "let the members of group school", "let alice use KVM", "done: let alice use KVM"):
        assert sentence in said, f"no '{sentence}' in: {said}"
    computer.run("id -nG alice | grep -qw kvm && grep -q '^ *school: { use: true }' /etc/lanyard/policy.yaml", check=True)
    # the proposals are what is there
    assert "nothing is to do" in answer(computer, "", "", "", "none"), "the proposals would change something"
    code, said = computer.run("printf 'none\\nkeep\\nnone\\nnone\\nn\\n' | script -qec 'lanyard setup' /dev/null 2>&1")
    assert code != 0 and "nothing was done" in said, said
    computer.run("lanyard setup --class none --network keep --hypervisors none --kvm none --yes && gpasswd -d alice kvm && groupdel school", check=True)
    verified(computer)  # the policy is again as it came


def whole_way(computer):
    before = traces(computer)
    computer.run("useradd -m -s /bin/bash alice && cp /opt/lanyard/now/*.deb /root/ && "
                 "printf 'APT::Get::Assume-Yes \"true\";\\nAPT::Install-Recommends \"false\";\\n' >/etc/apt/apt.conf.d/99yes", check=True)
    follow(computer, "first-ten-minutes.md", "The first ten minutes")
    works(computer, "after the installation")
    verified(computer)
    questions(computer)
    follow(computer, "class-room.md", "Root, once", "What pupils may")
    computer.run("lanyard setup --class none --network keep --hypervisors none --kvm none --yes", check=True)
    computer.run(f"{APT} purge {PACKAGES} 2>&1; for name in alice mia tom; do pkill -u $name; userdel -r $name; done; groupdel pupils; "
                 f"rm -f /root/*.deb /etc/apt/apt.conf.d/99yes; {APT} purge --auto-remove {OTHERS} 2>&1", check=True)
    # useradd's own; dh_apparmor removes an empty folder of AppArmor's
    compare(before, traces(computer), known=("/etc/subuid-", "/etc/subgid-", "/etc/group-", "/etc/gshadow-", "/etc/apparmor.d/disable"))


with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
    guide = os.path.join(work, "guide")
    shutil.copytree(os.path.join(SOURCE, "doc"), os.path.join(guide, "doc"))
    shutil.copy(os.path.join(SOURCE, "test/netns/lib_guide.py"), guide)
    run(whole_way, files=[guide])
