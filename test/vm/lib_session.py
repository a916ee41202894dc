# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP session, run in two guests: `serve ADDRESS` echoes; `talk ADDRESS` says eight bytes every 5 ms and waits for their
echo until /tmp/enough is there; /tmp/result says how often, and the longest wait."""
import json
import os
import socket
import sys
import time


def serve(address):
    listener = socket.create_server((address, 7777))
    open("/tmp/serving", "w").close()
    peer, _ = listener.accept()
    while data := peer.recv(4096):
        peer.sendall(data)


def echo(peer, count):
    peer.sendall(b"%08d" % count)
    got = b""
    while len(got) < 8:
        more = peer.recv(8 - len(got))
        if not more:
            raise ConnectionError("the other end closed")
        got += more


def talk(address):
    peer, longest, count, error = socket.create_connection((address, 7777), 10), 0.0, 0, ""
    peer.settimeout(20)
    try:
        last = time.monotonic()
        while not os.path.exists("/tmp/enough"):
            echo(peer, count)
            now, count = time.monotonic(), count + 1
            longest, last = max(longest, now - last), now
            time.sleep(0.005)
    except OSError as problem:
        error = str(problem)
    with open("/tmp/result.new", "w") as output:
        json.dump({"count": count, "longest": longest, "error": error}, output)
    os.rename("/tmp/result.new", "/tmp/result")


(serve if sys.argv[1] == "serve" else talk)(sys.argv[2])
