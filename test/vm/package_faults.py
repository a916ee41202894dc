#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An installation that is killed at ten random points, at one of them by a power cut: repaired by what apt and dpkg tell to
do, works for an ordinary user, is purged without a trace. LANYARD_SEED=NUMBER repeats the points of another run."""
import os
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_package import APT, PACKAGES, Guest, compare, run, traces, verified, works  # noqa: E402

POINTS = 10
# Whom the signal meets: everything that belongs to the installation, dpkg alone, a script of ours alone.
ALL = "systemctl kill --kill-who=all -s KILL victim.service"
VICTIMS = {"everything": ALL, "dpkg": f"pkill -KILL -x dpkg || {ALL}", "a maintainer script": f"pkill -KILL -f '/var/lib/dpkg/.*lanyard.*inst' || {ALL}"}

POWER = "the power"


def install(computer):
    """Begins in the background, as a unit of its own."""
    computer.run("rm -f /tmp/whole; systemctl reset-failed victim.service 2>/dev/null; systemd-run -q --collect --unit=victim -p KillMode=control-group "
                 f"-E DEBIAN_FRONTEND=noninteractive sh -c '{APT.split(' ', 1)[1]} install {PACKAGES} && touch /tmp/whole'", check=True)


def ended(computer):
    computer.soon("the end of the installation", "! systemctl is-active -q victim.service", limit=240)


def cut(computer):
    """Off at once, and on again: what had not reached the disk is lost."""
    computer.cut()
    computer.start()
    computer.run("rm -f /tmp/dhclient /tmp/lease; export PATH=/usr/sbin:/usr/bin:/sbin:/bin", check=True)


def interrupted(computer, point, whom):
    """The state that the kill left, in a few words; None when it came too late."""
    install(computer)
    if whom == POWER:
        computer.run(f"sleep {point:.2f}")
        cut(computer)
    else:
        computer.run(f"sleep {point:.2f}; {VICTIMS[whom]}")
        ended(computer)
    left = computer.run(f"dpkg-query -W -f '${{Package}}: ${{db:Status-Status}}, ' {PACKAGES} 2>/dev/null; dpkg --audit | wc -l")[1].replace("\n", " ")
    # a power cut may have taken the file that would say it
    whole = computer.run("test -e /tmp/whole")[0] == 0 or (whom == POWER and left == "".join(f"{name}: installed, " for name in PACKAGES.split()) + "0")
    return None if whole else left


def repaired(computer):
    computer.run("DEBIAN_FRONTEND=noninteractive dpkg --configure -a 2>&1; true")
    computer.run(f"{APT} -f install 2>&1", check=True)
    # a kill before dpkg began has left nothing to repair
    computer.run(f"{APT} install {PACKAGES} 2>&1", check=True)


def purged(computer, before):
    computer.run("pkill -u pupil; true")
    computer.run(f"{APT} purge {PACKAGES} 2>&1", check=True)
    compare(before, traces(computer), known=("/etc/apparmor.d/disable",))  # dh_apparmor's


def whole_way(computer):
    seed = int(os.environ.get("LANYARD_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"LANYARD_SEED={seed}", flush=True)
    chance = random.Random(seed)
    computer.run("useradd -m pupil", check=True)
    # what the packages depend on is there once and stays: it is not what is killed
    computer.run(f"{APT} install {PACKAGES} 2>&1 && {APT} purge {PACKAGES} 2>&1", check=True)
    before = traces(computer)
    begin = time.monotonic()
    install(computer)
    ended(computer)
    whole = time.monotonic() - begin  # longer than needed, and shortened by points that come too late
    works(computer, "without a kill")
    purged(computer, before)
    number, dark = 0, chance.randrange(POINTS)
    while number < POINTS:
        point, whom = chance.uniform(0, whole), chance.choice(sorted(VICTIMS))
        whom = POWER if number == dark else whom
        left = interrupted(computer, point, whom)
        print(f"{number + 1}: {whom} killed after {point:.2f} of {whole:.2f} s: {left or 'too late'}", flush=True)
        if left:
            number += 1
            repaired(computer)
            gateway = works(computer, f"point {number}")
            verified(computer)
            computer.run("usermod -a -G lanyard pupil", check=True)
            Guest(computer, "pupil", gateway)
        else:
            whole = point
        purged(computer, before)


run(whole_way)
