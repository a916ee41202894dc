#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# ways: system
"""The units on a real Debian: everything works under their sandbox, and whoever of them is started again or killed takes
nothing along, neither a frame between machines nor a connection to a published port. The disk is made by
test/vm/lib_debian (as root, by the network)."""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_computer import Computer, debian  # noqa: E402

source = os.environ["LANYARD_SOURCE"]
SOCKETS = "lanyardd.socket lanyard-executor.socket lanyard-steward.socket lanyard-publish.socket"
SERVICES = "lanyard-executor.service lanyardd.service"
LIMITS = {"lanyardd": 1.0, "lanyard-executor": 2.8, "lanyard-steward": 2.8, "lanyard-publish@x": 2.0}
FLOWS = ("between", "through")
# Who was killed is back within a second on a real processor; an emulated one is some twenty times slower.
PATIENCE = 1 if os.environ.get("LANYARD_ACCEL") else 10


def programs(work):
    """What `meson install` lays down for this distribution, as a folder `root`."""
    build, root = os.path.join(work, "build"), os.path.join(work, "root")
    options = ["--prefix=/usr", "--libexecdir=libexec", "--buildtype=release", "-Dsystemd=true",
               "-Dunitdir=/usr/lib/systemd/system", "-Dudevdir=/usr/lib/udev"]
    for command in (["meson", "setup", build, source] + options, ["ninja", "-C", build], ["meson", "install", "-C", build, "--no-rebuild"]):
        done = subprocess.run(command, env={**os.environ, "DESTDIR": root}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)
        if done.returncode:
            sys.exit(" ".join(command) + ":\n" + done.stdout[-3000:])
    return [root] + [os.path.join(source, "test/netns", name) for name in ("lib_traffic.py", "lib_knock.py", "lib_row.py")]


def install(computer):
    computer.run("cp -dR --preserve=mode /opt/lanyard/root/. / && systemd-sysusers && systemd-tmpfiles --create && udevadm control --reload && "
                 "systemctl restart systemd-modules-load && systemctl daemon-reload", check=True)
    computer.run("sed -i 's/^hosts:.*/hosts: files lanyard dns/' /etc/nsswitch.conf && ldconfig", check=True)
    # by which the network of the host leads to the outside
    computer.run("ip link set eth0 up && ip addr replace 10.0.2.15/24 dev eth0 && ip route replace default via 10.0.2.2", check=True)
    computer.run(f"systemctl enable -q {SOCKETS} {SERVICES} && systemctl start {SOCKETS} {SERVICES}", check=True)
    computer.soon("the network default", "lanyard --system net list | grep -q default && ip -4 -o addr show dev ly-default | grep -q inet")


def sandboxed(computer):
    for unit, limit in LIMITS.items():
        figure = computer.run(f"systemd-analyze security {unit}.service --no-pager | sed -nE 's/.*: ([0-9.]+) .*/\\1/p' | tail -n 1")[1]
        print(f"{unit}: systemd-analyze security {figure}")
        assert float(figure) <= limit, f"{unit}: {figure}"
    for unit, mask in (("lanyardd", "0000000000000000"), ("lanyard-executor", "0000000000003400")):
        status = computer.run(f"cat /proc/$(systemctl show -P MainPID {unit})/status")[1]
        for line in (f"CapBnd:\t{mask}", f"CapEff:\t{mask}", "NoNewPrivs:\t1", "Seccomp:\t2"):
            assert line in status, f"{unit}: no '{line}' in {status}"
    code, said = computer.run("grep -q landlock /sys/kernel/security/lsm && journalctl -b -u lanyardd --no-pager | grep -i landlock")
    assert code != 0, f"the broker is not confined: {said}"


def guest(computer, name):
    """A namespace plugged into the network: its pid is in $NAME, its address is returned."""
    computer.run(f"unshare -n sleep infinity </dev/null >/dev/null 2>&1 & {name}=$!; sleep 1; "
                 f"lanyard --system port add default --netns ${name} machine={name}", check=True)
    computer.run("printf '#!/bin/sh\\n[ -z \"$new_ip_address\" ] || { ip addr replace $new_ip_address/24 dev $interface; "
                 "ip route replace default via $new_routers; }\\n' >/tmp/lease; chmod 755 /tmp/lease", check=True)
    inside = f"nsenter -t ${name} -n"
    computer.run(f"{inside} ip link set lo up; {inside} ip link set eth0 up", check=True)
    # a copy, since the profile of AppArmor lets the original run no script of ours
    computer.run(f"cp /sbin/dhclient /tmp/client; {inside} unshare -u sh -c 'hostname {name}; /tmp/client -1 -v -lf /tmp/lease.{name} "
                 f"-pf /tmp/pid.{name} -sf /tmp/lease eth0' 2>&1", check=True)
    address = computer.run(f"{inside} ip -4 -o addr show dev eth0 | awk '{{ print $4 }}'")[1].split("/")[0]
    assert address, f"{name} has no address"
    return address


