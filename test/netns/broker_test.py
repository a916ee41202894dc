#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# ways: system user nested
"""The broker by raw Varlink: start, change, attack, kill every process, end. A user instance starts and repairs
itself; the processes of the system instance are started by the test, as a service manager would.

Run by test/run; by hand: LANYARD_BUILD=BUILDDIR test/netns/broker_test.py. Needs only the standard library."""
import array
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.environ["LANYARD_BUILD"]
SYSTEM = os.environ.get("WORLD_WAY") == "system"
FOLDER = tempfile.mkdtemp(prefix="broker.")
os.environ["LANYARD_RUNTIME_DIR"] = FOLDER + "/run"
os.environ["LANYARD_STATE_DIR"] = FOLDER + "/state"
RUN = FOLDER + "/run/t"
LOG = (FOLDER if SYSTEM else RUN) + "/log"
SOCKET = RUN + "/broker.sock"
SIOCSIFHWADDR, TUNSETPERSIST = 0x8924, 0x400454CB


def expect(what, condition):
    if not condition:
        raise AssertionError(what)


def soon(what, condition, seconds=60):
    """For what another process does by itself."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            value = condition()
            if value:
                return value
        except (OSError, EOFError, Refusal):
            pass
        time.sleep(0.02)
    raise AssertionError(f"{what}: did not come true in {seconds} s")


class Refusal(Exception):
    def __init__(self, answer):
        super().__init__(answer["parameters"].get("message", json.dumps(answer)))
        self.name = answer["error"].rsplit(".", 1)[1]


class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(SOCKET)
        self.descriptors = []

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, method, fds=(), **parameters):
        message = json.dumps({"method": "io.lanyard." + method, "parameters": parameters})
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([message.encode() + b"\0"], rights)
        data, self.descriptors = b"", []
        while not data.endswith(b"\0"):
            part, ancillary, _, _ = self.socket.recvmsg(1 << 20, 1024)
            for _, _, raw in ancillary:
                numbers = array.array("i")
                numbers.frombytes(raw)
                self.descriptors += numbers
            if not part:
                raise EOFError(data)
            data += part
        answer = json.loads(data[:-1])
        if "error" in answer:
            raise Refusal(answer)
        return answer["parameters"]


def call(method, fds=(), **parameters):
    with Client() as client:
        return client.call(method, fds, **parameters)


def refused(error, words, method, /, **parameters):
    try:
        call(method, **parameters)
    except Refusal as refusal:
        expect(f"{method}: {refusal.name}, not {error}: {refusal}", refusal.name == error)
        expect(f"{method}: '{words}' is not in: {refusal}", words in str(refusal))
    else:
        raise AssertionError(f"{method} was not refused")


supervised = {}


def start_system():
    with open(LOG, "a", encoding="utf-8") as log:
        for program in ("lanyard-executor", "lanyardd"):
            if program not in supervised or supervised[program].poll() is not None:
                supervised[program] = subprocess.Popen([f"{BUILD}/{program}", "--system", "--instance", "t"],
                                                       stdin=subprocess.DEVNULL, stderr=log)
    soon("the system instance answers", lambda: call("Status"))


def start():
    if SYSTEM:
        return start_system()
    result = subprocess.run([BUILD + "/lanyardd", "--user", "--instance", "t", "--daemonize"],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    expect(f"start: {result.stderr}", result.returncode == 0)
    return None


def processes():
    return call("Status")["instance"]["processes"]


def plan():
    return [change["text"] for change in call("Plan")["changes"]]


def kill(name):
    pid = processes()[name]
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([handle], [], [], 10)
    os.close(handle)
    return pid


def is_gone(pid):
    """A zombie counts: not every machine's first process reaps."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def inside(*command):
    enter = [] if SYSTEM else ["nsenter", "--preserve-credentials", "-U", "-n", "-t", str(call("GetNamespace")["pid"])]
    return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=30, check=False)


def with_rights(*command):
    """Inside, with CAP_NET_ADMIN: what its owner may do behind our back."""
    enter = [] if SYSTEM else [sys.executable, os.path.join(os.path.dirname(__file__), "lib_rights.py"),
                               str(call("GetNamespace")["pid"])]
    return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=30, check=True)


