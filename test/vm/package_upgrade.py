#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An upgrade, and back, while machines talk: their session is not reset and never rests for a second; ports, seats, addresses
and interfaces stay. A version that comes back says which definitions it cannot read, and destroys none: the next upgrade brings
them back, with their seats."""
import json
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
from lib_package import APT, PACKAGES, Guest, run, verified, works  # noqa: E402

NEXT = "+1"


class Session:
    """Between two guests, measured at one of them."""

    def __init__(self, computer, first, second):
        self.computer = computer
        computer.run("rm -f /tmp/enough /tmp/result /tmp/serving")
        first.run(f"python3 /opt/lanyard/lib_session.py serve {first.address} </dev/null >/tmp/serve.log 2>&1 &", check=True)
        computer.soon("the one end", "test -e /tmp/serving")
        second.run(f"python3 /opt/lanyard/lib_session.py talk {first.address} </dev/null >/tmp/talk.log 2>&1 &", check=True)

    def end(self, what):
        self.computer.run("touch /tmp/enough")
        self.computer.soon("the result", "test -e /tmp/result || { cat /tmp/serve.log /tmp/talk.log; false; }")
        result = json.loads(self.computer.run("cat /tmp/result")[1])
        print(f"{what}: {result['count']} answers, the longest wait {result['longest'] * 1000:.0f} ms {result['error']}", flush=True)
        assert not result["error"] and result["count"] > 100, result
        assert result["longest"] < 1, f"{what}: the session rested for {result['longest']:.2f} s"


def facts(computer):
    """What an upgrade must not change; which processes there are."""
    stays = computer.run("for link in /sys/class/net/ly*; do echo ${link##*/} $(cat $link/ifindex) $(cat $link/address); done; "
                         "lanyard --system port list --json; ip -o addr show dev ly-default | sed 's/valid_lft.*//'")[1]
    processes = computer.run("systemctl show -P MainPID lanyardd lanyard-executor")[1].split()
    return stays, processes


def changed(computer, what, command, guests):
    """A change of version with a session over it."""
    stays, processes = facts(computer)
    session = Session(computer, *guests)
    _, said = computer.run(f"{command} 2>&1", check=True)
    works(computer, what)
    session.end(what)
    stays_now, processes_now = facts(computer)
    assert stays == stays_now, f"{what}: before:\n{stays}\nafter:\n{stays_now}"
    assert not set(processes) & set(processes_now), f"{what}: a process of before is still there: {processes} {processes_now}"
    guests[0].reaches(guests[1].address)
    return said


def version(computer):
    return set(computer.run(f"dpkg-query -W -f '${{Version}}\\n' {PACKAGES}")[1].split())


def seat_of_later(computer):
    ports = json.loads(computer.run("lanyard --system port list --json", check=True)[1])
    return [{key: port[key] for key in ("id", "ifname", "mac", "kind")} for port in ports if port["network"] == "later"]


def whole_way(computer):
    computer.run(f"{APT} install {PACKAGES} 2>&1", check=True)
    gateway = works(computer, "after the installation")
    computer.run("useradd -m pupil && useradd -m mate && usermod -a -G lanyard pupil && usermod -a -G lanyard mate", check=True)
    guests = Guest(computer, "pupil", gateway), Guest(computer, "mate", gateway)
    computer.run("lanyard --system seat add default 1-2", check=True)
    # the same version again tells how long the test's own computer rests
    quiet = Session(computer, *guests)
    computer.run("sleep 5")
    quiet.end("nothing changes")
    old = version(computer)
    computer.run(f"printf 'deb [trusted=yes] file:/opt/lanyard/%s ./\\n' debian now now{NEXT} >/etc/apt/sources.list && {APT} update 2>&1", check=True)
    changed(computer, "upgrade", f"{APT} install {PACKAGES}", guests)
    verified(computer)
    new = version(computer)
    assert len(new) == 1 and new.pop() == old.copy().pop() + NEXT, (old, new)
    # as a later version would write it
    computer.run("lanyard --system net add later && lanyard --system seat add later 3", check=True)
    seat = seat_of_later(computer)
    computer.run("sed 's/^name:/shape: round\\nname:/' /var/lib/lanyard/default/networks/later.yaml "
                 ">/tmp/later && cat /tmp/later >/var/lib/lanyard/default/networks/later.yaml && "
                 "grep -q '^shape: round' /var/lib/lanyard/default/networks/later.yaml && ip link show ly-later", check=True)
    first = old.copy().pop()
    computer.run("systemctl restart lanyardd", check=True)
    said = changed(computer, "downgrade", f"{APT} --allow-downgrades install " + " ".join(f"{name}={first}" for name in PACKAGES.split()), guests)
    assert "later.yaml" in said and "unknown key 'shape'" in said and "cannot read" in said, said
    assert version(computer) == old
    assert seat and not seat_of_later(computer), seat
    # the one that can read it again
    computer.run("sed -i '/^shape:/d' /var/lib/lanyard/default/networks/later.yaml", check=True)
    computer.run(f"{APT} install {PACKAGES} 2>&1", check=True)
    works(computer, "after another upgrade")
    assert seat_of_later(computer) == seat, f"before: {seat}, after: {seat_of_later(computer)}"
    computer.run(f"ip -o link show {seat[0]['ifname']} | grep -q 'master ly-later'", check=True)


run(whole_way, additions=("", NEXT), files=[HERE + "/lib_session.py"])
