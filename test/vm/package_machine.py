#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real machines of two ordinary users on the network that the packages made, as doc/by-hand.md starts them: QEMU in the
emulated computer. The host finds them by name, an upgrade does not reset the session between them, and after a restart of the
computer all is as before. The guests' image is made by the check."""
import os
import shlex
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
from lib_package import APT, PACKAGES, run, skip, verified, works  # noqa: E402

NEXT = "+1"
SECONDS = 1200  # longer than an upgrade takes under emulation; ended before
IMAGE = os.path.join(os.environ.get("LANYARD_TEST_CACHE") or os.path.expanduser("~/.cache"), "lanyard/images/tiny")
# Of lines like '[  5]   0.10-0.20   sec  2.00 KBytes   164 Kbits/sec': the longest run without a byte, how many lines, the sum.
RESTS = ("awk '/ sec / && !/receiver|sender/ { n++; r = $5 == 0 ? r + 1 : 0; if (r > longest) longest = r; if ($5 > 0) busy++ } "
         "END { print longest + 0, n + 0, busy + 0 }' /tmp/session")


class Machine:
    """One of an account's, by QEMU's own command line and our bridge helper."""

    def __init__(self, computer, account, name, number):
        self.computer, self.account, self.name, self.mac = computer, account, name, f"ba:ad:ca:00:00:{number:02x}"
        computer.run(f"id {account} >/dev/null 2>&1 || useradd -m {account}; usermod -a -G lanyard {account}; "
                     f"echo hostname {name} >/home/{account}/seed", check=True)

    def start(self):
        image = "/opt/lanyard/tiny"
        self.computer.run(
            f"cd /home/{self.account} && runuser -u {self.account} -- qemu-system-x86_64 -accel tcg -cpu max,-cx16 -m 96 -display none -nodefaults -daemonize "
            f"-kernel {image}/kernel -initrd {image}/initrd -append \"$(cat {image}/append)\" -fw_cfg name=opt/lanyard/seed,file=seed "
            "-chardev socket,id=console,path=console,server=on,wait=off,logfile=console.log -serial chardev:console "
            "-netdev tap,id=n0,br=default,helper=/usr/libexec/lanyard/lanyard-bridge-helper "
            f"-device virtio-net-pci,netdev=n0,mac={self.mac} 2>&1", check=True)

    def arrive(self):
        """It has an address, and the host reaches it by its name: however slow the computer in a computer is, unless it has ended."""
        answer = f"ping -c 1 -W 2 {self.name}.default.internal"
        shown = f"{{ tail -n 20 /home/{self.account}/console.log | tr -d @; false; }}"  # without what Computer.run would take for its mark
        self.computer.soon(f"{self.name}'s answer to its name", f"{answer} || ! pgrep -u {self.account} -x qemu-system-x86 || {shown}", limit=2400)
        self.computer.run(f"pgrep -u {self.account} -x qemu-system-x86 || {shown}", check=True)
        self.address = self.computer.run(f"getent ahostsv4 {self.name}.default.internal | sed -n '1s/ .*//p'")[1]

    def say(self, command, check=True):
        return self.computer.run(f"cd /home/{self.account} && python3 /opt/lanyard/lib_console.py console {shlex.quote(command)}", check)[1]


def facts(computer):
    return computer.run("for link in /sys/class/net/ly*; do echo ${link##*/} $(cat $link/ifindex); done; lanyard --system port list --json; "
                        "pgrep -x qemu-system-x86")[1]


def upgraded(computer, web, desk):
    """iperf3 between the two, told in tenths of a second by the one that receives: one without a byte is a rest."""
    web.say("(iperf3 -s -1 -p 7777 -i 0.1 -f k --forceflush >/tmp/session 2>&1 &)")
    desk.say(f"(iperf3 -c {web.address} -p 7777 -t {SECONDS} -b 200K -l 500 >/dev/null 2>/tmp/talk; touch /tmp/end) & sleep 2; ! test -e /tmp/end")
    before = facts(computer)
    computer.run(f"printf 'deb [trusted=yes] file:/opt/lanyard/%s ./\\n' debian now now{NEXT} >/etc/apt/sources.list && {APT} update 2>&1", check=True)
    computer.run(f"{APT} install {PACKAGES} 2>&1", check=True)
    works(computer, "after the upgrade")
    verified(computer)
    desk.say("! test -e /tmp/end")  # the whole upgrade was within it
    desk.say("sleep 2; ! test -e /tmp/end && killall -INT iperf3; until test -e /tmp/end; do sleep 0.2; done")
    assert facts(computer) == before, f"before:\n{before}\nafter:\n{facts(computer)}"
    said = desk.say("cat /tmp/talk")
    assert said == "iperf3: interrupt - the client has terminated", said
    longest, lines, busy = (int(word) for word in web.say(RESTS).split())
    print(f"the session between the machines: {lines} tenths of a second, {busy} with bytes, the longest rest {longest / 10:.1f} s", flush=True)
    assert busy > 100 and longest < 10, web.say("tail -n 5 /tmp/session")


def whole_way(computer):
    computer.run(f"{APT} install {PACKAGES} 2>&1", check=True)
    works(computer, "after the installation")
    web, desk = Machine(computer, "pupil", "web", 1), Machine(computer, "mate", "desk", 2)
    web.start()
    desk.start()
    web.arrive()
    desk.arrive()
    assert desk.address in desk.say("ip -4 -o addr"), "another address inside"
    desk.say(f"ping -c 1 -W 5 {web.address} && ping -c 1 -W 5 web.default.internal")
    upgraded(computer, web, desk)
    address = web.address
    computer.restart()
    computer.run("export PATH=/usr/sbin:/usr/bin:/sbin:/bin", check=True)
    works(computer, "after the restart")
    web.start()
    web.arrive()
    assert web.address == address, f"another address after the restart: {web.address}, it was {address}"


if not os.path.exists(IMAGE + "/kernel"):
    skip(f"there is no guests' image in {IMAGE}")
run(whole_way, memory=1024, additions=("", NEXT), files=[IMAGE, HERE + "/lib_console.py"])
