# SPDX-License-Identifier: GPL-2.0-or-later
"""Many users of one system instance at once, by raw Varlink, each with a uid of their own.

lib_users.py SOCKET NETWORK PORTS FIRST-UID USERS: one of them is a hog, who takes all the connections that one may have
and calls without a pause. Every other has to get their PORTS, one more has to be refused to them, and none may wait
for long. Prints what each of the hog and the slowest user got. Root runs it."""
import array
import json
import os
import pwd
import select
import socket
import sys
import time

LONGEST = 20  # seconds for one call: two cores, sanitizers, and whatever runs beside


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)

    def call(self, method, **parameters):
        """The answer, and the descriptors with it."""
        self.socket.sendall(json.dumps({"method": "io.lanyard." + method, "parameters": parameters}).encode() + b"\0")
        data, descriptors = b"", array.array("i")
        while not data.endswith(b"\0"):
            part, ancillary, _, _ = self.socket.recvmsg(1 << 20, 1024)
            if not part:
                raise EOFError(data)
            data += part
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    descriptors.frombytes(content)
        return json.loads(data[:-1]), list(descriptors)


def become(uid):
    account = pwd.getpwuid(uid)
    os.setgroups([])  # the process has no group: what the accounts' files say counts
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(uid, uid, uid)


def is_over(end):
    return bool(select.select([end], [], [], 0)[0])


def hog(path, network, ready, end):
    """All connections, each with a call under way, until the others are done."""
    crowd = []
    while True:
        client = Client(path)
        try:
            answer, _ = client.call("GetVersion")
        except (EOFError, ConnectionError):
            break
        if "error" in answer:
            break
        crowd.append(client)
    message = {"method": "io.lanyard.AddPort", "parameters": {"port": {"network": network, "kind": "tap"}}}
    calls = 0
    while not is_over(end):
        for client in crowd:
            client.socket.sendall(json.dumps(message).encode() + b"\0")
        for client in crowd:
            data = b""
            while not data.endswith(b"\0"):
                data += client.socket.recvmsg(1 << 20, 1024)[0]
            calls += 1
        if calls == len(crowd):
            os.write(ready, b".")
    print(f"hog: {len(crowd)} connections, {calls} calls", flush=True)


def fill(path, network, count, held):
    """Adds the ports; returns the longest time that one took."""
    slowest = 0.0
    client = Client(path)
    for _ in range(count):
        begin = time.monotonic()
        answer, descriptors = client.call("AddPort", port={"network": network, "kind": "tap"})
        slowest = max(slowest, time.monotonic() - begin)
        if "error" in answer:
            raise AssertionError(f"refused: {answer}")
        held += descriptors
    ports = client.call("ListPorts")[0]["parameters"]["ports"]
    if len(held) != count or len(ports) != count:
        raise AssertionError(f"{len(held)} descriptors, sees {len(ports)} ports instead of {count}")
    answer, _ = client.call("AddPort", port={"network": network, "kind": "tap"})
    if "error" not in answer or f"you may have {count} ports" not in answer["parameters"]["message"]:
        raise AssertionError(f"one more: {answer}")
    return slowest


def user(path, network, count, go, end, done):
    """Fills their share and holds it until all have theirs; go and end are pipes that are closed when it is time."""
    held = []
    os.read(go, 1)
    try:
        os.write(done, f"{fill(path, network, count, held):.3f}\n".encode())
    except Exception as problem:  # told with the others' results
        os.write(done, f"uid {os.getuid()}: {problem}\n".encode())
    os.read(end, 1)


def start(uid, run):
    pid = os.fork()
    if pid == 0:
        become(uid)
        run()
        os._exit(0)
    return pid


def main():
    path, network = sys.argv[1:3]
    count, first, users = map(int, sys.argv[3:6])
    go_read, go_write = os.pipe()
    end_read, end_write = os.pipe()
    ready_read, ready_write = os.pipe()
    done_read, done_write = os.pipe()

    def run_hog():
        os.close(go_write)
        os.close(end_write)
        hog(path, network, ready_write, end_read)

    def run_user():
        os.close(go_write)
        os.close(end_write)
        user(path, network, count, go_read, end_read, done_write)

    glutton = start(first + users - 1, run_hog)
    children = [start(first + number, run_user) for number in range(users - 1)]
    os.close(done_write)
    os.read(ready_read, 1)
    os.close(go_write)
    with os.fdopen(done_read) as done:
        results = [done.readline().strip() for _ in range(users - 1)]
    os.close(end_write)
    for child in children:
        os.waitpid(child, 0)
    _, status = os.waitpid(glutton, 0)
    failed = [result for result in results if not result.replace(".", "").isdigit()]
    slowest = max([float(result) for result in results if result not in failed], default=0.0)
    print(f"{users} users, slowest call {slowest:.3f} s", *failed, sep="\n")
    sys.exit(bool(failed) or status != 0 or slowest > LONGEST)


main()