def links():
    return [link["ifname"] for link in json.loads(inside("ip", "-j", "link").stdout)]


def apply(*networks, lab="first", **more):
    return call("Apply", lab=lab, networks=list(networks), **more)


LAB = {"name": "lab", "reservations": [{"name": "web", "mac": "ba:ad:ca:00:00:01"}]}


def test_start():
    start()
    start()  # a second one finds the first
    expect("version", call("GetVersion")["kind"] == ("system" if SYSTEM else "user"))
    if SYSTEM:
        return
    soon("ends when nothing is in it", lambda: not os.path.exists(RUN))
    start()


def test_apply():
    dry = apply(LAB, dry_run=True)
    expect("dry run plans", dry["changed"] and not call("ListNetworks")["networks"])
    expect("applied", apply(LAB)["changed"])
    expect("plan is empty", plan() == [])
    expect("twice is once", not apply(LAB)["changed"])
    network = call("ListNetworks")["networks"][0]
    expect("bridge", network["ifname"] in links())
    expect("persisted", os.path.exists(FOLDER + "/state/t/networks/lab.yaml"))
    expect("an address was chosen", network["reservations"][0]["address"])
    expect("all checks are good", all(check["ok"] for check in call("Check")["checks"]))
    again = dict(LAB, mtu=1400)
    expect("one change", all("change" in change["operation"] for change in apply(again)["changes"]))
    expect("plan is empty", plan() == [])


def test_refusals():
    before = call("ListNetworks")
    refused("InvalidArgument", "mdoe", "Apply", lab="first", networks=[{"name": "lab", "mdoe": "nat"}])
    refused("InvalidArgument", "name", "Apply", lab="first", networks=[{"mode": "nat"}])
    refused("Exists", "first", "Apply", lab="other", networks=[LAB])
    refused("InvalidArgument", "overlaps", "AddNetwork",
            network={"name": "clash", "ipv4": before["networks"][0]["ipv4"]})
    refused("NotFound", "lab", "SetNetwork", name="labb", settings={})
    refused("NotFound", "lab", "RemoveNetwork", name="labb")
    refused("InvalidArgument", "network", "AddPort", port={"kind": "tap"})
    refused("NotFound", "web", "Connect", name="weeb", port=80)
    refused("InvalidArgument", "port", "Connect", name="web", port=70000)
    refused("NotFound", "no port", "RemovePort", id="nobody")
    expect("nothing changed", call("ListNetworks") == before)


def test_reserve():
    made = call("Reserve", network="lab", reservation={"name": "db", "mac": "ba:ad:ca:00:00:02"})
    expect("an address was chosen", made["reservation"]["address"])
    expect("names only", {change["operation"] for change in made["changes"]} <= {"name-create", "name-change"})
    call("Unreserve", network="lab", name="db")
    expect("plan is empty", plan() == [])


def tap(**settings):
    with Client() as client:
        port = client.call("AddPort", port=dict(settings, network="lab", kind="tap"))["port"]
        return port, client.descriptors


def ports():
    return [port["id"] for port in call("ListPorts")["ports"]]


def test_tap():
    port, fds = tap(machine="web")
    expect("one descriptor", len(fds) == 1 and port["ifname"] in links())
    refused("Exists", port["mac"], "AddPort", port={"network": "lab", "kind": "tap", "mac": port["mac"]})
    refused("Busy", "plugged", "RemoveNetwork", name="lab")
    call("SetPort", id=port["id"], settings={"down": True})
    expect("plan is empty", plan() == [])
    call("SetPort", id=port["id"], settings={"down": None})
    os.close(fds[0])
    port, fds = tap(machine="web", mac=port["mac"])  # as a machine that is started again: at once
    os.close(fds[0])
    soon("a tap goes with its holder", lambda: port["id"] not in ports())
    port, fds = tap(queues=2)
    expect("two descriptors", len(fds) == 2)
    call("RemovePort", id=port["id"])
    expect("removed", port["ifname"] not in links())
    for fd in fds:
        os.close(fd)
    expect("plan is empty", plan() == [])


def row(*names, **settings):
    return [dict(settings, network="lab", kind="tap-named", ifname=name) for name in names]


