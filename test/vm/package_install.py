#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages on a real Debian: installed with apt, used by ordinary accounts, back after a restart, left alone by
others, removed and purged without a trace. The disks are made by test/vm/lib_debian (as root, by the network)."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_package import APT, OTHERS, Guest, compare, run, traces, verified, works  # noqa: E402

MODULES = "tun bridge veth dummy nf_tables vhost_net"


def refused(computer, account, command):
    """With the file that says so, or whose network it is."""
    code, said = computer.run(f"runuser -u {account} -- lanyard --system {command} 2>&1")
    assert code != 0 and ("/etc/lanyard/policy.yaml" in said or "root" in said), f"{account}: {command}: exit {code}: {said}"


def rights(computer):
    """Who may what, and how much of it."""
    computer.run("useradd -m pupil && useradd -m mate && useradd -m stranger && usermod -a -G lanyard pupil && "
                 "usermod -a -G lanyard mate", check=True)
    computer.run("runuser -u pupil -- lanyard --system net list | grep -q default", check=True)
    refused(computer, "stranger", "port add default --tap lyown")
    refused(computer, "pupil", "net remove default")
    # what the package's policy gives a member of the group: two networks of their own
    computer.run("for name in mine other; do runuser -u pupil -- lanyard --system net add $name || exit 1; done", check=True)
    refused(computer, "pupil", "net add third")
    computer.run("runuser -u pupil -- lanyard --system net remove mine other", check=True)
    refused(computer, "pupil", "net add third mode=routed")


def hardened(computer):
    """Users, capabilities, figures."""
    for unit, user, mask in (("lanyardd", "lanyard", "0000000000000000"), ("lanyard-executor", "lanyard-net", "0000000000003400")):
        pid = computer.run(f"systemctl show -P MainPID {unit}")[1]
        status = computer.run(f"cat /proc/{pid}/status; stat -c 'User:\t%U' /proc/{pid}")[1]
        for line in (f"CapBnd:\t{mask}", f"CapEff:\t{mask}", "NoNewPrivs:\t1", "Seccomp:\t2", f"User:\t{user}"):
            assert line in status, f"{unit}: no '{line}' in {status}"
    for unit, limit in (("lanyardd", 1.0), ("lanyard-executor", 2.8), ("lanyard-steward", 2.8)):
        figure = computer.run(f"systemd-analyze security {unit}.service --no-pager | sed -nE 's/.*: ([0-9.]+) .*/\\1/p' | tail -n 1")[1]
        print(f"{unit}: systemd-analyze security {figure}")
        assert float(figure) <= limit, f"{unit}: {figure}"


def captured(computer, guest):
    """An account has the frames of its own machine, through the executor's sandbox and profile; nobody else of the class has."""
    computer.run(f"(ping -i 0.5 -c 100 {guest.address} >/dev/null 2>&1 &)", check=True)
    port = computer.run(f"runuser -u {guest.account} -- lanyard --system port list --json | grep -oE '\"id\": ?\"[^\"]*\"' | cut -d '\"' -f 4")[1]
    code, said = computer.run(f"runuser -u {guest.account} -- timeout 40 lanyard --system capture {port} --count 3 2>/tmp/capture.log | wc -c; "
                              "cat /tmp/capture.log")
    assert "3 frames captured" in said and int(said.split()[0]) > 100, f"exit {code}: {said}"
    code, said = computer.run(f"runuser -u mate -- lanyard --system capture {port} --count 1 2>&1 >/dev/null")
    assert code != 0 and "there is no machine, port or network" in said, f"exit {code}: {said}"


def profiled(computer):
    """AppArmor is on, as Debian has it: the executor and its dnsmasq are in our profile, the holder has one, and nothing was denied."""
    computer.run("aa-enabled --quiet", check=True)
    for process in ("$(systemctl show -P MainPID lanyard-executor)", "$(pgrep -x dnsmasq | head -n 1)"):
        _, profile = computer.run(f"cat /proc/{process}/attr/current")
        assert profile == "lanyard-executor (enforce)", f"{process}: {profile}"
    computer.run("grep -q '^lanyard-holder ' /sys/kernel/security/apparmor/profiles", check=True)
    _, denied = computer.run("journalctl -b --no-pager | grep 'apparmor=.DENIED' | grep lanyard")
    assert not denied, denied