def begin(computer, name, command):
    """A program that talks: its input is ${NAME_in}, its output ${NAME_out}."""
    computer.run(f"rm -f /tmp/{name}.*; mkfifo /tmp/{name}.in /tmp/{name}.out; ({command} </tmp/{name}.in >/tmp/{name}.out 2>/tmp/{name}.log &); "
                 f"exec {{{name}_in}}>/tmp/{name}.in {{{name}_out}}</tmp/{name}.out", check=True)
    return hear(computer, name)


def hear(computer, name):
    return computer.run(f"read -rt 60 line <&${{{name}_out}}; echo \"$line\"; tail -n 3 /tmp/{name}.log")[1]


def end(computer, name):
    computer.run(f"echo end >&${name}_in", check=True)
    return hear(computer, name)


def moves(computer, when):
    for flow in FLOWS:
        computer.run(f"echo moves >&${flow}_in", check=True)
        said = hear(computer, flow)
        assert said == "ok", f"traffic {flow}, {when}: {said}"


def everything(computer, when):
    """What the units are for, under their sandbox."""
    computer.run("lanyard --system net list | grep -q default", check=True)
    computer.soon(f"{when}: the executor", "lanyard --system plan >/dev/null && pgrep -x dnsmasq >/dev/null")
    computer.run("getent hosts two", check=True)
    # nat: an answer of the computer's outside
    computer.run("nsenter -t $one -n timeout 20 bash -c ': </dev/tcp/10.0.2.2/9' 2>&1 | grep -q refused", check=True)
    moves(computer, when)
    said = computer.run("timeout 20 lanyard --system capture one --count 3 -w /tmp/frames 2>&1 && [ $(stat -c %s /tmp/frames) -gt 100 ]")
    assert said[0] == 0, said
    said = computer.run("lanyard --system port add default --tap lytest9 && ip link show lytest9 >/dev/null && "
                        "lanyard --system port remove lytest9 2>&1")
    assert said[0] == 0, said
    _, failed = computer.run("systemctl --failed --no-legend | grep lanyard")
    assert not failed, failed


def traffic(computer):
    # of a small computer's 4,096 connections those of lib_knock, which wait for their end, leave none
    computer.run("sysctl -qw net.netfilter.nf_conntrack_max=65536", check=True)
    _, two = guest(computer, "one"), guest(computer, "two")
    computer.run("(nsenter -t $two -n python3 /opt/lanyard/lib_traffic.py serve 5001 >/tmp/serve.log 2>&1 &)", check=True)
    computer.soon("the server", "test -s /tmp/serve.log")
    computer.run("lanyard --system publish 8080 two:5001 2>&1 && lanyard --system publish 80 two:5001 2>&1", check=True)
    for flow, where in (("between", f"nsenter -t $one -n python3 /opt/lanyard/lib_traffic.py send 5001 {two}"),
                        ("through", "python3 /opt/lanyard/lib_traffic.py send 8080 127.0.0.1")):
        said = begin(computer, flow, where)
        assert said == "ok", f"{flow}: {said}"
    for knock, port in (("knock", 8080), ("low", 80)):
        assert begin(computer, knock, f"python3 /opt/lanyard/lib_knock.py {port}") == "ready"
    # what calls all the time is never refused either
    computer.run("(while [ ! -e /tmp/enough ]; do lanyard --system net list >/dev/null 2>>/tmp/refused || echo refused >>/tmp/refused; "
                 "sleep 0.2; done; echo >/tmp/done) >/dev/null 2>&1 &", check=True)


def restarted(computer):
    computer.run("systemctl restart lanyardd lanyard-executor", check=True)
    everything(computer, "after the restart of both")
    for unit in ("lanyardd", "lanyard-executor", "lanyardd"):
        computer.run(f"systemctl restart {unit}", check=True)
        moves(computer, f"after the restart of {unit}")
    everything(computer, "after the restart of each")


