# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages, built as anybody builds them, on a computer with a whole Debian: what their tests share. A test says
run(SCENARIO), which is called for every release that has a disk (test/vm/lib_debian; LANYARD_RELEASES restricts them)."""
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

from lib_computer import Computer, debian

RELEASES = os.environ.get("LANYARD_RELEASES", "bookworm trixie").split()
SOURCE = os.environ["LANYARD_SOURCE"]
PACKAGES = "lanyard lanyardd libnss-lanyard"
# What the disk has for other tests and is apt's to install here: gone before, and after.
OTHERS = "dnsmasq-base libyaml-0-2"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends"
SERVICES = "lanyardd.service lanyard-executor.service lanyard-executor.socket lanyard-steward.socket"
# What a build reads.
PARTS = ("bench", "completion", "debian", "doc", "man", "share", "src", "systemd", "test/unit", "test/golden", "test/fuzz", "test/netns",
         "apparmor", "meson.build", "meson_options.txt", "README.md", "NEWS.md", "SECURITY.md", "DESIGN.md", "LICENSE")
# What there is of each kind; the kernel's counters and what every start of the computer makes anew are left out.
TRACES = {
    "interfaces": "ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/\\1/' | sort",
    "addresses": "ip -o addr | awk '{ print $2, $4 }' | sort",
    "packet filter": "nft list ruleset",
    "settings": "sysctl -a 2>/dev/null | grep -E '^net\\.' | grep -vE 'conntrack_(count|max|buckets)|net\\.netfilter|neigh\\.ly|"
                "netdev_rss_key|tcp_fastopen_key|stable_secret' | sort",
    "files": "find / -xdev \\( -path /opt -o -path /var/cache -o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dpkg "
             "-o -path /home -o -path /tmp -o -path /var/tmp -o -path '/var/lib/systemd/*' -o -path /root -o -path /var/lib/NetworkManager \\) -prune -o -print | sort",
    "logs": "find /var/log -iname '*lanyard*' | sort",
    "runtime": "find /run -iname '*lanyard*' | sort",
    "processes": "ps -eo user:20=,comm= | grep -E 'lanyard|dnsmasq|pasta|qemu|pupil|mate' | sort",
    "profiles": "grep -i lanyard /sys/kernel/security/apparmor/profiles 2>/dev/null | sort",
    "units": "{ systemctl list-units --all --no-legend --plain '*lanyard*'; systemctl list-unit-files --no-legend '*lanyard*'; } | "
             "grep -vE 'not-found|opt-lanyard' | awk '{ print $1 }' | sort",
}


def skip(why):
    print(why)
    sys.exit(77)


def content():
    """A name for what the packages would be built from."""
    total = hashlib.sha256()
    for part in PARTS:
        top = os.path.join(SOURCE, part)
        files = [top] if os.path.isfile(top) else sorted(os.path.join(place, name) for place, _, names in os.walk(top) for name in names)
        for path in files:
            if "__pycache__" not in path:
                total.update(os.path.relpath(path, SOURCE).encode() + b"\0" + open(path, "rb").read() + b"\0")
    return total.hexdigest()[:16]


def own_release():
    with open("/etc/os-release") as lines:
        return next((line.strip().split("=")[1].strip('"') for line in lines if line.startswith("VERSION_CODENAME=")), "")


def build_command(release):
    """How a build is started: here, or in the release's own root folder, which a user namespace lets anybody enter."""
    if own_release() == release:
        lacking = subprocess.run(["dpkg-checkbuilddeps", os.path.join(SOURCE, "debian/control")], text=True, capture_output=True, check=False)
        if lacking.returncode:
            skip(lacking.stderr.strip().splitlines()[-1])
        return lambda tree: (["dpkg-buildpackage", "-us", "-uc", "-b"], tree)
    root = debian(release) + "/build"
    # as nobody in particular: the kernel makes no user namespace in a chroot, hence pivot_root
    inside = (f'mount --rbind "{root}" "{root}" && mount --rbind /dev "{root}/dev" && mount --rbind /proc "{root}/proc" && '
              f'mount --bind "$1" "{root}/mnt" && mount -t tmpfs none "{root}/tmp" && cd "{root}" && pivot_root . . && umount -l . && '
              'cd /mnt/lanyard && exec unshare -U --map-user=1 --map-group=1 dpkg-buildpackage -us -uc -b')
    return lambda tree: (["unshare", "-Urm", "sh", "-c", inside, "sh", os.path.dirname(tree)], "/")


