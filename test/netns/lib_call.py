# SPDX-License-Identifier: GPL-2.0-or-later
"""lib_call.py SOCKET METHOD PARAMETERS: one call of io.lanyard; prints the answer, fails on an error."""
import json
import socket
import sys

with socket.socket(socket.AF_UNIX) as broker:
    broker.connect(sys.argv[1])
    message = {"method": "io.lanyard." + sys.argv[2], "parameters": json.loads(sys.argv[3])}
    broker.sendall(json.dumps(message).encode() + b"\0")
    data = b""
    while not data.endswith(b"\0"):
        part = broker.recv(65536)
        if not part:
            sys.exit("the broker has closed the connection")
        data += part
answer = json.loads(data[:-1])
print(json.dumps(answer["parameters"]))
sys.exit(answer.get("error", 0))
