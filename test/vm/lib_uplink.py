# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian computer (12, or each of LANYARD_RELEASES) with its own kernel and systemd whose NIC is bridged: power loss in the window ends in the old
state; confirmed, the bridge is there after the next start without Lanyard, is taken over by it, and goes without a
trace. The disk is made by test/vm/lib_debian (as root, by the network)."""
import os
import sys
import tempfile

from lib_computer import LOGS, Computer, debian, lanyard, programs

folders = [folder for folder in map(debian, (os.environ.get("LANYARD_RELEASES") or "bookworm").split()) if folder]
if not folders:
    sys.exit(77)
ADDRESS = "ip -4 -o addr show dev %s | grep -q 'inet 10.0.2.15/24'"
ONLINE = "ping -c 1 -W 2 10.0.2.2 >/dev/null"


def as_at_first(computer, what):
    computer.soon(f"{what}: the address on the NIC", ADDRESS % "eth0")
    computer.soon(f"{what}: no bridge", "! ip link show ly-lan 2>/dev/null")
    computer.run(ONLINE, check=True)


def refused(computer, sentence, command):
    code, said = computer.run(f"lanyard --system {command} 2>&1")
    assert code != 0 and sentence in said, f"{command}: exit {code}: {said}"


def what_needs_modules(computer):
    """Bonds, VLANs and macvlans, which not every kernel has that runs the namespace tests."""
    for mode in ("balance-rr", "broadcast", "balance-tlb", "balance-alb"):
        computer.run(f"ip link add bond9 type bond mode {mode} miimon 100", check=True)
        refused(computer, f"bond9 has the mode {mode}, which cannot be bridged", "uplink add bond9 --to trunk")
        computer.run("ip link del bond9", check=True)
    for mode in ("active-backup", "balance-xor", "802.3ad"):
        computer.run(f"ip link add bond9 type bond mode {mode} miimon 0", check=True)
        refused(computer, "does not watch its links (miimon is 0)", "uplink add bond9 --to trunk")
        computer.run("ip link set bond9 type bond miimon 100 && ip link add leaf9 type veth peer name leaf9p "
                     "&& ip link set leaf9 master bond9 && ip link set leaf9p up && ip link set bond9 up", check=True)
        refused(computer, "'leaf9' is a link of the bond bond9; add that: lanyard uplink add bond9", "uplink add leaf9")
        computer.run("ip addr add 192.0.2.9/24 dev bond9 && lanyard --system uplink add bond9 --to trunk --confirm-within 0 "
                     "&& ip -o link show bond9 | grep -q 'master ly-trunk' && ip -4 -o addr show dev ly-trunk | grep -q 192.0.2.9 "
                     "&& lanyard --system uplink remove bond9 && ip -4 -o addr show dev bond9 | grep -q 192.0.2.9", check=True)
        computer.run("ip link del bond9; ip link del leaf9", check=True)
    computer.run("ip link add link eth0 name mac9 type macvlan", check=True)
    refused(computer, "carries mac9 (macvlan), which takes its frames before a bridge could", "uplink add eth0")
    computer.run("ip link del mac9; ip link add link eth0 name eth0.9 type vlan id 9 && ip addr add 192.0.2.1/24 dev eth0.9 && "
                 "ip link set eth0.9 up && lanyard --system uplink add eth0 --dry-run && ip link del eth0.9", check=True)


def whole_way(computer, manager, form, more):
    as_at_first(computer, f"{manager}, at first")
    lanyard(computer)
    more(computer)
    # power loss in the window
    computer.run("lanyard --system uplink add eth0 --by-hand", check=True)
    computer.run(ADDRESS % "ly-lan", check=True)
    computer.cut()
    computer.start()
    as_at_first(computer, f"{manager}, after the power loss")
    computer.run(f"! {form}", check=True)
    # confirmed by the checks
    lanyard(computer)
    _, said = computer.run("lanyard --system uplink add eth0 2>&1", check=True)
    assert f"{manager} configures eth0" in said and "is confirmed" in said, said
    computer.soon(f"{manager}: the form", form)
    computer.soon(f"{manager}: the address on the bridge", ADDRESS % "ly-lan")
    computer.restart()
    computer.soon(f"{manager}: the bridge at the start, without Lanyard", ADDRESS % "ly-lan")
    computer.soon(f"{manager}: online", ONLINE)
    computer.run("! test -e /run/lanyard && ip -o link show eth0 | grep -q 'master ly-lan'", check=True)
    lanyard(computer)
    computer.soon(f"{manager}: taken over", "lanyard --system uplink list | grep -qE 'eth0 +lan +ly-lan +up'")
    computer.run("lanyard --system plan | grep -q 'nothing to do'", check=True)
    computer.run("lanyard --system uplink remove eth0", check=True)
    computer.soon(f"{manager}: no form", f"! {form}")
    as_at_first(computer, f"{manager}, after the removal")
    computer.restart()
    as_at_first(computer, f"{manager}, after the removal and a restart")


def nothing(computer):
    """No more at this point."""


def run(manager, setup, form, more=nothing, end=nothing):
    """Sets the computer up, starts it again, and goes the whole way."""
    for folder in folders:
        print("---", folder, flush=True)
        with tempfile.TemporaryDirectory(dir="/var/tmp") as work, Computer(folder, programs(), work) as computer:
            computer.logs = LOGS
            computer.run(setup, check=True)
            computer.restart()
            whole_way(computer, manager, form, more)
            end(computer)
