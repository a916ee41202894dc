#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The steward under its real unit, on a real Debian 12 with systemd: what its sandbox leaves it is enough for ufw, firewalld,
systemd-resolved, systemd-networkd and ifupdown, each once from beginning to end; and names come by libnss_lanyard where nobody
resolves. The disk `bookworm-owners` is made by test/vm/lib_debian (as root, by the network)."""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_computer import Computer, debian  # noqa: E402
from units import install, programs  # noqa: E402

SYSTEM = "lanyard --system"
UFW = ["ufw allow in on ly-{}", "ufw route allow in on ly-{}", "ufw route allow out on ly-{}"]
ZONE = "firewall-cmd --zone=lanyard --list-interfaces"


def said(computer, since):
    """What the steward has said since then; nothing of it is a refusal."""
    _, text = computer.run(f"journalctl -b --no-pager -o cat -u lanyard-steward --since '@{since}'")
    for word in ("denied", "Read-only", "not permitted", "ermission", "failed", "cannot", "Traceback"):
        assert word not in text, f"the steward: {text}"
    return text


def now(computer):
    return computer.run("date +%s")[1]


def ufw(computer):
    begin = now(computer)
    computer.run("ufw --force enable 2>&1 && ufw status | grep -q 'Status: active'", check=True)
    for name in ("default", "second"):
        if name == "second":
            computer.run(f"{SYSTEM} net add second", check=True)
        for rule in UFW:
            computer.soon(f"ufw: '{rule.format(name)}'", f"ufw show added | grep -q '^{rule.format(name)} comment'", 180)
    computer.run("nft list ruleset 2>/dev/null | grep -q ly-second || iptables-save | grep -q ly-second", check=True)
    _, text = computer.run(f"{SYSTEM} status")
    assert "ufw" in text and "ly-default" in text, f"the status says nothing of ufw's rules: {text}"
    computer.run("ufw reload", check=True)
    # an emulated processor needs ten seconds for each ufw, which is longer than the steward waits
    computer.soon("ufw: nothing to do after a reload", f"{SYSTEM} plan | grep -q 'nothing to do'", 180)
    computer.run("ufw show added | grep -q 'allow in on ly-second'", check=True)
    assert "removed rules" not in said(computer, begin), "a reload has cost rules"
    computer.run(f"{SYSTEM} net remove second", check=True)
    computer.soon("ufw: nothing of a network that went", "! ufw show added | grep -q ly-second", 180)
    computer.run("ufw disable", check=True)
    computer.soon("ufw: no rule of ours", f"{SYSTEM} plan >/dev/null; ! grep -q ly-default /etc/ufw/user.rules", 180)
    assert "ufw: made rules for ly-second" in said(computer, begin)


def firewalld(computer):
    begin = now(computer)
    computer.run("systemctl start firewalld", check=True)
    computer.soon("firewalld: the zone", f"{ZONE} | grep -qw ly-default", 120)
    computer.run("firewall-cmd --get-policies | grep -q lanyard-out && firewall-cmd --get-policies | grep -q lanyard-in", check=True)
    computer.run(f"{SYSTEM} net add third && {ZONE} | grep -qw ly-third", check=True)
    computer.run("firewall-cmd --reload", check=True)
    computer.soon("firewalld: the zone after a reload", f"{ZONE} | grep -qw ly-third && {ZONE} | grep -qw ly-default")
    computer.run(f"{SYSTEM} net remove third && ! {ZONE} | grep -qw ly-third", check=True)
    computer.run("systemctl stop firewalld", check=True)
    said(computer, begin)


def resolved(computer):
    begin = now(computer)
    gateway = computer.run("ip -4 -o addr show dev ly-default | sed -n 's/.*inet \\([^/]*\\).*/\\1/p' | head -n 1")[1]
    address = gateway.rsplit(".", 1)[0] + ".77"
    computer.run(f"{SYSTEM} net reserve default printer {address}", check=True)
    computer.run("systemctl start systemd-resolved", check=True)
    query = f"resolvectl query printer.default.internal | grep -qF {address}"
    computer.soon("resolved: the network's server", f"resolvectl dns ly-default | grep -qF {gateway}", 120)
    computer.soon("resolved: a name", query)
    computer.run(f"resolvectl query {address} | grep -q printer.default.internal", check=True)
    computer.run("systemctl restart systemd-resolved", check=True)
    computer.soon("resolved: a name after its restart", query)
    said(computer, begin)
    # nobody resolves: the module of the name service switch does
    computer.run("systemctl stop systemd-resolved", check=True)
    _, text = computer.run("getent ahostsv4 printer.default.internal")
    assert address in text, f"by the NSS module: '{text}'"


ADDRESS = "ip -4 -o addr show dev %s | grep -q 'inet 10.0.2.15/24'"


def client_on(computer, manager, there, gone):
    if manager == "ifupdown":
        computer.soon(f"a DHCP client on {there}, none on {gone}",
                      f"test -s /run/dhclient.{there}.pid && pgrep -f '^(/sbin/)?dhclient .* {there}$' && "
                      f"! pgrep -f '^(/sbin/)?dhclient .* {gone}$' && {ADDRESS % there}", 120)


def uplink(computer, manager, setup, form):
    """The NIC in a bridge and out again; the manager's own form is written, and goes without a trace."""
    begin = now(computer)
    computer.run(setup, check=True)
    computer.soon(f"{manager}: the address", ADDRESS % "eth0")
    files = "(cd /etc && find network systemd/network -type f | sort | xargs -r sha256sum)"
    computer.run(f"{files} >/root/before", check=True)
    _, text = computer.run(f"{SYSTEM} uplink add eth0 2>&1", check=True)
    assert f"{manager} configures eth0" in text and "is confirmed" in text, text
    computer.soon(f"{manager}: the form", form)
    computer.soon(f"{manager}: the address on the bridge", ADDRESS % "ly-lan")
    client_on(computer, manager, "ly-lan", "eth0")
    computer.soon(f"{manager}: the gateway", "ping -c 1 -W 2 10.0.2.2")
    computer.run(f"{SYSTEM} uplink remove eth0 2>&1", check=True)
    computer.soon(f"{manager}: the address back", ADDRESS % "eth0")
    computer.soon(f"{manager}: no form", f"! {form}")
    client_on(computer, manager, "eth0", "ly-lan")
    computer.run(f"{files} | diff /root/before -", check=True)
    said(computer, begin)


