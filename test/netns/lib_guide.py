# SPDX-License-Identifier: GPL-2.0-or-later
"""A guide of doc/ as it is written: its commands are run, in order, and what they say is compared with what it shows.

A block ```console has prompts: `$ ` is the reader (alice), `NAME$ ` another account, `# ` root, `> ` a line that
goes on. What follows is what the command says; `...` stands for anything, a line of its own for any lines. Without
such lines nothing is compared. A command has to succeed, unless the guide shows its sentence, `lanyard: ...` or `no: ...`.
A block of another kind with a path behind it is a file. A block after a line "*Not run by the tests: REASON.*" is
counted. Any other block must be of a kind that is not run (`text`).

In the way `system` the guide has a computer: copies of /etc and /home, the package's accounts and services, libvirt. In the
way `installed` it is on a computer that is its own (test/vm/package_guides.py), where root installs the packages as well."""
import os
import re
import shutil
import subprocess
import sys
import time

source = os.environ["LANYARD_SOURCE"]
build = os.environ["LANYARD_BUILD"]
installed = os.environ["WORLD_WAY"] == "installed"
system = installed or os.environ["WORLD_WAY"] == "system"
READER = "alice"
AGAIN = int(os.environ.get("GUIDE_AGAIN", "60"))  # seconds for what comes true on its own
# Commands that only look: a reader looks again.
LOOKS = re.compile(r"^(lanyard (--\w+ )?(status|(net|port|seat|vm|uplink) (list|show|leases)|net check)\b|ping |getent |grep |wget |ssh |virsh .*(list|net-list)|ip -br|lxc-info )")
ON_INSTALLED = "the tests of the packages do this, on a whole Debian"
NOT_RUN = re.compile(r"^\*Not run by the tests: (.*)\.\*$")


def fail(what):
    print("FAILED:", what)
    sys.exit(1)


def run(*command, **options):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        fail(f"{' '.join(command)}: {done.stdout}")
    return done.stdout


class Block:
    def __init__(self, section, line, kind, path, reason):
        self.section, self.line, self.kind, self.path, self.reason, self.text = section, line, kind, path, reason, []

    def commands(self):
        """(prompt, command, lines that are shown) of a console."""
        found = []
        for text in self.text:
            prompt = re.match(r"^(?:([a-z][\w-]*)?(\$)|(#)) (.*)$", text)
            if prompt:
                who = "root" if prompt[3] else prompt[1] or READER
                found.append((who, prompt[4], []))
            elif text.startswith("> ") and found and not found[-1][2]:
                found[-1] = (found[-1][0], found[-1][1] + "\n" + text[2:], [])
            elif found:
                found[-1][2].append(text)
            else:
                fail(f"line {self.line}: no prompt in front of '{text}'")
        return found


def blocks(path):
    block, found, reason, section = None, [], None, None
    with open(path) as guide:
        for number, text in enumerate(guide, 1):
            text = text.rstrip("\n")
            fence = re.match(r"^```(\w*) ?(.*)$", text)
            if fence and block is None:
                block = Block(section, number, fence[1], fence[2], reason)
            elif fence:
                found.append(block)
                block = reason = None
            elif block is not None:
                block.text.append(text)
            elif text.startswith("#"):
                section, reason = text.lstrip("# "), None
            elif NOT_RUN.match(text):
                reason = NOT_RUN.match(text)[1]
            elif text:
                reason = None
    return found


class Shell:
    """An account's shell; each command has nothing on its standard input, as long as it redirects nothing."""
    END = "--end-of-command--"

    def __init__(self, account):
        self.account = account
        environment = {"PATH": f"{build}:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb", "NO_COLOR": "1",
                       "LANYARD_ACCEL": "tcg", "ASAN_OPTIONS": "detect_leaks=0"}
        environment.update({name: os.environ[name] for name in ("KERNEL",) if name in os.environ})
        command = ["bash", "-c", "while IFS= read -r -d '' line <&9; do eval \"$line\" </dev/null; printf '\\n%s %d\\n' "
                   f"'{self.END}' $?; done"]
        if system:
            home = f"/home/{account}" if account != "root" else "/root" if installed else "/tmp/.computer/root"
            environment.update(HOME=home, USER=account, LOGNAME=account)
            if account != "root":
                uid, gid = (run("id", word, account).strip() for word in ("-u", "-g"))
                command = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--init-groups", "--", *command]
        else:
            home = os.environ["HOME"]
            environment.update({name: os.environ[name] for name in ("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME") if name in os.environ})
        read, self.lines = os.pipe()
        environment["PWD"] = home
        self.process = subprocess.Popen(["bash", "-c", f"exec 9<&{read}; exec \"$@\"", "bash", *command], cwd=home, env=environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, pass_fds=(read,))
        os.close(read)

    def run(self, command):
        os.write(self.lines, command.encode() + b"\0")
        said = b""
        end = f"\n{self.END} ".encode()
        while end not in said or not said.endswith(b"\n"):
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                fail(f"the shell of {self.account} ended: {said.decode(errors='replace')}")
            said += more
        text, code = said.decode(errors="replace").rsplit(end.decode(), 1)
        return int(code), text.replace("\r", "").strip("\n")

    def write(self, path, text):
        code, said = self.run(f"cat >{path} <<'END-OF-FILE'\n{text}\nEND-OF-FILE")
        if code:
            fail(f"{path}: {said}")


