#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# ways: system user nested
"""Every operation of every plan fails once: of `lanyard up` for all labs of the tests and of the documents, of every
kind of port, of an edit; the kernel and the files are as before each time. A failure of `down` is finished.

Needs an executor built with -Dfaults=true. Run inside test/world."""
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

SYSTEM = os.environ["WORLD_WAY"] == "system"
SOURCE = os.environ["LANYARD_SOURCE"]
INSTANCE = f"f{os.getpid()}"
LANYARD = ["lanyard", "--system" if SYSTEM else "--user", "--instance", INSTANCE, "--no-color"]
FOLDER = tempfile.mkdtemp(prefix="failures.")
# carrier is left out: the kernel tells of it when it likes (linkwatch), up to a second later
SNAPSHOT = r"""
ip -d -o link | sed -E 's/^[0-9]+: //; s/@if[0-9]+/@if/; s/[a-z_]*timer +[0-9.]+//g; s/link-netns(id)? [^ ]+//; s/ state [A-Z]+ / /; s/NO-CARRIER,//; s/,LOWER_UP//' | grep -v '^ly-up' | sort
ip -o address | sed -E 's/^[0-9]+: //; s/(valid|preferred)_lft [^ ]+//g' | grep -v '^ly-up' | sort
ip route; ip -6 route | grep -v ly-up
nft -s list ruleset
grep -H . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/forwarding /proc/sys/net/ipv4/ip_forward \
	/proc/sys/net/ipv6/conf/*/disable_ipv6 /proc/sys/net/ipv6/conf/*/accept_ra
echo; echo =end=
"""


def fail(text):
    raise AssertionError(text)


