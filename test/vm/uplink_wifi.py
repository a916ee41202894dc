#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Wi-Fi as the host's way to the LAN, on a real Debian 12 whose kernel makes radios of software (mac80211_hwsim): a client is
refused as a bridge's port with the command that puts machines on the LAN all the same, and that command is run; a client in
4-address mode and an access point are bridged. The disk `bookworm-wifi` is made by test/vm/lib_debian (as root, by the network).

    desk --- br0 of the namespace `lan` --- its access point ~~~ wlan1 of the host --- machines
"""
import os
import re
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_computer import LOGS, Computer, debian, lanyard, programs  # noqa: E402

SYSTEM = "lanyard --system"
ROUTER, DESK, HOST = (("192.168.77.1", "2001:db8:77::1"), ("192.168.77.50", "2001:db8:77::50"), ("192.168.77.2", "2001:db8:77::2"))
ON_THE_LAN = f"ping -c 1 -W 2 {DESK[0]} && ping -c 1 -W 2 {DESK[1]}"
# peer.py: what the other end of a connection is, as a server says it and a client hears it
PEER = """
import socket, sys
if len(sys.argv) > 1:
    print(socket.create_connection((sys.argv[1], 8080), timeout=10).makefile().read())
    sys.exit()
server = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    client, address = server.accept()
    client.sendall(address[0].removeprefix("::ffff:").encode())
    client.close()