def test_rows():
    """Several ports are one change: all or none, whatever fails on the way."""
    before = links(), ports()
    refused("NotFound", "ports[1]", "AddPorts", ports=row("lyone") + [{"network": "labb", "kind": "tap-named"}])
    refused("InvalidArgument", "ports[1]", "AddPorts", ports=row("lyone") + [{"network": "lab", "kind": "tap"}])
    refused("Exists", "lyone", "AddPorts", ports=row("lyone", "lyone"))
    refused("Exists", "ba:ad:ca:fe:00:01", "AddPorts", ports=row("lyone", "lytwo", mac="ba:ad:ca:fe:00:01"))
    with_rights("ip", "link", "add", "lytaken", "type", "veth", "peer", "name", "lyother")
    refused("Exists", "lytaken", "AddPorts", ports=row("lyone", "lytaken"))
    with_rights("ip", "link", "del", "lytaken")
    expect("dry run plans", len(call("AddPorts", ports=row("lyone", "lytwo"), dry_run=True)["changes"]) == 2)
    for number in range(1, 4):
        fail_at(number)
        try:
            call("AddPorts", ports=row("lyone", "lytwo", "lysix"))
        except Refusal:
            expect(f"none ({number})", (links(), ports()) == before and plan() == [])
            continue
        is_unfailed()
        call("RemovePorts", ids=["lyone", "lytwo", "lysix"])
        break
    expect("as before", (links(), ports()) == before and plan() == [])
    port, fds = tap(machine="web")
    os.close(fds[0])  # the one whose MAC it was has just ended
    added = call("AddPorts", ports=row("lyone", mac=port["mac"]) + row("lytwo"))["ports"]
    expect("added", [one["ifname"] for one in added] == ["lyone", "lytwo"] and "lytwo" in links())
    refused("NotFound", "lysix", "RemovePorts", ids=["lyone", "lysix"])
    expect("none was removed", "lyone" in links())
    for number in (1, 2):
        fail_at(number)
        call("RemovePorts", ids=[one["id"] for one in added])
        expect(f"removed ({number})", (links(), ports()) == before and plan() == [])
        is_unfailed()
        added = call("AddPorts", ports=row("lyone", "lytwo"))["ports"]
    call("RemovePorts", ids=["lyone", "lytwo", "lyone"])
    expect("as before", (links(), ports()) == before and plan() == [])


def set_mac(fd, ifname, mac):
    fcntl.ioctl(fd, SIOCSIFHWADDR, struct.pack("16sH6s8x", ifname.encode(), 1, mac))


def mac_of(ifname):
    found = json.loads(inside("ip", "-j", "link", "show", ifname).stdout or "[]")
    return found[0]["address"] if found else None


def test_attacker():
    port, fds = tap()
    own = mac_of(port["ifname"])
    set_mac(fds[0], port["ifname"], bytes.fromhex("02000000beef"))
    soon("the MAC is put back", lambda: mac_of(port["ifname"]) == own)
    soon("a strike", lambda: [p for p in call("ListPorts")["ports"] if p.get("strikes") == 1])
    set_mac(fds[0], port["ifname"], bytes.fromhex("02000000beef"))
    soon("the port is closed", lambda: port["id"] not in ports() and port["ifname"] not in links())
    os.close(fds[0])
    port, fds = tap()
    fcntl.ioctl(fds[0], TUNSETPERSIST, 1)
    soon("a persistent one is closed", lambda: port["id"] not in ports() and port["ifname"] not in links())
    os.close(fds[0])
    expect("plan is empty", plan() == [])


def test_repair():
    for damage in (["ip", "link", "del", "ly-lab"], ["ip", "addr", "flush", "dev", "ly-lab"],
                   ["nft", "delete", "table", "inet", "lanyard_t"], ["ip", "link", "set", "ly-lab", "down"]):
        with_rights(*damage)
        soon(f"put back after {damage}", lambda: plan() == [] and "ly-lab" in links(), 2)
    with open(LOG, encoding="utf-8") as file:
        expect("logged", "put back" in file.read())


