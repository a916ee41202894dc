# SPDX-License-Identifier: GPL-2.0-or-later
"""A computer under QEMU with a disk of lib_debian, for a test: boot, run commands in it, restart it, cut its power."""
import os
import shutil
import socket
import subprocess
import sys
import time


def debian(release="bookworm"):
    """The folder with a release's disk, or None with a sentence."""
    folder = os.path.join(os.environ.get("LANYARD_DEBIAN", "/var/tmp/lanyard-debian"), release)
    if os.path.exists(folder + "/packages"):
        return folder
    print(f"there is no Debian disk in {folder}; 'LANYARD_CHECK_DEBIAN=1 ./bootstrap check vm' makes one (as root, by debootstrap)")
    return None


def programs(*more):
    """What has been built here, to run without being installed."""
    return [os.path.join(os.environ["LANYARD_BUILD"], name) for name in ("lanyard", "lanyardd", "lanyard-executor", "lanyard-steward") + more]


LOGS = "for log in executor broker steward; do echo --- $log; tail -n 30 /run/$log.log; done"


def lanyard(computer):
    """Our three processes, started by hand."""
    computer.run("(lanyard-executor --system </dev/null >/run/executor.log 2>&1 &)"
                 "; (lanyardd --system </dev/null >/run/broker.log 2>&1 &)", check=True)
    computer.soon("the system instance", "lanyard --system net list >/dev/null 2>&1")
    computer.run("(lanyard-steward --system --stay </dev/null >/run/steward.log 2>&1 &)", check=True)
    computer.soon("the steward", "test -S /run/lanyard/default/steward.sock")


class Computer:
    """with Computer(...) as computer: it is started, and off afterwards; if something fails, it prints its logs."""
    logs = "journalctl -b --no-pager -n 80 -u 'lanyard*' | cut -c1-300"

    def __init__(self, folder, programs, work, memory=512):
        self.folder, self.work, self.memory = folder, work, memory
        self.disk = os.path.join(work, "disk.raw")
        subprocess.run(["cp", "--sparse=always", os.path.join(folder, "disk.raw"), self.disk], check=True)
        self.programs = os.path.join(work, "programs.raw")
        self.pack(programs)
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.off()
            raise
        return self

    def __exit__(self, kind, reason, trace):
        try:
            if kind:
                print(self.run(self.logs)[1])
        except Exception as error:
            print(error)
        finally:
            self.off()

    def off(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def pack(self, programs):
        """Our programs, or folders, on a disk of their own, which the test mounts at /opt/lanyard."""
        root = os.path.join(self.work, "programs")
        os.makedirs(root, exist_ok=True)
        for program in programs:
            if os.path.isdir(program):
                shutil.copytree(program, os.path.join(root, os.path.basename(program)))
            else:
                shutil.copy(program, root)
        size = sum(os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(root) for name in names)
        subprocess.run(["truncate", "-s", str(size + size // 4 + (50 << 20)), self.programs], check=True)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, self.programs], check=True)

    def start(self, limit=240):
        path = os.path.join(self.work, "shell")
        listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        listener.bind(path)
        listener.listen()
        # without cx16: QEMU 7.2's emulation leaves nonsense in the flags of cmpxchg16b, of which Debian 13's kernel dies (double fault in SLUB)
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "q35", "-cpu", "max,-cx16", "-m", str(self.memory),
             "-smp", "2", "-accel", os.environ.get("LANYARD_ACCEL") or "tcg,thread=multi", "-kernel", os.path.join(self.folder, "vmlinuz"),
             "-initrd", os.path.join(self.folder, "initrd"),
             "-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet systemd.show_status=0",
             "-drive", f"file={self.disk},format=raw,if=virtio,cache=writeback",
             "-drive", f"file={self.programs},format=raw,if=virtio,readonly=on",
             "-netdev", "user,id=lan", "-device", "virtio-net-pci,netdev=lan,mac=52:54:00:12:34:42",
             "-chardev", f"file,id=console,path={self.work}/console,append=on", "-serial", "chardev:console",
             "-chardev", f"socket,id=shell,path={path}", "-serial", "chardev:shell"],
            stdin=subprocess.DEVNULL)
        listener.settimeout(30)
        self.shell, _ = listener.accept()
        self.shell.settimeout(limit)
        self.buffer = b""
        self.until(b"@@ready\n")
        self.shell.settimeout(300)
        self.run("mkdir -p /opt/lanyard; mountpoint -q /opt/lanyard || mount -o ro /dev/vdb /opt/lanyard; "
                 "export PATH=/opt/lanyard:$PATH ASAN_OPTIONS=detect_leaks=0", check=True)

    def until(self, mark):
        while mark not in self.buffer:
            data = self.shell.recv(65536)
            if not data:
                raise RuntimeError("the computer is off: " + self.tail())
            self.buffer += data.replace(b"\r", b"")
        text, _, self.buffer = self.buffer.partition(mark)
        return text.decode(errors="replace")

    def run(self, command, check=False):
        """Exit code and output of a command line."""
        self.shell.sendall(command.encode() + b"\n")
        text = self.until(b"\n@@")
        code = int(self.until(b"\n"))
        if check and code != 0:
            raise RuntimeError(f"{command}: exit {code}: {text}\n{self.tail()}")
        return code, text.strip()

    def soon(self, what, command, limit=60):
        end = time.monotonic() + limit
        while self.run(command)[0] != 0:
            if time.monotonic() > end:
                raise RuntimeError(f"{what} did not come true: {command}: {self.run(command)}\n{self.tail()}")
            time.sleep(0.3)

    def restart(self, orderly=False):
        if orderly:
            self.shell.sendall(b"systemctl poweroff\n")
            self.process.wait(300)
        else:
            self.run("sync", check=True)
        self.cut()
        self.start()

    def cut(self):
        """No more power, at once."""
        self.off()
        self.shell.close()

    def tail(self):
        try:
            return open(os.path.join(self.work, "console"), errors="replace").read()[-1500:]
        except OSError:
            return ""