def build(release, addition, target):
    """Into the folder target: all packages, with addition behind the version, and an index of them."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        tree = os.path.join(work, "lanyard")
        for part in PARTS:
            source = os.path.join(SOURCE, part)
            if os.path.isdir(source):
                shutil.copytree(source, os.path.join(tree, part))
            elif os.path.exists(source):
                shutil.copy(source, os.path.join(tree, part))
        changelog = os.path.join(tree, "debian/changelog")
        text = open(changelog).read()
        if addition:
            first = text.splitlines()[0].replace(")", addition + ")", 1)
            text = f"{first}\n\n  * The next one.\n\n -- Lanyard developers <lanyard@packages.debian.org>  Sun, 22 Nov 2026 12:00:00 +0000\n\n{text}"
            open(changelog, "w").write(text)
        # meson takes a ccache that it finds, whose folder may be another account's
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "LC_ALL": "C.UTF-8", "CCACHE_DISABLE": "1"}
        command, place = build_command(release)(tree)
        done = subprocess.run(command, cwd=place, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            sys.exit(f"dpkg-buildpackage on {release}:\n" + done.stdout[-3000:])
        for name in os.listdir(work):
            if name.endswith(".deb") and "-dbgsym" not in name:
                shutil.copy(os.path.join(work, name), target)
    index(target)


def index(folder):
    with open(os.path.join(folder, "Packages"), "w") as output:
        subprocess.run(["dpkg-scanpackages", "-m", "."], cwd=folder, stdout=output, stderr=subprocess.DEVNULL, check=True)


def packages(release, addition=""):
    """A folder with the packages; built once for the same sources."""
    cache = os.path.join(os.environ.get("LANYARD_TEST_CACHE") or f"/var/tmp/lanyard-packages-{os.getuid()}", "packages")
    os.makedirs(cache, exist_ok=True)
    target = os.path.join(cache, f"{release}-{content()}{addition}")
    with open(target + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(target + "/Packages"):
            shutil.rmtree(target, ignore_errors=True)
            os.mkdir(target)
            build(release, addition, target)
    return target


def repository(computer, name):
    """apt knows the packages in the folder name, and what they depend on."""
    computer.run("printf 'deb [trusted=yes] file:/opt/lanyard/%s ./\\n' debian " + name + " >/etc/apt/sources.list; "
                 "rm -f /etc/apt/sources.list.d/*", check=True)
    computer.run(f"{APT} update 2>&1", check=True)


def traces(computer):
    return {what: computer.run(command)[1].splitlines() for what, command in TRACES.items()}


def compare(before, after, known=()):
    bad = []
    for what, lines in before.items():
        new = [line for line in after[what] if line not in lines and not any(word in line for word in known)]
        gone = [line for line in lines if line not in after[what] and not any(word in line for word in known)]
        bad += [f"{what}: left: {line}" for line in new] + [f"{what}: missing: {line}" for line in gone]
    assert not bad, "not as before the installation:\n" + "\n".join(bad[:60])


def works(computer, what):
    """The network default is up, dual stack, nat, by itself; nothing has failed. Its gateway's address and length."""
    computer.soon(f"{what}: the network default", "ip -4 -o addr show dev ly-default | grep -q inet")
    computer.run("ip -6 -o addr show dev ly-default | grep -q 'inet6 fd'", check=True)
    computer.run(f"systemctl is-active {SERVICES}", check=True)
    _, failed = computer.run("systemctl --failed --no-legend")
    assert not failed, failed
    computer.run("test -z \"$(dpkg --audit)\"", check=True)
    return computer.run("ip -4 -o addr show dev ly-default | awk '{ print $4 }'")[1]