def pattern(lines):
    """Spaces of a table may be more or fewer."""
    text = ""
    for line in lines:
        if line.strip() == "...":
            text += r"(?:.*\n)*?"
        else:
            words = [".*?".join(re.escape(part) for part in word.split("...")) for word in line.split()]
            text += r"[ \t]*" + r"[ \t]+".join(words) + r"[ \t]*\n"
    return re.compile(text + r"\Z")


class Guide:
    def __init__(self, name):
        self.name, self.shells, self.ran = name, {}, 0
        self.most = 0  # the highest exit code that is no failure
        self.path = f"{source}/doc/{name}"

    def shell(self, account):
        if not system and account != READER:
            fail(f"doc/{self.name} is for an ordinary user, and has a prompt of {account}")
        if account not in self.shells:
            if system and not installed and account != "root":
                bring_image(f"/home/{account}", account)
            self.shells[account] = Shell(account)
        return self.shells[account]

    def attempt(self, place, who, command, shown):
        wanted = pattern(shown) if shown else None
        refused = bool(shown) and shown[0].startswith(("lanyard: ", "no: "))
        end = time.monotonic() + AGAIN
        while True:
            code, said = self.shell(who).run(command)
            right = (code <= self.most or refused) and (not wanted or wanted.match(said + "\n"))
            if right or not LOOKS.match(command) or time.monotonic() > end:
                break
            time.sleep(0.5)
        self.ran += 1
        if not right:
            fail(f"{place}: {'#' if who == 'root' else who + '$'} {command}\nexit {code}, it said:\n{said}\n"
                 + ("and the guide shows:\n" + "\n".join(shown) if wanted else ""))

    def follow(self, sections=()):
        """sections: their headings, if it is not all of it."""
        not_run = []
        found = blocks(self.path)
        missing = set(sections) - {block.section for block in found}
        if missing:
            fail(f"doc/{self.name} has no commands under {missing}")
        for block in found:
            place = f"doc/{self.name}:{block.line}"
            if sections and block.section not in sections:
                continue
            if block.reason and not (installed and block.reason == ON_INSTALLED):
                not_run.append(f"{place}: {block.reason}")
            elif block.kind == "console":
                for who, command, shown in block.commands():
                    self.attempt(place, who, command, shown)
            elif block.path:
                self.shell("root" if block.path.startswith("/") else READER).write(block.path, "\n".join(block.text))
            elif block.kind != "text":
                fail(f"{place}: a block of kind '{block.kind}' is neither run nor said not to be")
        if self.ran < (1 if sections else 5):
            fail(f"doc/{self.name}: only {self.ran} commands were found")
        print(f"doc/{self.name}: {self.ran} commands")
        for line in not_run:
            print("not run:", line)


def copy_of(path):
    """A copy that the guide may change: of a folder, in this mount namespace."""
    copy = "/tmp/.computer" + path
    os.makedirs(copy)
    run("cp", "-a", f"{path}/.", copy)
    run("mount", "--bind", copy, path)