def whole_way(computer):
    install(computer)
    ufw(computer)
    firewalld(computer)
    resolved(computer)
    computer.run("ip addr flush dev eth0; ip route flush dev eth0", check=True)
    uplink(computer, "ifupdown",
           "printf 'auto lo\\niface lo inet loopback\\n\\nauto eth0\\niface eth0 inet dhcp\\n' >/etc/network/interfaces; ifup eth0",
           "grep -q 'lanyard ly-lan' /etc/network/interfaces")
    computer.run("ifdown eth0; printf 'auto lo\\niface lo inet loopback\\n' >/etc/network/interfaces", check=True)
    uplink(computer, "systemd-networkd",
           "printf '[Match]\\nName=eth0\\n\\n[Network]\\nDHCP=ipv4\\nIPv6AcceptRA=no\\n' >/etc/systemd/network/20-wired.network; "
           "systemctl restart systemd-networkd",
           "test -f /etc/systemd/network/05-lanyard-port-eth0.network")
    computer.soon("the steward's end when nobody asks", "! systemctl is-active lanyard-steward.service", 90)
    computer.run("test -z \"$(systemctl --failed --no-legend | grep lanyard)\"", check=True)


def main():
    folder = debian("bookworm-owners")
    if not folder:
        sys.exit(77)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        with Computer(folder, programs(work), work, memory=768) as computer:
            whole_way(computer)


if __name__ == "__main__":
    main()