def verified(computer):
    """dpkg --verify finds nothing but what the disk itself is without."""
    _, said = computer.run(f"dpkg --verify {PACKAGES}")
    bad = [line for line in said.splitlines() if "/usr/share/doc/" not in line and "/usr/share/man/" not in line]
    assert not bad, bad


class Guest:
    """An account's machine: a namespace, since a computer in a computer is slow. Plugs in and gets an address.
    For one in a user instance: its network, and a command that what is said to Lanyard passes through."""

    def __init__(self, computer, account, gateway, own="", through=""):
        self.computer, self.account = computer, account
        as_account = f"runuser -u {account} -- env HOME=/home/{account}"
        inside, instance, network = ("lanyard --user exec --", "--user", own) if own else ("", "--system", "default")
        computer.run("printf '#!/bin/sh\\n[ -z \"$new_ip_address\" ] || ip addr replace $new_ip_address/24 dev $interface\\n' "
                     ">/tmp/lease; chmod 755 /tmp/lease; test -x /tmp/dhclient || cp $(which dhclient) /tmp/dhclient", check=True)  # its profile forbids our script
        mark = computer.run("mktemp -u /tmp/guest.XXXXXX")[1]
        computer.run(f"({as_account} {inside} unshare -Urn sh -c 'echo $$ >{mark}; exec sleep 100000' </dev/null >/dev/null 2>&1 &)", check=True)
        computer.soon("the namespace", f"test -s {mark}")
        self.pid = computer.run(f"cat {mark}; rm {mark}")[1]
        computer.run(f"{as_account} {through} lanyard {instance} port add {network} --netns {self.pid}", check=True)
        self.name = self.run("ip -o link | sed -nE 's/^[0-9]+: ([^:@]+).*/\\1/p' | grep -v '^lo$'")[1]
        assert self.name, "the port is not in the namespace"
        self.run(f"ip link set lo up; ip link set {self.name} up", check=True)
        self.run(f"/tmp/dhclient -1 -v -lf /tmp/lease.{self.pid} -pf /tmp/pid.{self.pid} -sf /tmp/lease {self.name} 2>&1", check=True)
        self.address = self.run(f"ip -4 -o addr show dev {self.name} | awk '{{ print $4 }}'")[1].split("/")[0]
        prefix = gateway.rsplit(".", 1)[0] + "."
        assert self.address.startswith(prefix), f"no lease: '{self.address}', the gateway is {gateway}"
        self.reaches(gateway.split("/")[0])

    def run(self, command, check=False):
        enter = f"runuser -u {self.account} -- nsenter -t {self.pid} -U -n --preserve-credentials"
        quoted = command.replace("'", "'\\''")
        return self.computer.run(f"{enter} sh -c '{quoted}'", check)

    def reaches(self, address):
        self.run(f"ping -c 1 -W 5 {address}", check=True)


def one_release(scenario, release, memory, additions, files, work):
    folder = debian(release)
    debs = {"now" + addition: packages(release, addition) for addition in additions}
    parts = os.path.join(work, "parts")
    for name, source in {**debs, "debian": folder + "/repository"}.items():
        shutil.copytree(source, os.path.join(parts, name))
    index(os.path.join(parts, "debian"))
    programs = [os.path.join(parts, name) for name in os.listdir(parts)] + list(files)
    with Computer(folder, programs, work, memory) as computer:
        computer.run("export PATH=/usr/sbin:/usr/bin:/sbin:/bin", check=True)
        computer.run(f"{APT} purge --auto-remove {OTHERS} 2>&1", check=True)
        repository(computer, "now")
        scenario(computer)


def run(scenario, memory=512, additions=("",), files=()):
    """additions: what is behind the version of each build; files: more for /opt/lanyard."""
    for program in ("dpkg-buildpackage", "dpkg-scanpackages", "dh", "mke2fs"):
        if not shutil.which(program):
            skip(f"{program} is not installed (dpkg-dev, debhelper, e2fsprogs)")
    releases = [release for release in RELEASES if debian(release)]
    if not releases:
        sys.exit(77)
    for release in releases:
        print(f"--- Debian {release}", flush=True)
        with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
            one_release(scenario, release, memory, additions, files, work)