def own_folder(path):
    os.makedirs(path, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", path)


def find_image():
    """The guests' image, as an earlier `lanyard up` has left it."""
    there = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lanyard/images/tiny")
    if not os.path.exists(there + "/kernel"):
        done = subprocess.run([f"{source}/share/image/tiny/build", there], capture_output=True, text=True)
        if done.returncode:
            print("there is no image of guests, and it cannot be made here:", done.stderr.strip().split("\n")[-1])
            sys.exit(77)
    return there


def bring_image(home, account):
    there, cache = find_image(), f"{home}/.cache/lanyard/images"
    if not os.path.exists(cache + "/tiny"):
        os.makedirs(cache, exist_ok=True)
        shutil.copytree(there, cache + "/tiny")
    run("chown", "-R", f"{account}:", f"{home}/.cache")


def start(*command):
    with open(f"/tmp/{os.path.basename(command[0])}.log", "w") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def until(what, *command):
    end = time.monotonic() + 20
    while subprocess.run(command, capture_output=True).returncode:
        if time.monotonic() > end:
            fail(f"{what} did not come: {subprocess.run(command, capture_output=True, text=True).stderr}")
        time.sleep(0.1)


def start_libvirt():
    """libvirt as its package leaves it, in this world."""
    for folder in ("/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/run/libvirt"):
        own_folder(folder)
    with open("/etc/libvirt/qemu.conf", "w") as configuration:
        configuration.write('stdio_handler = "file"\nsecurity_driver = "none"\ncgroup_controllers = []\nuser = "root"\n')
    if subprocess.run(["id", "libvirt-qemu"], capture_output=True).returncode:
        run("useradd", "-r", "-M", "libvirt-qemu")
    start("libvirtd", "--pid-file", "/run/libvirt/libvirtd.pid")  # another test's must not be in its way
    until("libvirt", "virsh", "-c", "qemu:///system", "list")
    with open("/tmp/default.xml", "w") as network:
        network.write("<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/>"
                      "<ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp>"
                      "</ip></network>")
    for words in (("net-define", "/tmp/default.xml"), ("net-autostart", "default"), ("net-start", "default")):
        run("virsh", "-q", "-c", "qemu:///system", *words)


def install():
    """What others find by its installed place."""
    os.makedirs("/tmp/.computer/libexec")
    run("mount", "--bind", "/usr/libexec", "/tmp/.computer/libexec")
    own_folder("/usr/libexec")
    for name in os.listdir("/tmp/.computer/libexec"):
        if name != "lanyard":
            os.symlink(f"/tmp/.computer/libexec/{name}", f"/usr/libexec/{name}")
    os.makedirs("/usr/libexec/lanyard")
    shutil.copy(f"{build}/lanyard-bridge-helper", "/usr/libexec/lanyard/")
    os.makedirs("/tmp/.nss")
    shutil.copy(f"{build}/libnss_lanyard.so.2", "/tmp/.nss/")
    run("sed", "-i", "s/^hosts:.*/hosts: files lanyard dns/", "/etc/nsswitch.conf")
    with open("/etc/ld.so.conf.d/lanyard.conf", "w") as folders:
        folders.write("/tmp/.nss\n")
    own_folder("/var/cache/ldconfig")
    run("ldconfig", "-i")


def prepare_computer(libvirt):
    """A Debian on which the packages were installed and that has an ordinary account, alice."""
    for folder in ("/etc", "/var/spool/mail", "/var/mail"):
        if os.path.isdir(folder) and not os.path.islink(folder):
            copy_of(folder)
    own_folder("/home")
    own_folder("/srv")
    own_folder("/var/lib/lxc")
    # /sys shows the interfaces of the network namespace in which it was mounted; containers want the control groups
    os.makedirs("/tmp/.computer/cgroup")
    run("mount", "--rbind", "/sys/fs/cgroup", "/tmp/.computer/cgroup")
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    run("mount", "--rbind", "/tmp/.computer/cgroup", "/sys/fs/cgroup")
    shutil.rmtree("/etc/lanyard", ignore_errors=True)
    os.makedirs("/etc/lanyard")
    shutil.copy(f"{source}/share/policy.yaml", "/etc/lanyard/")
    install()
    for account in ("lanyard", "lanyard-net"):
        if subprocess.run(["id", account], capture_output=True).returncode:
            run("useradd", "-r", "-M", "-U", account)
    run("useradd", "-m", "-s", "/bin/bash", READER)
    bring_image(f"/home/{READER}", READER)
    # as systemd sets it since Debian 13, where ping has no capability of its own
    with open("/proc/sys/net/ipv4/ping_group_range", "w") as range_file:
        range_file.write("0 2147483647")
    os.makedirs("/tmp/.computer/root")
    start("lanyard-executor", "--system")
    start("lanyardd", "--system", "--first-network", "default")
    until("the computer's instance", "lanyard", "--system", "net", "show", "default")
    if libvirt:
        start_libvirt()


def try_guide(name, libvirt=False, programs=()):
    for program in programs:
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            print(f"{program} is not installed")
            sys.exit(77)
    sys.stdout.reconfigure(line_buffering=True)
    if system:
        os.environ["PATH"] = f"{build}:/usr/sbin:/usr/bin:/sbin:/bin"
        prepare_computer(libvirt)
    else:
        find_image()
    Guide(name).follow()