def lanyard(*arguments, expected=True):
    result = subprocess.run([*LANYARD, *arguments], capture_output=True, text=True, timeout=60, check=False,
                            stdin=subprocess.DEVNULL)
    if expected is not None and (result.returncode == 0) != expected:
        fail(f"lanyard {' '.join(arguments)}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result


def reading(*arguments):
    return json.loads(lanyard("--json", *arguments).stdout)


def is_repaired():
    plan = reading("plan")
    return not (plan.get("changes") if isinstance(plan, dict) else plan)


def soon(what, condition):
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            fail(f"{what} did not come true")
        time.sleep(0.02)


class World:
    """The instance's namespace, files and processes, as text to be compared."""

    def __init__(self):
        status = reading("status")["instance"]
        self.runtime, self.state = status["runtime"], status["state"]
        enter = [] if SYSTEM else [sys.executable, SOURCE + "/test/netns/lib_rights.py",
                                   str(status["processes"]["holder"])]
        self.shell = subprocess.Popen([*enter, "sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True)

    def look(self):
        self.shell.stdin.write(SNAPSHOT)
        self.shell.stdin.flush()
        lines = []
        while (line := self.shell.stdout.readline()) != "=end=\n":
            if not line:
                fail("the shell inside has ended")
            lines.append(line)
        lines += [path + "\n" for folder in (self.runtime, self.state)
                  for path in sorted(glob.glob(folder + "/**", recursive=True))
                  if not path.endswith(("/uplink", "/log", ".lock")) and not os.path.isdir(path)]
        lines.append(f"{self.dnsmasqs()} dnsmasq\n")
        return lines

    def dnsmasqs(self):
        found = subprocess.run(["pgrep", "-cf", f"dnsmasq .*/{INSTANCE}/services/"], capture_output=True, text=True,
                               check=False)
        return int(found.stdout)

    def fail_at(self, number):
        path = self.runtime + "/fail-at"
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(f"{number}\n")
        os.chmod(path + ".new", 0o666)
        os.rename(path + ".new", path)
        return path


def differences(before, after):
    old, new = set(before), set(after)
    return "".join(["- " + line for line in before if line not in new] + ["+ " + line for line in after
                                                                            if line not in old])


def each_fails(world, what, *arguments):
    """Makes the n-th operation of the command fail, for all n; returns how many there were."""
    planned = reading(*arguments, "--dry-run")
    prepared = sum(change["phase"] == "prepare" for change in planned["changes"])
    before = world.look()
    for number in range(1, prepared + 1):
        path = world.fail_at(number)
        result = lanyard(*arguments, expected=None)
        if os.path.exists(path):
            os.unlink(path)
            if number == 1 and result.returncode == 0:
                print("the executor was built without -Dfaults=true")
                sys.exit(77)
            fail(f"{what}: operation {number} of {prepared} was never reached")
        if result.returncode == 0 or "lanyard: " not in result.stderr:
            fail(f"{what}: operation {number} of {prepared} failed, yet: exit {result.returncode} {result.stderr}")
        after = world.look()
        if before != after:
            fail(f"{what}: after operation {number} of {prepared} had failed:\n{differences(before, after)}")
    if not is_repaired(): # once: what is compared above says it too
        fail(f"{what}: after all failures the plan is not empty")
    return prepared


def with_disk(text, disk):
    """The machines' images are replaced by an empty disk: nothing is built, and none is ever started here."""
    head, key, machines = text.partition("\nmachines:")
    machines = re.sub(r"image: [^,}\n]+", "image: " + disk, machines)
    if "image:" in machines: # some say none
        machines = re.sub(r"(?m)^(  [\w-]+: \{)(?![^\n]*image:)", r"\1 image: %s," % disk, machines)
    if "image:" not in machines:
        machines = re.sub(r": (?=,| *})", ": { image: %s }" % disk, machines)
        machines = re.sub(r"\{ *nics:", "{ image: %s, nics:" % disk, machines)
        machines = re.sub(r":\n    nics:", ":\n    image: %s\n    nics:" % disk, machines)
    return head + key + machines, head + "\n"


def ways_to_plug(network):
    yield "a tap", ["port", "add", network, "--run", "--", "true"]
    yield "a tap of two queues", ["port", "add", network, "queues=2", "--run", "--", "true"]
    yield "a named tap", ["port", "add", network, "--tap", "lyfault0"]
    if SYSTEM:
        yield "a namespace", ["port", "add", network, "--netns", os.environ["WORLD_INTERNET"], "peer=fault0"]


def try_lab(world, path):
    name = os.path.basename(path)
    with open(path, encoding="utf-8") as file:
        whole, bare = with_disk(file.read(), FOLDER + "/disk.raw")
    lab, networks = FOLDER + "/lab.yaml", FOLDER + "/networks.yaml"
    for place, text in ((lab, whole), (networks, bare)):
        with open(place, "w", encoding="utf-8") as file:
            file.write(text if re.search("^name:", text, re.M) else "name: tried\n" + text)
    count = each_fails(world, f"up of {name}", "up", "-f", lab)
    lanyard("up", "-f", networks)
    made = [network["name"] for network in reading("net", "list") if network["name"] != "keep"]
    for network in made[:2]:
        for what, arguments in ways_to_plug(network):
            count += port_fails(world, f"{name}: {what} on {network}", 1, arguments)
    count += each_fails(world, f"an edit of {name}", "net", "set", made[0], "mtu=1380", "ipv6=none",
                        "ipv4=10.98.0.1/24", "mode=nat", "reservations=[]")
    # what fails on the way down is finished
    down = reading("down", "-f", networks, "--dry-run")
    for number in range(1, 1 + sum(change["phase"] == "commit" for change in down["changes"])):
        count += finishes(world, f"down of {name}", number, world.base, ["down", "-f", networks])
        lanyard("up", "-f", networks)
    lanyard("down", "-f", networks)
    print(f"ok {name}: {count} operations", flush=True)
    return count


def port_fails(world, what, operations, arguments):
    """--dry-run would not run the command, so it is not asked for the number."""
    before = world.look()
    for number in range(1, operations + 1):
        path = world.fail_at(number)
        result = lanyard(*arguments, expected=False)
        if os.path.exists(path):
            fail(f"{what}: no operation {number}")
        if "lanyard: " not in result.stderr:
            fail(f"{what}: {result.stderr}")
        after = world.look()
        if before != after:
            fail(f"{what}, operation {number}:\n{differences(before, after)}")
    return operations


def finishes(world, what, number, expected, arguments):
    path = world.fail_at(number)
    lanyard(*arguments)
    if os.path.exists(path):
        fail(f"{what}: operation {number} was never reached")
    if (after := world.look()) != expected:
        fail(f"{what} with operation {number} failed:\n{differences(expected, after)}")
    return 1


def try_rates(world, network):
    """Ports with limits: an operation more each. What fails on the way to none, or away, is finished."""
    count = sum(port_fails(world, f"{what} with rates on {network}", 2,
                           [*arguments[:3], "rate_in=10mbit", "rate_out=1mbit", *arguments[3:]])
                for what, arguments in ways_to_plug(network))
    plug = ["port", "add", network, "--veth", "lyquiet0", "ifname=lyfault0"] # its carrier is the same at all times
    expected = world.look()
    for number in (1, 2):
        lanyard(*plug, "rate_in=10mbit")
        count += finishes(world, "port remove", number, expected, ["port", "remove", "lyfault0"])
    lanyard(*plug)
    expected = world.look()
    count += each_fails(world, "a first rate", "port", "set", "lyfault0", "rate_in=10mbit")
    lanyard("port", "set", "lyfault0", "rate_in=10mbit")
    count += each_fails(world, "another rate", "port", "set", "lyfault0", "rate_in=5mbit", "rate_out=5mbit")
    count += finishes(world, "no rate", 1, expected, ["port", "set", "lyfault0", "rate_in=none"])
    lanyard("port", "remove", "lyfault0")
    print(f"ok rates: {count} operations", flush=True)
    return count


def start_system():
    logs = [open(f"{FOLDER}/{name}.log", "w", encoding="utf-8") for name in ("executor", "broker")]
    processes = [subprocess.Popen([program, "--system", "--instance", INSTANCE], stderr=log, stdin=subprocess.DEVNULL)
                 for program, log in zip(("lanyard-executor", "lanyardd"), logs)]
    soon("the system instance", lambda: lanyard("net", "list", expected=None).returncode == 0)
    return processes


def without_vlans(labs):
    """Where the kernel's bridges know no VLANs, the labs that have some are for test/netns/vlans.sh alone."""
    if lanyard("net", "add", "probe", "vlan_filtering=yes", expected=None).returncode == 0:
        lanyard("net", "remove", "probe")
        return labs
    left = [path for path in labs if "vlan_filtering" not in open(path, encoding="utf-8").read()]
    print(f"{len(labs) - len(left)} labs are left out: the kernel's bridges know no VLANs")
    return left


def main():
    processes = start_system() if SYSTEM else []
    world = None
    try:
        with open(FOLDER + "/disk.raw", "wb") as file:
            file.truncate(1 << 20)
        with open(FOLDER + "/user-data", "w", encoding="utf-8") as file:
            file.write("#cloud-config\n")
        lanyard("net", "add", "keep", "ipv4=10.99.0.1/24")
        world = World()
        world.base = world.look()
        labs = [path for path in sorted(glob.glob(SOURCE + "/test/golden/labs/*.yaml"))
                if not os.path.exists(path[:-4] + "error")
                and not path.endswith("/network-elsewhere.yaml")]  # it has none of its own
        labs += sorted(glob.glob(SOURCE + "/doc/labs/*.yaml"))
        sample = {"system": ("/first.yaml", "/design.yaml", "/modes.yaml"), "nested": ("/first.yaml",)}
        if os.environ["WORLD_WAY"] in sample and "ALL" not in os.environ: # mostly the same code: a sample will do
            labs = [path for path in labs if path.endswith(sample[os.environ["WORLD_WAY"]])]
        labs = without_vlans(labs)
        count = try_rates(world, "keep") + sum(try_lab(world, path) for path in labs)
        print(f"{count} operations of {len(labs)} labs have failed and left nothing")
        lanyard("net", "remove", "keep")
    except BaseException:
        for log in [FOLDER + "/executor.log", FOLDER + "/broker.log", world.runtime + "/log" if world else ""]:
            if os.path.exists(log):
                with open(log, encoding="utf-8") as file:
                    print(f"--- {log}\n" + file.read()[-4000:])
        raise
    finally:
        if world:
            world.shell.kill()
            world.shell.wait()
        lanyard("down", "tried", expected=None)
        lanyard("net", "remove", "keep", expected=None)
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.wait()


main()