def test_kills():
    port, fds = tap()
    before = call("ListNetworks")
    old = processes()
    kill("broker")
    start()
    new = processes()
    expect("the others lived on", all(new[name] == old[name] for name in old if name not in ("broker", "pasta")))
    expect("plan is empty", plan() == [] and call("ListNetworks") == before and port["id"] in ports())
    for name in ("executor",) if SYSTEM else ("executor", "holder"):
        pid = kill(name)
        if SYSTEM:
            start()
        soon(name + " is replaced", lambda n=name, p=pid: processes().get(n, p) != p)
        soon(f"plan is empty after {name}", lambda: plan() == [])
        expect("the tap is there", port["id"] in ports() and port["ifname"] in links())
    if "pasta" in processes():
        pid = kill("pasta")
        soon("pasta is replaced", lambda: processes().get("pasta", pid) != pid, 15)
    # all at once: a user's new world has the definitions and not the taps
    old = processes()
    for name in ("broker", "executor", "holder"):
        if name in old:
            os.kill(old[name], signal.SIGKILL)
            soon(name + " is dead", lambda p=old[name]: is_gone(p))
    start()
    soon("plan is empty", lambda: plan() == [])
    expect("definitions stay", [n["name"] for n in call("ListNetworks")["networks"]] == ["lab"])
    for fd in fds:
        os.close(fd)
    soon("lost ports go", lambda: ports() == [])


def test_death_over_a_tap():
    """Before anybody has the tap it is made again; after, it stays with who has it."""
    answers, folder, executor = [], RUN + "/ports", processes()["executor"]

    def ask():
        try:
            answers.append(tap())
        except (Refusal, EOFError) as answer:
            answers.append(answer)

    before = set(os.listdir(folder))
    os.kill(executor, signal.SIGSTOP)
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        soon("the port is written down", lambda: set(os.listdir(folder)) - before)
    finally:
        os.kill(executor, signal.SIGKILL)
    if SYSTEM:
        supervised["lanyard-executor"].wait()
        thread.join()
        expect(f"nobody starts it again in time: {answers}", isinstance(answers[0], (Refusal, EOFError)))
        start()
    else:
        thread.join()
        port, fds = answers[0]
        expect("made by the next executor", len(fds) == 1 and port["ifname"] in links() and port["id"] in ports())
        os.close(fds[0])
    soon("nothing is left", lambda: ports() == [] and plan() == [])
    with open(RUN + "/die-at", "w", encoding="ascii"):
        pass
    port, fds = tap()
    if os.path.exists(RUN + "/die-at"):
        os.unlink(RUN + "/die-at")
        print("the executor was built without faults: that part is left out")
    elif SYSTEM:
        supervised["lanyard-executor"].wait()
        start()
    expect("one descriptor", len(fds) == 1)
    soon("it is there", lambda: plan() == [] and port["id"] in ports() and port["ifname"] in links())
    os.close(fds[0])
    soon("and ends", lambda: ports() == [])


def test_damage():
    kill("broker")
    with open(FOLDER + "/state/t/networks/bad.yaml", "w", encoding="ascii") as file:
        file.write("{ name: bad, id: 9\n")
    start()
    expect("the good one is there", [n["name"] for n in call("ListNetworks")["networks"]] == ["lab"])
    with open(LOG, encoding="utf-8") as file:
        expect("the bad one is named", "bad.yaml" in file.read())
    os.unlink(FOLDER + "/state/t/networks/bad.yaml")