def without_user_namespaces(computer):
    """Debian's switch for them (Ubuntu's, of AppArmor, is in neither kernel): who has no rights is told of it, the system does not need them."""
    computer.run("! test -e /proc/sys/kernel/apparmor_restrict_unprivileged_userns && sysctl -qw kernel.unprivileged_userns_clone=0", check=True)
    code, said = computer.run("runuser -u stranger -- env HOME=/home/stranger lanyard --user net add own 2>&1")
    assert code == 4 and "sysctl kernel.unprivileged_userns_clone=1" in said, f"exit {code}: {said}"
    computer.run("systemctl restart lanyard-executor lanyardd", check=True)
    computer.soon("the system instance", "runuser -u pupil -- lanyard --system net list | grep -q default && pgrep -x dnsmasq")
    computer.run("sysctl -qw kernel.unprivileged_userns_clone=1", check=True)


# Everything but user namespaces, for a person's shell and whatever it starts; {more}: a rule.
CONFINED = """abi <abi/4.0>,
profile confined-shell flags=(attach_disconnected) {{
  file,
  capability,
  network,
  unix,
  signal,
  ptrace,
  mount,
  umount,
  pivot_root,
  /** ix,
  {more}
}}"""
HOLDER = "/usr/libexec/lanyard/lanyard-holder"


def load(computer, text):
    line = text.replace("\n", " ")  # the computer's shell reads lines
    computer.run(f"echo '{line}' | apparmor_parser --replace --skip-cache", check=True)


def load_holder(computer, rule):
    """Our profile as it is installed, but enforced: the kernel asks whoever is unconfined for no rule."""
    change = f"s/ flags=(unconfined)/ flags=(attach_disconnected)/; s/^  userns,/  file, capability, network, unix, signal, ptrace, {rule}/"
    computer.run(f"sed '{change}' /etc/apparmor.d/lanyard | apparmor_parser --replace --skip-cache", check=True)


def in_a_profile(computer):
    """Where the kernel asks for AppArmor's rule userns (Debian 13's does, 12's does not): a shell in a profile without it."""
    if computer.run("grep -q userns_create /sys/kernel/security/apparmor/features/namespaces/mask")[0]:
        print("the kernel's AppArmor does not mediate user namespaces", flush=True)
        return
    through = "aa-exec -p confined-shell --"
    shell = f"runuser -u stranger -- env HOME=/home/stranger {through}"
    load(computer, CONFINED.format(more=""))
    apparmor_refuses(computer, shell, "AppArmor's profile 'confined-shell'", "add the rule 'userns,'")
    said = computer.run("lanyard --system doctor --only SELF-03")[1]
    assert "AppArmor's profile confined-shell has kept lanyard-holder from userns_create" in said, said
    # the narrower rule: our holder alone, in its own profile
    load(computer, CONFINED.format(more=f"{HOLDER} Px,"))
    plugged(computer, shell, through)
    # and what lets that one do it is the rule in it
    load_holder(computer, "userns,")
    computer.run(f"{shell} lanyard --user net add own && grep -q enforce /proc/$(pgrep -u stranger lanyard-holder)/attr/current", check=True)
    gone(computer, shell)
    load_holder(computer, "")
    apparmor_refuses(computer, shell, "AppArmor's profile 'lanyard-holder'", "add the rule 'userns,'")
    # made, but without a right in it
    load(computer, CONFINED.format(more="userns,").replace("capability,", "deny capability sys_admin,"))
    apparmor_refuses(computer, shell, "AppArmor's profile 'confined-shell'", "add the rule 'capability,'")
    without_our_profile(computer)
    computer.run("apparmor_parser --replace /etc/apparmor.d/lanyard && echo 'profile confined-shell {}' | apparmor_parser --remove", check=True)


