#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages on a real Debian 12: installed with apt, used by an ordinary account, back after a restart, removed and
purged without a trace. The disk is made by test/vm/lib_debian (as root, by the network)."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_computer import Computer  # noqa: E402

folder = os.environ.get("LANYARD_DEBIAN", "/var/tmp/lanyard-debian")
source = os.environ["LANYARD_SOURCE"]
APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends"
SERVICES = "lanyardd.service lanyard-executor.service lanyard-executor.socket lanyard-steward.socket"
# What there is of each kind; the kernel's counters and what every start of the computer makes anew are left out.
TRACES = {
    "interfaces": "ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/\\1/' | sort",
    "addresses": "ip -o addr | awk '{ print $2, $4 }' | sort",
    "packet filter": "nft list ruleset",
    "settings": "sysctl -a 2>/dev/null | grep -E '^net\\.' | grep -vE 'conntrack_(count|max|buckets)|net\\.netfilter|neigh\\.ly|"
                "netdev_rss_key|tcp_fastopen_key|stable_secret' | sort",
    "files": "find / -xdev \\( -path /opt -o -path /var/cache -o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dpkg "
             "-o -path /home -o -path /tmp -o -path /var/tmp -o -path '/var/lib/systemd/*' -o -path /root \\) -prune -o -print | sort",
    "runtime": "find /run -iname '*lanyard*' | sort",
    "processes": "ps -eo comm= | grep -E 'lanyard|dnsmasq' | sort",
}


def skip(why):
    print(why)
    sys.exit(77)


