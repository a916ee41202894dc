#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Open vSwitch as Debian 12 runs it, with the kernel's datapath, and the steward under its real unit: ports in its bridge, put
back when somebody removes them, and after a loss of power, when its database still has those that died. The disk
`bookworm-switch` is made by test/vm/lib_debian (as root, by the network)."""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_computer import Computer, debian  # noqa: E402
from units import install, programs  # noqa: E402

SYSTEM = "lanyard --system"
OURS = "ovs-vsctl --bare --columns=name find port 'external_ids:lanyard!=\"\"'"


def switch(computer):
    """A bridge of the kernel's datapath, with a VLAN on a port of somebody's."""
    computer.run("systemctl start openvswitch-switch", check=True)
    computer.run("ovs-vsctl --may-exist add-br ovsbr0 && ip link set ovsbr0 up && ip addr replace 192.0.2.1/24 dev ovsbr0", check=True)
    _, link = computer.run("ip -d -o link show ovsbr0", check=True)
    assert "openvswitch" in link, f"no datapath of the kernel's: {link}"


def guest(computer, name, address, network="lan"):
    """A namespace plugged into the network; its interface's name at the switch."""
    computer.run(f"unshare -n sleep infinity </dev/null >/dev/null 2>&1 & {name}=$!", check=True)
    computer.soon("a namespace", f"[ \"$(readlink /proc/${name}/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]")
    computer.run(f"{SYSTEM} port add {network} --netns ${name} machine={name} && nsenter -t ${name} -n ip link set eth0 up && "
                 f"nsenter -t ${name} -n ip addr add {address}/24 dev eth0", check=True)
    return computer.run(f"{SYSTEM} port list --json | python3 -c 'import json, sys; "
                        f"print(*[p[\"ifname\"] for p in json.load(sys.stdin) if p[\"machine\"] == \"{name}\"])'", check=True)[1]


def plugged(computer):
    computer.run("echo 'OPTIONS=--allow-name ovsbr0 --allow-name br0' >/etc/default/lanyard-executor && systemctl restart lanyard-executor && "
                 "systemctl try-restart lanyard-steward", check=True)
    computer.run(f"{SYSTEM} net add lan mode=bridged bridge=ovsbr0", check=True)
    one, other = guest(computer, "one", "192.0.2.11"), guest(computer, "other", "192.0.2.12")
    computer.run(f"{SYSTEM} port add lan --tap lytap0 machine=named", check=True)
    computer.run("nsenter -t $one -n ping -c 1 -W 5 192.0.2.12 && nsenter -t $one -n ping -c 1 -W 5 192.0.2.1", check=True)
    _, link = computer.run(f"ip -d -o link show {one}", check=True)
    assert "master ovs-system" in link, link
    computer.run(f"{SYSTEM} plan | grep -q 'nothing to do'", check=True)
    return one, other


def looked_at(computer, one):
    computer.run(f"ovs-vsctl set port {one} tag=20", check=True)
    _, text = computer.run(f"{SYSTEM} net show lan")
    assert f"name={one} mode=access tag=20" in text, text
    _, text = computer.run(f"{SYSTEM} why one other")
    assert "in the Open vSwitch bridge ovsbr0 (access, VLAN 20)" in text, text
    _, text = computer.run(f"{SYSTEM} doctor --only BR --json")
    for word in ("lytap0", one):
        assert word not in text, f"the doctor complains: {text}"
    computer.run(f"ovs-vsctl clear port {one} tag", check=True)


def filtered(computer):
    """A bridge of Linux that filters VLANs tells them too."""
    computer.run("ip link add br0 up type bridge vlan_filtering 1", check=True)
    computer.run(f"{SYSTEM} net add plain mode=bridged bridge=br0", check=True)
    left = guest(computer, "left", "198.51.100.11", "plain")
    guest(computer, "right", "198.51.100.12", "plain")
    computer.run("nsenter -t $left -n ping -c 1 -W 5 198.51.100.12", check=True)
    _, text = computer.run(f"{SYSTEM} why left 198.51.100.12; {SYSTEM} why left right")
    assert "both are in VLAN 1 of br0" in text, text
    computer.run(f"bridge vlan add dev {left} vid 40 pvid untagged && bridge vlan del dev {left} vid 1", check=True)
    _, text = computer.run(f"{SYSTEM} net show plain")
    assert f"name={left} mode=access tag=40" in text, text
    _, text = computer.run(f"{SYSTEM} why left right")
    assert "VLAN: left is in VLAN 40 of br0, right in VLAN 1" in text, text
    computer.run(f"{SYSTEM} net remove --force plain && ip link del br0 && kill $left $right", check=True)


def repaired(computer, one):
    computer.run(f"ovs-vsctl del-port {one} && ! ovs-vsctl port-to-br {one} 2>/dev/null", check=False)
    computer.soon("put back", f"[ \"$(ovs-vsctl port-to-br {one})\" = ovsbr0 ]")
    computer.soon("a ping after that", "nsenter -t $one -n ping -c 1 -W 5 192.0.2.12")
    computer.run("ip link del lytap0", check=True)
    computer.soon("a tap that is made again", "ip -o link show lytap0 | grep -q 'master ovs-system'")
    computer.soon("nothing to do", f"{SYSTEM} plan | grep -q 'nothing to do'")


def after_power_loss(computer, one, other):
    computer.run(f"ovs-vsctl get port {one} name && ovs-vsctl get port lytap0 name", check=True)
    computer.restart()
    computer.run("ip link set eth0 up", check=True)
    computer.soon("the instance", f"{SYSTEM} net list | grep -q ovsbr0", 120)
    computer.soon("dead ports go", f"! {OURS} | grep -qE '{one}|{other}'", 120)
    computer.soon("a tap that lasts", "ip -o link show lytap0 | grep -q 'master ovs-system'", 120)
    computer.soon("nothing to do", f"{SYSTEM} plan | grep -q 'nothing to do'")
    assert computer.run(OURS)[1] == "lytap0", computer.run(OURS)[1]
    # its port goes with the tap
    computer.run(f"{SYSTEM} net remove --force lan", check=True)
    assert computer.run(OURS)[1] == "", "left in the database: " + computer.run(OURS)[1]
    computer.run("ovs-vsctl br-exists ovsbr0 && ! ip link show lytap0 2>/dev/null", check=True)
    _, said = computer.run("journalctl -b --no-pager -o cat -u lanyard-steward")
    for word in ("denied", "ermission", "not permitted"):
        assert word not in said, f"the steward: {said}"


def main():
    folder = debian("bookworm-switch")
    if not folder:
        sys.exit(77)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work, Computer(folder, programs(work), work, 768) as computer:
        install(computer)
        switch(computer)
        one, other = plugged(computer)
        looked_at(computer, one)
        filtered(computer)
        repaired(computer, one)
        after_power_loss(computer, one, other)


main()