def without_our_profile(computer):
    """What Ubuntu's kernel does to a program without a profile, played: the setting, and the profile into which it puts that program."""
    kept = "/etc/apparmor.d/unprivileged_userns"
    computer.run(f"sed 's/ flags=(complain)//' {kept} | apparmor_parser --replace --skip-cache && apparmor_parser --remove /etc/apparmor.d/lanyard", check=True)
    computer.run("printf '#!/bin/sh\\nmount -t tmpfs none /proc/sys/kernel && echo 1 >/proc/sys/kernel/apparmor_restrict_unprivileged_userns && "
                 "exec runuser -u stranger -- env HOME=/home/stranger aa-exec -p unprivileged_userns -- \"$@\"\\n' >/tmp/played; "
                 "chmod 755 /tmp/played", check=True)
    apparmor_refuses(computer, "unshare -m /tmp/played", "AppArmor forbids user namespaces to programs without a profile", f"load Lanyard's for {HOLDER},")
    computer.run(f"rm /tmp/played; apparmor_parser --replace {kept}", check=True)


def apparmor_refuses(computer, shell, what, remedy):
    """One sentence, and nothing is left running; doctor says the same."""
    code, said = computer.run(f"{shell} lanyard --user net add own 2>&1")
    assert code == 4 and len(said.splitlines()) == 1 and f"lanyard: {what}" in said and f"(as root: {remedy}" in said, f"exit {code}: {said}"
    computer.run("! pgrep -l -u stranger", check=True)
    code, said = computer.run(f"{shell} lanyard --user doctor --only LXC-02")
    assert code == 1 and what in said and f"as root: {remedy}" in said, f"exit {code}: {said}"


def plugged(computer, shell, through):
    """A user instance with an uplink, whose holder is in our profile, and a machine that gets an address from it."""
    computer.run(f"{APT} install passt 2>&1", check=True)
    # left_alone's managers may have been there
    computer.run("ip link set eth0 up && ip addr replace 10.0.2.15/24 dev eth0 && ip route replace default via 10.0.2.2", check=True)
    computer.run(f"{shell} lanyard --user net add own", check=True)
    _, profile = computer.run("cat /proc/$(pgrep -u stranger lanyard-holder)/attr/current")
    assert profile == "lanyard-holder (unconfined)", profile
    computer.soon("an answer from outside", f"{shell} lanyard --user exec -- timeout 20 bash -c ': </dev/tcp/10.0.2.2/9' 2>&1 | grep -q refused")
    computer.run(f"{shell} lanyard --user status | grep -q 'uplink pasta'", check=True)
    gateway = computer.run(f"{shell} lanyard --user net show own | sed -nE 's/^ipv4: +//p'")[1]
    Guest(computer, "stranger", gateway, "own", through)
    computer.run(f"{shell} lanyard --user doctor --only LXC-02", check=True)
    gone(computer, shell)
    computer.run(f"{APT} purge passt 2>&1", check=True)


def gone(computer, shell):
    computer.run(f"pkill -u stranger 'dhclient|sleep'; {shell} lanyard --user net remove own --force", check=True)
    computer.soon("the end of the stranger's instance", "! pgrep -u stranger")


def killed(computer):
    """Any process may die at any moment."""
    for unit in ("lanyardd", "lanyard-executor"):
        pid = computer.run(f"systemctl show -P MainPID {unit}")[1]
        computer.run(f"kill -KILL {pid}", check=True)
        computer.soon(f"another {unit}", f"test $(systemctl show -P MainPID {unit}) != {pid} && systemctl is-active {unit} && "
                      "lanyard --system net list | grep -q default && pgrep -x dnsmasq")


