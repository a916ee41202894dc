# SPDX-License-Identifier: GPL-2.0-or-later
"""lib_row.py SOCKET COUNT COMMAND: taps on the network default by one connection, one right after the other; while they are held the
command runs. Fails when one has then another MAC address than it was made with."""
import fcntl
import json
import socket
import struct
import subprocess
import sys


def address_of(name):
    """The quick way, for a row is broken by a pause."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        return fcntl.ioctl(any_socket, 0x8927, struct.pack("16s16x", name.encode()))[18:24].hex(":")  # SIOCGIFHWADDR


made, held = {}, []
with socket.socket(socket.AF_UNIX) as broker:
    broker.connect(sys.argv[1])
    for _ in range(int(sys.argv[2])):
        broker.sendall(json.dumps({"method": "io.lanyard.AddPort", "parameters": {"port": {"network": "default"}}}).encode() + b"\0")
        data = b""
        while not data.endswith(b"\0"):
            piece, descriptors, _, _ = socket.recv_fds(broker, 65536, 8)
            if not piece:
                sys.exit("the broker has closed the connection")
            data += piece
            held += descriptors
        answer = json.loads(data[:-1])
        if "error" in answer:
            sys.exit(str(answer))
        name = answer["parameters"]["port"]["ifname"]
        made[name] = address_of(name)
    subprocess.run(sys.argv[3], shell=True, check=True)
    bad = [f"{name}: {address} has become {address_of(name)}" for name, address in made.items() if address_of(name) != address]
    sys.exit("\n".join(bad) or 0)