"""
LEASE = """#!/bin/sh
[ -z "$new_ip_address" ] || { ip addr replace $new_ip_address/$new_subnet_mask dev $interface; ip route replace default via $new_routers; }
[ -z "$new_ip6_address" ] || ip addr replace $new_ip6_address/$new_ip6_prefixlen dev $interface
"""
ACCESS_POINT = ("driver=nl80211", "hw_mode=g", "wpa=2", "wpa_key_mgmt=WPA-PSK", "rsn_pairwise=CCMP", "wpa_passphrase=lanyard-wifi")


def fresh(name, command):
    """A namespace with a server in it."""
    return (f"ip netns add {name}; ip -n {name} link set lo up; {command}; "
            f"ip netns exec {name} python3 /opt/lanyard/peer.py </dev/null >/dev/null 2>&1 &")


def access_point(computer, radio, ssid, inside, more=()):
    lines = "\\n".join((f"interface={radio}", f"ssid={ssid}") + ACCESS_POINT + tuple(more))
    computer.run(f"printf '{lines}\\n' >/run/{ssid}.conf; {inside} hostapd -B /run/{ssid}.conf", check=True)


def client(computer, radio, ssid, inside=""):
    computer.run(f"printf 'ctrl_interface=/run/{ssid}.client\\nnetwork={{\\nssid=\"{ssid}\"\\npsk=\"lanyard-wifi\"\\n}}\\n' >/run/{ssid}.client.conf; "
                 f"{inside} wpa_supplicant -B -D nl80211 -i {radio} -c /run/{ssid}.client.conf -P /run/{ssid}.client.pid", check=True)
    joined(computer, ssid)


def joined(computer, ssid):
    computer.soon(f"the client of {ssid}", f"wpa_cli -p /run/{ssid}.client status | grep -q wpa_state=COMPLETED")


def leave(computer, ssid):
    computer.run(f"kill $(cat /run/{ssid}.client.pid)", check=True)
    computer.soon(f"no client of {ssid}", f"! test -e /run/{ssid}.client.pid")


def to_the_lan(computer):
    client(computer, "wlan1", "home")
    computer.run(f"ip addr replace {HOST[0]}/24 dev wlan1; ip addr replace {HOST[1]}/64 dev wlan1 nodad; "
                 f"ip route replace default via {ROUTER[0]}; ip route replace default via {ROUTER[1]} dev wlan1", check=True)
    computer.soon("the LAN by the radio", ON_THE_LAN)


def the_lan(computer):
    computer.run("modprobe mac80211_hwsim radios=4", check=True)
    computer.run(fresh("lan", "iw phy phy0 set netns name lan; ip -n lan link add br0 type bridge; ip -n lan link set br0 up; "
                       f"ip -n lan addr add {ROUTER[0]}/24 dev br0; ip -n lan addr add {ROUTER[1]}/64 dev br0 nodad"), check=True)
    access_point(computer, "wlan0", "home", "ip netns exec lan", ("channel=1", "bridge=br0", "wds_sta=1"))
    computer.run(fresh("desk", "ip -n lan link add desk type veth peer name eth0 netns desk; ip -n lan link set desk master br0 up; "
                       f"ip -n desk link set eth0 up; ip -n desk addr add {DESK[0]}/24 dev eth0; "
                       f"ip -n desk addr add {DESK[1]}/64 dev eth0 nodad; ip -n desk route add default via {ROUTER[0]}; "
                       f"ip -n desk route add default via {ROUTER[1]}"), check=True)
    to_the_lan(computer)


def machine(computer, name, network):
    """A namespace plugged into the network."""
    computer.run(fresh(name, "true"), check=True)
    computer.run(f"{SYSTEM} port add {network} --netns {name} machine={name} && ip -n {name} link set eth0 up", check=True)


def leases(computer, name):
    # a copy, since a profile of AppArmor would let the original run no script of ours
    computer.run("cp -n /sbin/dhclient /tmp/client", check=True)
    for family in (4, 6):
        computer.soon(f"{name}'s lease of IPv{family}", f"ip netns exec {name} /tmp/client -{family} -1 -sf /opt/lanyard/lease "
                      f"-lf /tmp/lease.{name}.{family} -pf /tmp/pid.{name}.{family} eth0")
    computer.soon(f"{name}'s router", f"ip -n {name} -6 route show default | grep -q fe80::1")
    return [computer.run(f"ip -n {name} -{family} -o addr show dev eth0 scope global | sed -n 's/.*inet6* \\([^/]*\\).*/\\1/p' | head -n 1")[1]
            for family in (4, 6)]


def reach(computer, source, target, seen):
    """Real TCP; the other end sees the machine itself, not the host."""
    for to, by in zip(target, seen):
        computer.soon(f"{to} from {source}", f"ip netns exec {source} ping -c 1 -W 2 {to}")
        _, said = computer.run(f"ip netns exec {source} python3 /opt/lanyard/peer.py {to}", check=True)
        assert said == by, f"{to} sees {said}, which is not {by}"


def nothing_wrong(computer, kind=""):
    """What the doctor says of the radio is a remark, or a warning."""
    code, said = computer.run(f"{SYSTEM} doctor -v 2>&1")
    assert code != 2 and kind in said, f"exit {code}: {said}"
    computer.soon("nothing to do", f"{SYSTEM} plan | grep -q 'nothing to do'")


def proxied(computer):
    """A client: refused, and what the refusal says does it."""
    before = computer.run("ip -d addr show wlan1 | grep -v valid_lft")
    code, said = computer.run(f"{SYSTEM} uplink add wlan1 2>&1")
    assert code != 0 and "'wlan1' is Wi-Fi (client without 4-address mode)" in said, said
    assert before == computer.run("ip -d addr show wlan1 | grep -v valid_lft"), "a refusal changed something"
    command = re.search(r"lanyard net add .*", said).group()
    for word in ("lan=proxy", "ipv4=192.168.77.225/27", "ipv6=2001:db8:77:0:a::1/80"):
        assert word in command, said
    computer.run(command, check=True)
    machine(computer, "web", "wifi")
    web = leases(computer, "web")
    reach(computer, "web", DESK, web)
    reach(computer, "desk", web, DESK)
    reach(computer, "lan", web, ROUTER)
    for address in DESK:
        _, said = computer.run(f"{SYSTEM} why web {address} 2>&1", check=True)
        assert f"web reaches {address}" in said, said
    nothing_wrong(computer, "wlan1 is Wi-Fi (client without 4-address mode), which cannot be bridged")
    # the radio was away for a while
    computer.run("wpa_cli -p /run/home.client reassociate", check=True)
    joined(computer, "home")
    reach(computer, "desk", web, DESK)
    # by another interface than the default routes'
    computer.run("ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip addr add 2001:db8:2::15/64 dev eth0 nodad; "
                 "ip route replace default via 10.0.2.2; ip -6 route replace default via 2001:db8:2::2 dev eth0", check=True)
    computer.soon("the plan follows", f"{SYSTEM} plan | grep -q 'nothing to do'")
    reach(computer, "desk", web, DESK)
    reach(computer, "web", DESK, web)
    computer.run(f"{SYSTEM} net remove --force wifi; ip netns del web; ip -4 addr flush dev eth0; ip -6 addr flush dev eth0; ip link set eth0 down", check=True)
    computer.run("test -z \"$(ip neigh show proxy; ip -6 neigh show proxy)\"", check=True)


def bridged(computer):
    """A client in 4-address mode: as a wire."""
    leave(computer, "home")
    computer.run("iw dev wlan1 set 4addr on", check=True)
    to_the_lan(computer)
    shown = "ip -o addr show dev %s scope global | sed 's/.*\\(inet[^ ]* [^ ]*\\).*/\\1/'; ip route show default; ip -6 route show default"
    before = computer.run(shown % "wlan1")[1]
    _, said = computer.run(f"{SYSTEM} uplink add wlan1 --to home 2>&1", check=True)
    assert "is confirmed" in said, said
    computer.run("ip -o link show wlan1 | grep -q 'master ly-home'", check=True)
    assert computer.run(shown % "ly-home")[1] == before.replace("wlan1", "ly-home")
    machine(computer, "db", "home")
    db = ("192.168.77.60", "2001:db8:77::60")
    computer.run(f"ip -n db addr add {db[0]}/24 dev eth0; ip -n db addr add {db[1]}/64 dev eth0 nodad", check=True)
    reach(computer, "db", DESK, db)
    reach(computer, "desk", db, DESK)
    computer.run("mac=$(ip netns exec db cat /sys/class/net/eth0/address); ip -n desk neigh show 192.168.77.60 | grep -q $mac", check=True)
    nothing_wrong(computer)
    computer.run("wpa_cli -p /run/home.client reassociate", check=True)
    joined(computer, "home")
    reach(computer, "desk", db, DESK)
    computer.run(f"{SYSTEM} uplink remove wlan1 --force", check=True)
    computer.run("ip netns del db; ! ip link show ly-home 2>/dev/null", check=True)
    assert computer.run(shown % "wlan1")[1] == before
    computer.soon("the LAN after it", ON_THE_LAN)


def hotspot(computer):
    """An access point of the host's own: machines and its stations are on one LAN."""
    access_point(computer, "wlan2", "guests", "", ("channel=6",))
    computer.run("ip addr add 192.168.88.1/24 dev wlan2", check=True)
    # there is no gateway whose answer could confirm it
    computer.run(f"{SYSTEM} uplink add wlan2 --to guests --by-hand && {SYSTEM} confirm wlan2", check=True)
    machine(computer, "tv", "guests")
    computer.run("ip -n tv addr add 192.168.88.60/24 dev eth0", check=True)
    computer.run(fresh("phone", "iw phy phy3 set netns name phone"), check=True)
    client(computer, "wlan3", "guests", "ip netns exec phone")
    computer.run("ip -n phone addr add 192.168.88.70/24 dev wlan3", check=True)
    reach(computer, "phone", ["192.168.88.60"], ["192.168.88.70"])
    reach(computer, "tv", ["192.168.88.70"], ["192.168.88.60"])
    computer.run("ip netns exec phone ping -c 1 -W 2 192.168.88.1", check=True)
    computer.run(f"{SYSTEM} uplink remove wlan2 --force && ip -o addr show dev wlan2 | grep -q 192.168.88.1/24", check=True)


def main():
    folder = debian("bookworm-wifi")
    if not folder:
        sys.exit(77)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        for name, text in (("peer.py", PEER), ("lease", LEASE)):
            with open(os.path.join(work, name), "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(file.name, 0o755)
        ours = programs("lanyard-probe") + [os.path.join(work, name) for name in ("peer.py", "lease")]
        with Computer(folder, ours, work) as computer:
            computer.logs = LOGS
            the_lan(computer)
            lanyard(computer)
            for part in (proxied, bridged, hotspot):
                print("---", part.__name__, flush=True)
                part(computer)


if __name__ == "__main__":
    main()