def test_two_at_once():
    problems = []

    def one(lab):
        try:
            apply({"name": lab + "one"}, {"name": lab + "two"}, lab=lab)
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(problem)

    threads = [threading.Thread(target=one, args=(lab,)) for lab in ("aa", "bb", "cc")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(f"no failure: {problems}", not problems)
    expect("all are there", len(call("ListNetworks")["networks"]) == 7 and plan() == [])
    for lab in ("aa", "bb", "cc"):
        apply(lab=lab)


def test_full_disk():
    """Refused by the file system: a folder without the right to write stands for the full disk."""
    folder = FOLDER + "/state/t/networks"
    os.chmod(folder, 0o500)
    if os.access(folder, os.W_OK):
        os.chmod(folder, 0o700)
        return
    try:
        refused("Refused", "could not be written", "AddNetwork", network={"name": "full"})
    finally:
        os.chmod(folder, 0o700)
    expect("as before", [n["name"] for n in call("ListNetworks")["networks"]] == ["lab"] and plan() == [])
    expect("no bridge", "ly-full" not in links())


def fail_at(number):
    with open(RUN + "/fail-at", "w", encoding="ascii") as file:
        file.write(f"{number}\n")


def is_unfailed():
    """Nothing has failed there: the executor was built without faults, or there was no such operation."""
    if not os.path.exists(RUN + "/fail-at"):
        return False
    os.unlink(RUN + "/fail-at")
    return True


def test_faults():
    """Every operation of a plan fails once; only where the executor was built with faults."""
    network = {"name": "fault", "reservations": [{"name": "x", "mac": "ba:ad:ca:00:00:09"}]}
    count = len(apply(network, lab="fault", dry_run=True)["changes"])
    before = links()
    for number in range(1, count + 1):
        fail_at(number)
        try:
            apply(network, lab="fault")
        except Refusal:
            expect(f"as before ({number})", links() == before and plan() == [])
            expect("not there", [n["name"] for n in call("ListNetworks")["networks"]] == ["lab"])
            continue
        if is_unfailed():
            print("the executor was built without faults: that part is left out")
            apply(lab="fault")
            return
        raise AssertionError(f"operation {number} did not fail")
    apply(network, lab="fault")
    for number in range(1, count + 1):
        fail_at(number)
        apply(lab="fault")
        expect(f"finished ({number})", links() == before and plan() == [])
        is_unfailed()
        apply(network, lab="fault")
    apply(lab="fault")


ECHO = """
import socket, sys
s = socket.create_server(("10.77.0.9", 8080)) ; print("ready", flush=True)
while True:
    c, _ = s.accept()
    data = b""
    while True:
        part = c.recv(65536)
        if not part: break
        data += part
    c.sendall(data[::-1]); c.close()
"""


def half_closed(connection):
    """All is sent and the end said before anything comes back."""
    data = os.urandom(3000000)
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    back = b""
    while part := connection.recv(1 << 20):
        back += part
    return back == data[::-1]


PEER = "import socket; s = socket.create_connection(('%s', %d), 8); print(s.makefile().read())"


def reaches_host(enter):
    """Through the network's translation and the uplink to the host's own addresses, both families."""
    if "WORLD_HOST4" not in os.environ:
        print("no private world: the uplink is left alone")
        return
    prefix = [n["ipv6"] for n in call("ListNetworks")["networks"] if n["name"] == "net"][0].split("::")[0]
    subprocess.run(enter + ["sh", "-c", f"ip -6 addr add {prefix}::9/64 dev eth0 nodad && "
                            "ip -6 route add default via fe80::1 dev eth0"], check=True)
    for family, address in ((socket.AF_INET, os.environ["WORLD_HOST4"]),
                            (socket.AF_INET6, os.environ["WORLD_HOST6"])):
        with socket.create_server((address, 0), family=family) as server:
            port = server.getsockname()[1]

            def serve():
                connection, _ = server.accept()
                connection.sendall(b"the host")
                connection.close()

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            result = subprocess.run(enter + [sys.executable, "-c", PEER % (address, port)], capture_output=True,
                                    text=True, timeout=20, check=False)
            expect(f"reach {address}: {result.stderr}", "the host" in result.stdout)


def test_reach():
    """A namespace plugged in as a machine: connect to it and publish it."""
    apply({"name": "net", "ipv4": "10.77.0.1/24",
           "reservations": [{"name": "guest", "mac": "ba:ad:ca:00:00:77", "address": "10.77.0.9"}]}, lab="reach")
    own = ["unshare", "-n"] if SYSTEM else ["nsenter", "--preserve-credentials", "-U", "-n", "-t",
                                            str(call("GetNamespace")["pid"]), "unshare", "-Urn"]
    guest = subprocess.Popen([*own, "sh", "-c", "echo up; exec sleep 1000"], stdout=subprocess.PIPE, text=True)
    server = None
    try:
        guest.stdout.readline()
        netns = os.open(f"/proc/{guest.pid}/ns/net", os.O_RDONLY)
        call("AddPort", fds=[netns], port={"network": "net", "kind": "netns", "netns": 0, "peer": "eth0",
                                           "mac": "ba:ad:ca:00:00:77", "machine": "guest"})
        os.close(netns)
        enter = ["nsenter", *([] if SYSTEM else ["--preserve-credentials", "-U"]), "-n", "-t", str(guest.pid)]
        subprocess.run(enter + ["sh", "-c", "ip addr add 10.77.0.9/24 dev eth0 && ip link set eth0 up && "
                                "ip route add default via 10.77.0.1"], check=True)
        expect("plan is empty", plan() == [])
        reaches_host(enter)
        refused("Failed", "refused", "Connect", name="guest", port=8080)
        server = subprocess.Popen(enter + [sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
        server.stdout.readline()
        with Client() as client:
            client.call("Connect", name="guest.net.internal", port=8080)
            expect("connected", half_closed(socket.socket(fileno=client.descriptors[0])))
        probe = socket.create_server(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        refused("Failed", "taken", "Publish", host_port=port, name="guest", port=8080)
        probe.close()
        call("Publish", host_port=port, name="guest", port=8080)
        refused("Exists", "already", "Publish", host_port=port, name="guest", port=8080)
        expect("published", half_closed(socket.create_connection(("127.0.0.1", port))))
        kill("broker")
        start()
        soon("published again", lambda: half_closed(socket.create_connection(("127.0.0.1", port))))
        call("Unpublish", host_port=port)
        expect("nothing published", call("ListPublished")["published"] == [])
    finally:
        for process in (server, guest):
            if process:
                process.kill()
                process.wait()
    soon("the port goes with the namespace", lambda: ports() == [])
    apply(lab="reach")


def test_end():
    pids = processes()
    apply()
    soon("ends when nothing is left in it", lambda: not os.path.exists(RUN))
    for name, pid in pids.items():
        soon(name + " is gone", lambda p=pid: is_gone(p))
    expect("nothing in the state folder", not os.path.exists(FOLDER + "/state/t"))


def test_stop():
    start()
    apply(LAB)
    _, fds = tap()
    refused("Busy", "plugged", "Stop")
    pids = processes()
    call("Stop", force=True)
    soon("ended", lambda: not os.path.exists(RUN))
    for name, pid in pids.items():
        soon(name + " is gone", lambda p=pid: is_gone(p))
    os.close(fds[0])


def test_end_system():
    apply()
    expect("nothing is left", not [name for name in links() if name.startswith("ly")])
    expect("no rules", "lanyard" not in inside("nft", "list", "tables").stdout)
    refused("Refused", "service manager", "Stop")
    for process in supervised.values():
        process.send_signal(signal.SIGTERM)
        expect("ends at once when told", process.wait(10) == 0)


def exchange(data, seconds=10):
    """What comes back for raw bytes, until the broker closes or an answer is whole."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(seconds)
        raw.connect(SOCKET)
        back = b""
        try:
            raw.sendall(data)
            while not back.endswith(b"\0"):
                part = raw.recv(65536)
                if not part:
                    break
                back += part
        except (BrokenPipeError, ConnectionResetError):
            pass
        return back


def nested(depth):
    return b'{"method":"io.lanyard.Apply","parameters":{"lab":' + b"[" * depth


HOSTILE = {
    "not JSON": b"hello\0",
    "an empty message": b"\0",
    "no object": b"[]\0",
    "no method": b"{}\0",
    "a method that is a number": b'{"method":7}\0',
    "a method without interface": b'{"method":"Status"}\0',
    "an unknown interface": b'{"method":"no.such.Thing"}\0',
    "an unknown method": b'{"method":"io.lanyard.Nothing"}\0',
    "parameters that are a list": b'{"method":"io.lanyard.Status","parameters":[]}\0',
    "an unknown parameter": b'{"method":"io.lanyard.Status","parameters":{"x":1}}\0',
    "a parameter of a wrong type": b'{"method":"io.lanyard.Apply","parameters":{"lab":7,"networks":[]}}\0',
    "a missing parameter": b'{"method":"io.lanyard.Apply","parameters":{"lab":"x"}}\0',
    "a key twice": b'{"method":"io.lanyard.Status","method":"io.lanyard.Stop"}\0',
    "no UTF-8": b'{"method":"io.lanyard.Apply","parameters":{"lab":"\xff\xfe","networks":[]}}\0',
    "an escaped NUL": b'{"method":"io.lanyard.Apply","parameters":{"lab":"a\\u0000b","networks":[]}}\0',
    "a number without end": b'{"method":"io.lanyard.Connect","parameters":{"name":"x","port":1e999}}\0',
    "a great integer": b'{"method":"io.lanyard.Connect","parameters":{"name":"x","port":99999999999999999999}}\0',
    "a path for a name": b'{"method":"io.lanyard.Apply","parameters":{"lab":"../../etc","networks":[]}}\0',
    "a path for a network": b'{"method":"io.lanyard.AddNetwork","parameters":{"network":{"name":"../x"}}}\0',
    "closed nesting": nested(5000) + b"]" * 5000 + b"}}\0",
    "10 MB of nesting": nested(10 << 20) + b"\0",
    "10 MB of a string": b'{"method":"' + b"a" * (10 << 20) + b'"}\0',
    "10 MB without an end": b" " * (10 << 20),
    "a descriptor's index out of range":
        b'{"method":"io.lanyard.AddPort","parameters":{"port":{"network":"lab","kind":"netns","netns":5}}}\0',
}


def memory():
    with open(f"/proc/{processes()['broker']}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def test_hostile():
    before, pid, plugged, used = call("ListNetworks"), processes()["broker"], ports(), memory()
    for what, data in HOSTILE.items():
        answer = exchange(data)
        if answer:
            expect(f"{what}: an error, not {answer[:200]}", b'"error"' in answer)
        expect(f"{what}: the broker lives", processes()["broker"] == pid)
    # cut off at every byte, then gone
    message = json.dumps({"method": "io.lanyard.Apply", "parameters": {"lab": "x", "networks": [LAB]}}).encode() + b"\0"
    for length in range(1, len(message), 3):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(SOCKET)
            raw.sendall(message[:length])
    # in single bytes: all the same
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(SOCKET)
        for byte in b'{"method":"io.lanyard.GetVersion"}\0':
            raw.sendall(bytes([byte]))
        expect("byte by byte", b'"version"' in raw.recv(65536))
    # descriptors that nobody asked for are closed
    with open("/dev/null", "rb") as null:
        for _ in range(20):
            try:
                call("GetVersion", fds=[null.fileno()] * 30)
            except (Refusal, EOFError, OSError):
                pass
    count = len(os.listdir(f"/proc/{pid}/fd")) if os.access(f"/proc/{pid}/fd", os.R_OK | os.X_OK) else 0
    expect(f"no descriptors are kept: {count}", count < 40)
    # a crowd of our own, which no limit holds (that of others: accounts.sh)
    crowd = []
    try:
        for _ in range(200):
            one = socket.socket(socket.AF_UNIX)
            crowd.append(one)
            one.settimeout(10)
            one.connect(SOCKET)
        expect("all are served", not any(refuses(one) for one in crowd))
    finally:
        for one in crowd:
            one.close()
    soon("others are served again", lambda: call("GetVersion"))
    # somebody who asks and never reads
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.setblocking(False)
        deaf.connect(SOCKET)
        try:
            for _ in range(20000):
                deaf.send(b'{"method":"io.lanyard.Status"}\0')
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
        expect("others are served meanwhile", call("GetVersion")["pid"] == pid)
    soon("memory is given back", lambda: memory() < used + 60000)
    expect("nothing changed", call("ListNetworks") == before and ports() == plugged and plan() == [])
    expect("the same broker", processes()["broker"] == pid)


def refuses(one):
    try:
        one.sendall(b'{"method":"io.lanyard.GetVersion"}\0')
        return b'"version"' not in one.recv(65536)
    except (BrokenPipeError, ConnectionResetError):
        return True


def main():
    tests = [test_start, test_apply, test_refusals, test_reserve, test_tap, test_rows, test_attacker, test_repair, test_reach,
             test_hostile, test_kills, test_death_over_a_tap, test_damage, test_two_at_once, test_full_disk, test_faults]
    tests += [test_end_system] if SYSTEM else [test_end, test_stop]
    try:
        for test in tests:
            begin = time.monotonic()
            test()
            print(f"ok {test.__name__} ({time.monotonic() - begin:.2f} s)", flush=True)
    except BaseException:
        try:
            with open(LOG, encoding="utf-8") as file:
                print(file.read())
        except OSError:
            pass
        try:
            call("Stop", force=True)
        except Exception:  # pylint: disable=broad-except
            pass
        raise
    shutil.rmtree(FOLDER, ignore_errors=True)


main()