def build(work):
    """The packages, as anybody builds them."""
    tree = os.path.join(work, "lanyard")
    shutil.copytree(source, tree, ignore=shutil.ignore_patterns(".git", "build", "build-*"))
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(["dpkg-buildpackage", "-us", "-uc", "-b"], cwd=tree, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.exit("dpkg-buildpackage:\n" + done.stdout[-3000:])
    debs = [os.path.join(work, name) for name in os.listdir(work) if name.endswith(".deb") and "-dbgsym" not in name]
    index = os.path.join(work, "Packages")
    with open(index, "w") as output:
        subprocess.run(["dpkg-scanpackages", "-m", "."], cwd=work, stdout=output, stderr=subprocess.DEVNULL, check=True)
    shutil.rmtree(tree)
    return debs + [index]


def traces(computer):
    return {what: computer.run(command)[1].splitlines() for what, command in TRACES.items()}


def compare(before, after, known=()):
    bad = []
    for what, lines in before.items():
        new = [line for line in after[what] if line not in lines and not any(word in line for word in known)]
        gone = [line for line in lines if line not in after[what]]
        bad += [f"{what}: left: {line}" for line in new] + [f"{what}: missing: {line}" for line in gone]
    if bad:
        sys.exit("not as before the installation:\n" + "\n".join(bad[:60]))


def default_network(computer, what):
    """Up, dual stack, nat, by itself."""
    computer.soon(f"{what}: the network default", "ip -4 -o addr show dev ly-default | grep -q inet")
    computer.run("ip -6 -o addr show dev ly-default | grep -q 'inet6 fd'", check=True)
    computer.run(f"systemctl is-active {SERVICES}", check=True)
    _, failed = computer.run("systemctl --failed --no-legend")
    assert not failed, failed
    return computer.run("ip -4 -o addr show dev ly-default | awk '{ print $4 }'")[1]


def guest(computer, gateway):
    """A machine of the pupil's: a namespace, since a computer in a computer is slow. Plugs in and gets an address."""
    as_pupil = "runuser -u pupil --"
    computer.run("printf '#!/bin/sh\\n[ -z \"$new_ip_address\" ] || ip addr replace $new_ip_address/24 dev $interface\\n' "
                 ">/tmp/lease; chmod 755 /tmp/lease", check=True)
    computer.run(f"({as_pupil} unshare -Urn sleep 1000 </dev/null >/dev/null 2>&1 &); sleep 1; pid=$(pgrep -u pupil -x sleep | head -n 1); "
                 "test -n \"$pid\"", check=True)
    computer.run(f"{as_pupil} lanyard --system port add default --netns $pid", check=True)
    inside = f"{as_pupil} nsenter -t $pid -U -n --preserve-credentials"
    _, name = computer.run(f"{inside} ip -o link | sed -nE 's/^[0-9]+: ([^:@]+).*/\\1/p' | grep -v '^lo$'")
    assert name, "the port is not in the namespace"
    computer.run(f"{inside} ip link set {name} up", check=True)
    computer.run(f"{inside} dhclient -1 -v -lf /tmp/lease.$pid -pf /tmp/pid.$pid -sf /tmp/lease {name} 2>&1", check=True)
    prefix = gateway.split("/")[0].rsplit(".", 1)[0] + "."
    _, address = computer.run(f"{inside} ip -4 -o addr show dev {name} | awk '{{ print $4 }}'")
    assert address.startswith(prefix), f"no lease: '{address}', the gateway is {gateway}"
    computer.run(f"{inside} ping -c 1 -W 5 {gateway.split('/')[0]}", check=True)
    computer.run("lanyard --system net leases default 2>/dev/null | grep -qF " + address.split("/")[0] +
                 " || lanyard --system leases | grep -qF " + address.split("/")[0], check=True)


def rights(computer):
    """Who may what: the group plugs in, root changes."""
    computer.run("useradd -m pupil && useradd -m stranger && usermod -a -G lanyard pupil", check=True)
    computer.run("runuser -u pupil -- lanyard --system net list | grep -q default", check=True)
    code, said = computer.run("runuser -u stranger -- lanyard --system port add default --tap lyown 2>&1")
    assert code != 0 and "group" in said, said
    code, said = computer.run("runuser -u pupil -- lanyard --system net add other 2>&1")
    assert code != 0 and "root" in said, said


def hardened(computer):
    """Users, capabilities, figures."""
    for unit, user, mask in (("lanyardd", "lanyard", "0000000000000000"), ("lanyard-executor", "lanyard-net", "0000000000003400")):
        pid = computer.run(f"systemctl show -P MainPID {unit}")[1]
        status = computer.run(f"cat /proc/{pid}/status; stat -c 'User:\t%U' /proc/{pid}")[1]
        for line in (f"CapBnd:\t{mask}", f"CapEff:\t{mask}", "NoNewPrivs:\t1", "Seccomp:\t2", f"User:\t{user}"):
            assert line in status, f"{unit}: no '{line}' in {status}"
    for unit, limit in (("lanyardd", 1.4), ("lanyard-executor", 2.8), ("lanyard-steward", 2.8)):
        figure = computer.run(f"systemd-analyze security {unit}.service --no-pager | sed -nE 's/.*: ([0-9.]+) .*/\\1/p' | tail -n 1")[1]
        print(f"{unit}: systemd-analyze security {figure}")
        assert float(figure) <= limit, f"{unit}: {figure}"


def killed(computer):
    """Any process may die at any moment."""
    for unit in ("lanyardd", "lanyard-executor"):
        pid = computer.run(f"systemctl show -P MainPID {unit}")[1]
        computer.run(f"kill -KILL {pid}", check=True)
        computer.soon(f"another {unit}", f"test $(systemctl show -P MainPID {unit}) != {pid} && systemctl is-active {unit} && "
                      "lanyard --system net list | grep -q default && pgrep -x dnsmasq")


def whole_way(computer):
    computer.run("umount /opt/lanyard; mount -o ro /dev/vdb /opt/lanyard; "
                 "echo 'deb [trusted=yes] file:/opt/lanyard ./' >/etc/apt/sources.list; export PATH=/usr/sbin:/usr/bin:/sbin:/bin", check=True)
    computer.run(f"{APT} update 2>&1", check=True)
    before = traces(computer)
    # without what it depends on, then repaired
    code, said = computer.run("dpkg -i /opt/lanyard/lanyard_*.deb 2>&1")
    assert code != 0 and "lanyardd" in said, said
    computer.run(f"{APT} -f install 2>&1", check=True)
    _, said = computer.run("dpkg --verify lanyard lanyardd")
    assert not [line for line in said.splitlines() if "/usr/share/doc/" not in line and "/usr/share/man/" not in line], said
    gateway = default_network(computer, "after the installation")
    rights(computer)
    hardened(computer)
    guest(computer, gateway)
    killed(computer)
    # installed again: nothing is cut, nothing made twice
    index = computer.run("cat /sys/class/net/ly-default/ifindex")[1]
    computer.run(f"{APT} --reinstall install lanyard lanyardd 2>&1", check=True)
    default_network(computer, "after the second installation")
    assert computer.run("cat /sys/class/net/ly-default/ifindex")[1] == index, "the network was made anew"
    computer.run("runuser -u pupil -- nsenter -t $pid -U -n --preserve-credentials ping -c 1 -W 5 " + gateway.split("/")[0], check=True)
    # what somebody removed stays removed; what somebody added comes back
    computer.run("lanyard --system net add second", check=True)
    computer.restart()
    computer.run("export PATH=/usr/sbin:/usr/bin:/sbin:/bin", check=True)
    assert default_network(computer, "after the restart") == gateway, "another address after the restart"
    computer.soon("the second network", "ip link show ly-second")
    guest(computer, gateway)
    computer.run("lanyard --system net remove second && lanyard --system net remove default --force && systemctl restart lanyardd && "
                 "lanyard --system net list && ! ip link show ly-default 2>/dev/null", check=True)
    computer.run("lanyard --system net add default && lanyard --system net add third", check=True)
    # removed: no interface, no rule; installed again: the networks are back
    computer.run(f"{APT} remove lanyardd 2>&1", check=True)
    _, left = computer.run("ip -o link | grep ' ly'; nft list ruleset | grep lanyard; pgrep -l 'lanyard|dnsmasq'; find /run -name '*lanyard*'")
    assert not left, f"after the removal: {left}"
    computer.run(f"{APT} install lanyard 2>&1", check=True)
    computer.soon("the networks after the third installation", "ip link show ly-third && ip link show ly-default")
    computer.run(f"{APT} purge lanyard lanyardd 2>&1", check=True)
    computer.run("pkill -u pupil; userdel -r pupil; userdel -r stranger; true")
    compare(before, traces(computer), known=("/etc/subuid-", "/etc/subgid-"))  # useradd's own
    computer.run("test -z \"$(dpkg --audit)\"", check=True)


def main():
    for program in ("dpkg-buildpackage", "dpkg-scanpackages", "dh", "mke2fs"):
        if not shutil.which(program):
            skip(f"{program} is not installed (dpkg-dev, debhelper, e2fsprogs)")
    lacking = subprocess.run(["dpkg-checkbuilddeps", os.path.join(source, "debian/control")], text=True, capture_output=True, check=False)
    if lacking.returncode:
        skip(lacking.stderr.strip().splitlines()[-1])
    if not os.path.exists(folder + "/disk.raw"):
        skip(f"there is no Debian disk in {folder}; 'LANYARD_CHECK_DEBIAN=1 ./bootstrap check vm' makes one (as root, by debootstrap)")
    if not os.path.exists(folder + "/packages"):
        skip(f"the Debian disk in {folder} is an old one; 'LANYARD_CHECK_DEBIAN=1 ./bootstrap check vm' makes it anew")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        files = os.environ.get("LANYARD_DEBS", "").split() or build(work)
        computer = Computer(folder, files, work)
        try:
            computer.start()
            whole_way(computer)
        except BaseException:
            try:
                print(computer.run("journalctl -b --no-pager -n 60 -u 'lanyard*' | cut -c1-300")[1])
            except Exception as error:
                print(error)
            raise
        finally:
            if computer.process:
                computer.process.kill()


if __name__ == "__main__":
    main()