def devices(computer):
    """Modules are there before anybody needs them, devices belong to whom they should, udev knows our interfaces."""
    for module in MODULES.split():
        computer.run(f"test -d /sys/module/{module} || grep -q '/{module}\\.ko' /lib/modules/$(uname -r)/modules.builtin", check=True)
    assert computer.run("stat -c '%a' /dev/net/tun")[1] == "666", computer.run("ls -l /dev/net/tun")
    assert computer.run("stat -c '%G %a' /dev/vhost-net")[1] == "kvm 660", computer.run("ls -l /dev/vhost-net")
    _, known = computer.run("udevadm settle; udevadm info -q property /sys/class/net/ly-default")
    assert "NM_UNMANAGED=1" in known and "05-lanyard.link" in known, known


def left_alone(computer):
    """NetworkManager and systemd-networkd see our interfaces and do not touch them."""
    before = computer.run("ip -o addr show dev ly-default | sed 's/valid_lft.*//'; cat /sys/class/net/ly-default/address")[1]
    computer.run("systemctl start systemd-networkd.service NetworkManager.service", check=True)
    computer.soon("networkd's word", "networkctl list --no-legend --no-pager | grep -E ' ly-default .* unmanaged'")
    computer.soon("NetworkManager's word", "nmcli -t -f DEVICE,STATE device | grep -x 'ly-default:unmanaged'")
    computer.run("nmcli -t -f DEVICE,STATE device | grep '^ly' | grep -v ':unmanaged$'; test $? = 1", check=True)
    assert computer.run("ip -o addr show dev ly-default | sed 's/valid_lft.*//'; cat /sys/class/net/ly-default/address")[1] == before
    computer.run("systemctl stop NetworkManager.service systemd-networkd.service systemd-networkd.socket", check=True)


def names(computer, guest):
    """The host finds the machine by its name, by the module of the name service alone."""
    mac = guest.run(f"cat /sys/class/net/{guest.name}/address")[1]
    computer.run(f"lanyard --system net reserve default web {mac} {guest.address}", check=True)
    domain = computer.run("lanyard --system net show default --json | sed -nE 's/.*\"domain\": ?\"([^\"]*)\".*/\\1/p'")[1]
    assert domain, "the network default has no domain"
    _, said = computer.run(f"getent ahostsv4 web.{domain}")
    assert guest.address in said, f"web.{domain}: {said}"
    computer.run("lanyard --system net unreserve default web", check=True)


def booted(computer):
    """The start of the computer does not wait for us, nor we for a network."""
    _, after = computer.run("systemctl show -P After lanyardd.service lanyard-executor.service")
    assert not any(unit in after for unit in ("network.target", "network-online.target", "nss-lookup.target", "remote-fs.target")), after
    computer.soon("the end of the start", "systemctl is-system-running | grep -qE 'running|degraded'")
    _, chain = computer.run("systemd-analyze critical-chain --no-pager multi-user.target")
    assert "lanyardd.service" not in chain and "lanyard-executor.service" not in chain, f"the start waits for us: {chain}"
    for unit in ("lanyardd.service", "lanyard-executor.service"):
        ready, began = (int(computer.run(f"systemctl show -P {what}TimestampMonotonic {unit}")[1]) for what in ("ActiveEnter", "InactiveExit"))
        print(f"{unit}: ready {(ready - began) / 1e6:.2f} s after it was started", flush=True)


