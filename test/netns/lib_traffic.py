# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic between two guests that must not stop: pings and one TCP stream.

  lib_traffic.py serve PORT               in one guest: sends back what comes, says its pid
  lib_traffic.py send PORT ADDRESS...     in the other: pings every address, streams to the first

`send` reads lines: "moves" is answered with "ok" once every ping and the stream have got on, else with what did not;
"end" stops it and tells what was lost. The end of its input ends it too."""
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

PATIENCE = 20


def serve(port):
    listener = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    print(os.getpid(), flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


class Ping:
    def __init__(self, address):
        self.address = address
        self.seen, self.last = set(), 0
        self.process = subprocess.Popen(["ping", "-n", "-i", "0.05", address], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            if number := re.search(r"icmp_seq=(\d+) ttl", line):
                self.seen.add(int(number[1]))
                self.last = max(self.last, int(number[1]))

    def progress(self):
        return len(self.seen)

    def lost(self):
        return self.last - len(self.seen)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


class Stream:
    """What was sent comes back in order; a write every few milliseconds."""

    def __init__(self, address, port):
        self.address = f"tcp {address}"
        self.connection = socket.create_connection((address, int(port)), timeout=PATIENCE)
        self.back, self.problem = 0, None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        block = bytes(range(256)) * 16
        try:
            while True:
                self.connection.sendall(block)
                got = b""
                while len(got) < len(block):
                    part = self.connection.recv(len(block))
                    if not part:
                        raise EOFError("the stream ended")
                    got += part
                if got != block:
                    raise ValueError("other bytes came back")
                self.back += 1
                time.sleep(0.005)
        except (OSError, EOFError, ValueError) as problem:
            self.problem = problem

    def progress(self):
        return self.back

    def lost(self):
        return self.problem

    def end(self):
        pass


def wait_for_progress(flows):
    before = [flow.progress() for flow in flows]
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if all(flow.progress() >= old + 3 for flow, old in zip(flows, before)):
            return "ok"
        time.sleep(0.02)
    return "stopped: " + ", ".join(flow.address for flow, old in zip(flows, before) if flow.progress() < old + 3)


def send(port, *addresses):
    flows = [Ping(address) for address in addresses] + [Stream(address, port) for address in addresses]
    print(wait_for_progress(flows), flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        print(wait_for_progress(flows), flush=True)
    for flow in flows:
        flow.end()
    lost = [f"{flow.address}: {flow.lost()}" for flow in flows if flow.lost()]
    print("lost " + ", ".join(lost) if lost else "nothing lost", flush=True)


{"serve": serve, "send": send}[sys.argv[1]](*sys.argv[2:])
