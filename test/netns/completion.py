#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# The Tab key in a real bash and a real zsh on a terminal, and what a real fish offers, as an ordinary user beside a
# running instance: verbs, options, names of networks, machines, ports and reservations, keys and their values.
# ways: user nested
import os, pty, re, select, shutil, subprocess, sys, tempfile, time

source = os.environ["LANYARD_SOURCE"]
PROMPT = "READY> "
END = "#end#"


def lanyard(*words):
    done = subprocess.run(["lanyard", "--user", *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"lanyard {' '.join(words)}: {done.stderr}")
    return done.stdout


class Terminal:
    """A shell at a terminal: what a person sees after Tab."""

    def __init__(self, program, *start):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1=PROMPT, TERM="dumb", INPUTRC="/dev/null", HISTFILE="")
            os.execvp(program[0], program)
        self.seen = ""
        self.until(PROMPT)
        for line in start:
            self.line(line)

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

    # What stands on the terminal until the line as it has become is shown.
    def shown(self, typed):
        os.write(self.fd, typed.encode() + self.show)
        answer = self.until(END + "\r\n")
        self.until(PROMPT)
        return answer.replace("\r\n", "\n")


class Bash(Terminal):
    # the line is not run but quoted and echoed
    show = f"{END}'\x01printf '%s\\n' '\r".encode()

    def __init__(self):
        super().__init__(["bash", "--norc", "--noprofile", "-i"], "bind 'set enable-bracketed-paste off' 2>/dev/null; stty -echoctl",
                         f"source {source}/completion/lanyard.bash")

    def completed(self, typed):
        return re.split(r"[\r\n]", self.shown(typed + "\t"))[-1]

    def offered(self, typed):
        lines = self.shown(typed + "\t\t").replace("\r", "").split("\n")
        return " ".join(line for line in lines if not line.startswith(PROMPT) and "printf" not in line).split()


class Zsh(Terminal):
    # a key of the test's own prints the line and empties it
    show = b"\x18"

    # found by the completion system where packages put it, or evaluated
    def __init__(self, installed=True):
        os.makedirs("zsh", exist_ok=True)
        shutil.copy(f"{source}/completion/lanyard.zsh", "zsh/_lanyard")
        super().__init__(["zsh", "-f", "-i"], f"fpath=({os.getcwd()}/zsh $fpath)" if installed else "true", "autoload -Uz compinit; compinit -D -u",
                         "true" if installed else 'eval "$(lanyard completion zsh)"',
                         f"show() {{ print -r -- $'\\n'\"[$BUFFER]{END}\"; BUFFER=; zle reset-prompt }}; zle -N show; bindkey '^X' show")

    def completed(self, typed):
        return self.shown(typed + "\t").rsplit("\n[", 1)[1][:-1]

    def offered(self, typed):
        return self.shown(typed + "\t").split()


class Fish:
    """What fish has for a line; it adds a space itself unless the word ends in '=' or '/'."""

    def offered(self, typed):
        done = subprocess.run(["fish", "--no-config", "-c", f"source {source}/completion/lanyard.fish; complete -C '{typed}'"],
                              capture_output=True, text=True, check=True)
        return [line.split("\t")[0] for line in done.stdout.splitlines()]

    def completed(self, typed):
        found = self.offered(typed)
        if len(found) != 1:
            return f"{typed} offers {found}"
        before = typed.rsplit(" ", 1)[0]
        return f"{before} {found[0]}" + ("" if found[0][-1] in "=/" else " ")


def complain(shell, typed, what):
    global failed
    print(f"{shell}: {typed!r}: {what}")
    failed = 1


lanyard("net", "add", "office")
lanyard("net", "add", "lab")
lanyard("net", "reserve", "lab", "printer", "02:00:00:00:00:07")
os.chdir(tempfile.mkdtemp(dir="/tmp"))
os.makedirs("files/ofthem")
open("files/ofthem/one.yaml", "w").close()
failed = 0
missing = []
for program, shell_class in (("bash", Bash), ("zsh", Zsh), ("fish", Fish)):
    if not shutil.which(program):
        missing.append(program)
        continue
    shell = shell_class()
    for typed, expected in (
        ("lanyard stat", "lanyard status "),
        ("lanyard net sh", "lanyard net show "),
        ("lanyard --json net lis", "lanyard --json net list "),
        ("lanyard net show of", "lanyard net show office "),
        ("lanyard net unreserve lab pr", "lanyard net unreserve lab printer "),
        ("lanyard net set office dom", "lanyard net set office domain="),
        ("lanyard net set office mode=isol", "lanyard net set office mode=isolated "),
        ("lanyard port add lab machine=x isolated=t", "lanyard port add lab machine=x isolated=true "),
        ("lanyard seat add lab 1-9 isolated=t", "lanyard seat add lab 1-9 isolated=true "),
        ("lanyard --dry", "lanyard --dry-run "),
        ("lanyard port list l", "lanyard port list lab "),
        ("lanyard completion z", "lanyard completion zsh "),
        ("lanyard exec --network of", "lanyard exec --network office "),
        ("lanyard up -f files/ofth", "lanyard up -f files/ofthem/"),
        ("lanyard exec -- setpri", "lanyard exec -- setpriv "),
    ):
        found = shell.completed(typed)
        if found != expected:
            complain(program, typed, f"became {found!r}, not {expected!r}")
    for typed, words in (
        ("lanyard net ", {"add", "list", "show", "set", "remove", "leases", "reserve", "unreserve", "check"}),
        ("lanyard net set ", {"lab", "office"}),
        ("lanyard net set lab ", {"mode=", "ipv4=", "ipv6=", "domain="}),
        ("lanyard net set lab mode=", {"nat", "routed", "isolated", "open"}),
        ("lanyard port add lab ", {"machine="}),
        ("lanyard seat add lab 1-20 ", {"prefix=", "owner=", "group="}),
        ("lanyard --", {"--json", "--dry-run", "--instance", "--user", "--system"}),
    ):
        found = [word.split("=", 1)[1] if "mode=" in typed and "=" in word else word for word in shell.offered(typed)]
        if not words <= set(found):
            complain(program, typed, f"offered {found}, without {words - set(found)}")
    # options with their value in the same word; what a command of one's own takes
    for typed, expected in (("lanyard exec --network=of", "lanyard exec --network=office "),
                            ("lanyard exec -- test -f files/ofth", "lanyard exec -- test -f files/ofthem/")):
        found = shell.completed(typed)
        if found != expected:
            complain(program, typed, f"became {found!r}, not {expected!r}")
if "zsh" not in missing and Zsh(installed=False).completed("lanyard net show of") != "lanyard net show office ":
    complain("zsh", "lanyard completion zsh", "evaluated, it completes nothing")
lanyard("net", "remove", "lab")
lanyard("net", "remove", "office")
if missing and not failed:
    print(f"not installed: {', '.join(missing)}; the others are fine")
    sys.exit(77)
sys.exit(failed)