def come_and_go(computer, gateway):
    """What somebody removed stays removed; what somebody added comes back."""
    computer.run("lanyard --system net add second && lanyard --system seat add second 1-3 group=lanyard && lanyard --system seat remove 2", check=True)
    seats = "lanyard --system seat list --json; ip -d -o link | sed -nE 's/.* (lytap[0-9]+): .*master ([^ ]+).*(tun type tap).*(persist.*group [^ ]+).*/\\1 \\2 \\3 \\4/p'"
    before = computer.run(seats, check=True)[1]
    assert before.count("tun type tap") == 2, before
    computer.restart(orderly=True)
    computer.run("export PATH=/usr/sbin:/usr/bin:/sbin:/bin", check=True)
    assert works(computer, "after the restart") == gateway, "another address after the restart"
    computer.soon("the second network", "ip link show ly-second")
    computer.soon("the seats", "ip link show lytap3")
    assert computer.run(seats, check=True)[1] == before, f"other seats after the restart: {computer.run(seats)[1]}, they were {before}"
    booted(computer)
    devices(computer)
    first, second = Guest(computer, "pupil", gateway), Guest(computer, "mate", gateway)
    first.reaches(second.address)
    computer.run("lanyard --system net remove second --force && lanyard --system net remove default --force && systemctl restart lanyardd && "
                 "lanyard --system net list && ! ip link show ly-default 2>/dev/null", check=True)
    computer.run("lanyard --system net add default && lanyard --system net add third", check=True)


def whole_way(computer):
    before = traces(computer)
    # without what it depends on, then repaired
    code, said = computer.run("dpkg -i /opt/lanyard/now/lanyard_*.deb 2>&1")
    assert code != 0 and "lanyardd" in said, said
    computer.run(f"{APT} -f install 2>&1", check=True)
    computer.run(f"{APT} install libnss-lanyard 2>&1", check=True)
    verified(computer)
    gateway = works(computer, "after the installation")
    rights(computer)
    hardened(computer)
    devices(computer)
    left_alone(computer)
    first, second = Guest(computer, "pupil", gateway), Guest(computer, "mate", gateway)
    first.reaches(second.address)
    names(computer, first)
    captured(computer, first)
    killed(computer)
    profiled(computer)
    without_user_namespaces(computer)
    in_a_profile(computer)
    # installed again: nothing is cut, nothing made twice
    index = computer.run("cat /sys/class/net/ly-default/ifindex")[1]
    computer.run(f"{APT} --reinstall install lanyard lanyardd libnss-lanyard 2>&1", check=True)
    works(computer, "after the second installation")
    assert computer.run("cat /sys/class/net/ly-default/ifindex")[1] == index, "the network was made anew"
    first.reaches(second.address)
    come_and_go(computer, gateway)
    # removed: no interface, no rule; installed again: the networks are back
    computer.run("runuser -u stranger -- env HOME=/home/stranger lanyard --user net add own", check=True)
    _, said = computer.run(f"{APT} remove lanyardd 2>&1", check=True)
    assert "go on until they end them or log out: stranger" in said, said
    computer.run("pkill -KILL -u stranger; true")
    computer.soon("the end of the stranger's instance", "! pgrep -u stranger")
    _, left = computer.run("ip -o link | grep ' ly'; nft list ruleset | grep lanyard; pgrep -l 'lanyard|dnsmasq'; find /run -name '*lanyard*'")
    assert not left, f"after the removal: {left}"
    computer.run(f"{APT} install lanyard 2>&1", check=True)
    computer.soon("the networks after the third installation", "ip link show ly-third && ip link show ly-default")
    # machines of users in their homes are never touched
    computer.run("mkdir -p ~pupil/.local/state/lanyard/default/machines && echo mine >~pupil/.local/state/lanyard/default/machines/web", check=True)
    computer.run(f"{APT} purge lanyard lanyardd libnss-lanyard 2>&1", check=True)
    computer.run("grep -q mine ~pupil/.local/state/lanyard/default/machines/web", check=True)
    computer.run("pkill -u pupil; pkill -u mate; pkill -u stranger; userdel -r pupil; userdel -r mate; userdel -r stranger; "
                 f"{APT} purge --auto-remove {OTHERS} 2>&1", check=True)
    computer.run("! getent hosts web.default; ! grep -q lanyard /etc/nsswitch.conf", check=True)
    # useradd's own; dh_apparmor removes an empty folder of AppArmor's
    compare(before, traces(computer), known=("/etc/subuid-", "/etc/subgid-", "/etc/apparmor.d/disable"))
    computer.run("test -z \"$(dpkg --audit)\"", check=True)


run(whole_way)
