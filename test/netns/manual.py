#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# The EXAMPLES of the manual pages as they stand, on a computer with machines web and db in a network lab. (Those of
# lanyard(1) and lanyard.yaml(5) are run by test/vm/readme.sh, with real machines.)
# ways: system
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_guide import READER, Block, Guide, fail, prepare_computer, run, source  # noqa: E402

# The highest exit code of a page's commands: doctor and why say by 1 that they found something, can-i that one may not.
PAGES = {
    "nss-lanyard.8": 0,
    "lanyard-doctor.8": 1,
    "lanyard-varlink.7": 0,
    "lanyard-policy.yaml.5": 1,
    "lanyard-bridge-helper.8": 0,
    "lanyardd.8": 0,
}
ELSEWHERE = ("lanyard.1", "lanyard.yaml.5")
# What such a world does not have.
ABSENT = ("journalctl", "systemctl")


def examples(page):
    """(the display's lines, what it is a file of or None)"""
    with open(f"{source}/man/{page}") as file:
        text = file.read()
    part = re.search(r"^\.Sh EXAMPLES\n(.*?)^\.Sh ", text, re.M | re.S)
    if not part:
        fail(f"man/{page}: no EXAMPLES")
    found = [[line] for line in re.findall(r"^\.Dl (.*)$", part[1], re.M)]
    found += [display.split("\n") for display in re.findall(r"^\.Bd [^\n]*\n(.*?)\n\.Ed", part[1], re.M | re.S)]
    if not found:
        fail(f"man/{page}: its EXAMPLES have no commands")
    return [[re.sub(r"\\(.)", lambda match: {"e": "\\"}.get(match[1], match[1]), line) for line in lines] for lines in found]


def machine(name):
    process = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
    run("sh", "-c", f"until [ \"$(readlink /proc/{process.pid}/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do :; done")
    run("lanyard", "--system", "port", "add", "lab", "--netns", str(process.pid), f"machine={name}")
    inside = ("nsenter", "-t", str(process.pid), "-n")
    run(*inside, "ip", "link", "set", "eth0", "up")
    run(*inside, "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-x", f"hostname:{name}", "-s", "/bin/true")


def try_page(page, most):
    guide = Guide(page)
    guide.most = most
    for lines in examples(page):
        text = "\n".join(lines)
        if re.match(r"^(networks|groups|users|everyone|hosts):", text):
            if page == "lanyard-policy.yaml.5":
                guide.shell("root").write("/etc/lanyard/policy.yaml", text)
            continue
        if not re.match(r"^[$#] ", text):
            lines = ("# " + text.replace("\\\n", "\\\n> ")).split("\n") if "\\\n" in text else ["# " + line for line in lines]
        block = Block("", 0, "console", "", None)
        block.text = lines
        for who, command, shown in block.commands():
            program = command.split()[0]
            if program in ABSENT or subprocess.run(["bash", "-c", f"type {program}"], capture_output=True).returncode:
                skipped.append(f"{program} of man/{page} ({'needs systemd' if program in ABSENT else 'is not installed'})")
            else:
                # a policy's lines have other numbers in another file
                guide.attempt(f"man/{page}", who, command, [] if "policy.yaml:" in "".join(shown) else shown)
    if not guide.ran:
        fail(f"man/{page}: nothing was run")
    print(f"man/{page}: {guide.ran} commands")


skipped = []
sys.stdout.reconfigure(line_buffering=True)
pages = {name for name in os.listdir(f"{source}/man") if re.search(r"\.[1-8]$", name)}
if pages != set(PAGES) | set(ELSEWHERE):
    fail(f"manual pages that no test knows: {pages ^ (set(PAGES) | set(ELSEWHERE))}")
os.environ["PATH"] = f"{os.environ['LANYARD_BUILD']}:/usr/sbin:/usr/bin:/sbin:/bin"
prepare_computer(False)
run("usermod", "-a", "-G", "lanyard", READER)
try_page("lanyard-policy.yaml.5", PAGES.pop("lanyard-policy.yaml.5"))
run("lanyard", "--system", "net", "add", "lab", "ipv4=10.20.0.1/24")
run("lanyard", "--system", "net", "reserve", "lab", "web", "10.20.0.10")
machine("web")
machine("db")
os.environ["KERNEL"] = "-kernel /home/alice/.cache/lanyard/images/tiny/kernel"
for page, most in PAGES.items():
    try_page(page, most)
if skipped:
    print("the others run; not run:", ", ".join(skipped))
    sys.exit(77)
