# SPDX-License-Identifier: GPL-2.0-or-later
"""Connects to a port of this host again and again, until a line comes: each connection has to be answered by an echo.

  lib_knock.py PORT      says "ready", and at the end how many connections there were, and what failed"""
import socket
import sys
import threading
import time

failed, times = [], []
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
print("ready", flush=True)
while not ended.wait(0.02):
    begin = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as connection:
            connection.sendall(b"x")
            if connection.recv(1) != b"x":
                failed.append("no answer")
    except OSError as problem:
        failed.append(str(problem))
    times.append(time.monotonic() - begin)
print(f"{len(times)} connections, the slowest {max(times, default=0):.2f} s; failed: {failed or 'none'}", flush=True)
