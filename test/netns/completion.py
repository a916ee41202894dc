#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# The Tab key in a real bash on a terminal, as an ordinary user beside a running instance: verbs, options, names of
# networks, ports and reservations, keys and their values.
# ways: user nested
import os, pty, re, select, shutil, subprocess, sys, time

source, build = os.environ["LANYARD_SOURCE"], os.environ["LANYARD_BUILD"]
PROMPT = "READY> "
END = "#end#"


def lanyard(*words):
    done = subprocess.run(["lanyard", "--user", *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"lanyard {' '.join(words)}: {done.stderr}")
    return done.stdout


class Bash:
    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1=PROMPT, TERM="dumb", INPUTRC="/dev/null", HISTFILE="")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.seen = ""
        self.until(PROMPT)
        self.line("bind 'set enable-bracketed-paste off' 2>/dev/null; stty -echoctl")
        self.line(f"source {source}/completion/lanyard.bash")

    def until(self, text):
        end = time.monotonic() + 20
        while text not in self.seen:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                sys.exit(f"the shell did not say {text!r}: {self.seen!r}")
            self.seen += os.read(self.fd, 4096).decode()
        before, self.seen = self.seen.split(text, 1)
        return before

    def line(self, text):
        os.write(self.fd, text.encode() + b"\r")
        self.until("\n")
        return self.until(PROMPT)

    # What the line has become after Tab: it is not run but quoted and echoed.
    def completed(self, typed):
        os.write(self.fd, typed.encode() + b"\t")
        os.write(self.fd, f"{END}'\x01printf '%s\\n' '\r".encode())
        answer = self.until(END + "\r\n")
        rest = re.split(r"[\r\n]", answer)[-1]
        self.until(PROMPT)
        return rest

    # What is offered where several things fit.
    def offered(self, typed):
        os.write(self.fd, typed.encode() + b"\t\t")
        os.write(self.fd, f"{END}'\x01printf '%s\\n' '\r".encode())
        answer = self.until(END + "\r\n")
        self.until(PROMPT)
        lines = answer.replace("\r", "").split("\n")
        return " ".join(line for line in lines if not line.startswith(PROMPT) and "printf" not in line).split()


lanyard("net", "add", "office")
lanyard("net", "add", "lab")
lanyard("net", "reserve", "lab", "printer", "02:00:00:00:00:07")
bash = Bash()
failed = 0
for typed, expected in (
    ("lanyard stat", "lanyard status "),
    ("lanyard net sh", "lanyard net show "),
    ("lanyard --json net lis", "lanyard --json net list "),
    ("lanyard net show of", "lanyard net show office "),
    ("lanyard net unreserve lab pr", "lanyard net unreserve lab printer "),
    ("lanyard net set office dom", "lanyard net set office domain="),
    ("lanyard net set office mode=isol", "lanyard net set office mode=isolated "),
    ("lanyard port add lab machine=x isolated=t", "lanyard port add lab machine=x isolated=true "),
    ("lanyard --dry", "lanyard --dry-run "),
    ("lanyard port list l", "lanyard port list lab "),
    ("lanyard exec -- udevad", "lanyard exec -- udevad" if not shutil.which("udevadm") else "lanyard exec -- udevadm "),
):
    found = bash.completed(typed)
    if found != expected:
        print(f"{typed!r}: became {found!r}, not {expected!r}")
        failed = 1
for typed, words in (
    ("lanyard net ", {"add", "list", "show", "set", "remove", "leases", "reserve", "unreserve", "check"}),
    ("lanyard net set ", {"lab", "office"}),
    ("lanyard net set lab ", {"mode=", "ipv4=", "ipv6=", "domain="}),
    ("lanyard net set lab mode=", {"nat", "routed", "isolated", "open"}),
    ("lanyard port add lab ", {"machine="}),
    ("lanyard --", {"--json", "--dry-run", "--instance", "--user", "--system"}),
):
    found = bash.offered(typed)
    if not words <= set(found):
        print(f"{typed!r}: offered {found}, without {words - set(found)}")
        failed = 1
lanyard("net", "remove", "lab")
lanyard("net", "remove", "office")
sys.exit(failed)