def kill(computer, unit, limit):
    computer.run(f"pid=$(systemctl show -P MainPID {unit}); kill -KILL $pid", check=True)
    computer.soon(f"another {unit}", f"[ $(systemctl show -P MainPID {unit}) != $pid ] && systemctl -q is-active {unit}")
    _, times = computer.run(f"systemctl show {unit} -p ActiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic | sort")
    up, down = (int(line.split("=")[1]) for line in times.splitlines())
    assert (up - down) / 1e6 < limit, f"{unit} was back after {(up - down) / 1e6:.2f} s"
    return (up - down) / 1e6


def killed(computer):
    for unit in ("lanyardd", "lanyard-executor"):
        for _ in range(2):
            kill(computer, unit, 60)
        computer.run(f"systemctl show -P StartLimitIntervalUSec {unit} | grep -qx 0", check=True)  # it is tried for ever
        everything(computer, f"after the deaths of {unit}")
    # what connected meanwhile was answered, if later, and so was who called the broker
    for knock in ("low", "knock"):
        said = end(computer, knock)
        print(said)
        assert "failed: none" in said, said
    computer.run("touch /tmp/enough", check=True)
    computer.soon("the end of the calls", "test -e /tmp/done")
    _, said = computer.run("cat /tmp/refused")
    assert not said, f"calls were refused: {said}"
    said = end(computer, "through")
    assert said == "nothing lost", said
    for unit in ("lanyardd", "lanyard-executor"):
        print(f"{unit}: back {kill(computer, unit, PATIENCE):.2f} s after its death")
    # its connections end with it, the port is another one's
    computer.run("pkill -KILL -x lanyard-publish", check=True)
    computer.soon("the ports after the death of lanyard-publish", "bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 4<>/dev/tcp/127.0.0.1/80'")


def stuck(computer):
    """Who says nothing any more is started again."""
    for unit in ("lanyardd", "lanyard-executor"):
        computer.run(f"mkdir -p /run/systemd/system/{unit}.service.d; printf '[Service]\\nWatchdogSec=3\\n' "
                     f">/run/systemd/system/{unit}.service.d/test.conf; systemctl daemon-reload; systemctl restart {unit}; "
                     f"pid=$(systemctl show -P MainPID {unit}); kill -STOP $pid", check=True)
        computer.soon(f"another {unit}", f"[ $(systemctl show -P MainPID {unit}) != $pid ] && systemctl -q is-active {unit}")
        computer.run(f"rm -r /run/systemd/system/{unit}.service.d; systemctl daemon-reload; systemctl restart {unit}", check=True)


def stopped(computer):
    """Without the broker nothing listens for it any more, and the machines go on."""
    computer.run("systemctl stop lanyardd.socket lanyardd.service", check=True)
    computer.soon("the end of the published ports", "! bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080' 2>/dev/null")
    computer.run("systemctl start lanyardd", check=True)
    computer.soon("the published ports", "bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 4<>/dev/tcp/127.0.0.1/80'")
    computer.run("lanyard --system unpublish 80 && ! bash -c 'exec 4<>/dev/tcp/127.0.0.1/80' 2>/dev/null", check=True)
    said = end(computer, "between")
    assert said.startswith("nothing lost"), said


def row(computer):
    # taps made ahead: udev hears of them before they are anybody's, and changes none
    computer.run("pgrep -x systemd-udevd || pgrep -x '(udev-worker)'", check=True)
    computer.run("python3 /opt/lanyard/lib_row.py /run/lanyard/default/broker.sock 25 'udevadm settle'", check=True)
    computer.soon("nothing to do", "lanyard --system plan | grep -q '^nothing'")
    computer.run("! journalctl -u lanyard-executor | grep 'MAC address was changed'", check=True)


def whole_way(computer):
    install(computer)
    row(computer)
    traffic(computer)
    everything(computer, "at first")
    sandboxed(computer)
    restarted(computer)
    killed(computer)
    stuck(computer)
    stopped(computer)


def main():
    with open("/etc/os-release") as file:
        release = dict(line.rstrip().split("=", 1) for line in file if "=" in line).get("VERSION_CODENAME", "")
    folder = debian(release)
    if not folder:
        sys.exit(77)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        with Computer(folder, programs(work), work) as computer:
            whole_way(computer)


if __name__ == "__main__":
    main()
