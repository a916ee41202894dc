# SPDX-License-Identifier: GPL-2.0-or-later
"""What a machine must not send to the LAN, tried.

  lib_guard.py PID_OF_MACHINE PID_OF_SECOND PID_OF_LAN_MACHINE PID_OF_HOST BRIDGE

The machine sends a router advertisement, an answer of a DHCP server of each family, and a BPDU. Exit 0: the second machine
sees all of them, the LAN's machine and the host none; and they do see an ordinary frame. Exit 1, with what was seen, else."""
import ctypes
import os
import socket
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
SOURCE = bytes.fromhex("02fefefefefe")
ALL6 = bytes.fromhex("333300000001")


def packet_socket(pid, interface):
    libc.setns(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY), 0x40000000)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((interface, 0))
    s.setblocking(False)
    # the second machine's and the LAN's cards take every frame
    s.setsockopt(263, 1, struct.pack("iHH8s", socket.if_nametoindex(interface), 1, 0, b""))
    return s


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xffff)
    return ~total & 0xffff


def ipv6(protocol, payload):
    source, target = socket.inet_pton(socket.AF_INET6, "fe80::bad"), socket.inet_pton(socket.AF_INET6, "ff02::1")
    pseudo = source + target + struct.pack("!IHBB", len(payload), 0, 0, protocol)
    at = 2 if protocol == 58 else 6
    payload = payload[:at] + struct.pack("!H", checksum(pseudo + payload)) + payload[at + 2:]
    return ALL6 + SOURCE + b"\x86\xdd" + struct.pack("!IHBB", 0x60000000, len(payload), protocol, 255) + source + target + payload


def ipv4(payload):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, 17, 0, bytes([192, 0, 2, 99]), b"\xff" * 4)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return b"\xff" * 6 + SOURCE + b"\x08\x00" + header + payload


def udp(source, target):
    return struct.pack("!HHHH", source, target, 8 + 16, 0) + b"lanyard-guard-00"


FRAMES = {
    "a router advertisement": ipv6(58, struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)),
    "a DHCP answer": ipv4(udp(67, 68)),
    "a DHCPv6 answer": ipv6(17, udp(547, 546)),
    "a BPDU": bytes.fromhex("0180c2000000") + SOURCE + b"\x00\x26\x42\x42\x03" + b"\0" * 43,
    "an ordinary frame": b"\xff" * 6 + SOURCE + b"\x88\xb5" + b"ordinary" * 8,
}


def main():
    pids, bridge = sys.argv[1:5], sys.argv[5]
    machine, second, lan, host = [packet_socket(pid, bridge if i == 3 else "eth0") for i, pid in enumerate(pids)]
    seen = {second: set(), lan: set(), host: set()}
    end = time.monotonic() + 1
    while time.monotonic() < end:
        for frame in FRAMES.values():
            machine.send(frame)
        time.sleep(0.1)
        for s, names in seen.items():
            while True:
                try:
                    data = s.recv(2048)
                except BlockingIOError:
                    break
                names.update(name for name, frame in FRAMES.items() if data.startswith(frame))
    ordinary = {"an ordinary frame"}
    good = True
    for name, s, expected in ("the second machine", second, set(FRAMES)), ("the LAN's machine", lan, ordinary), ("the host", host, ordinary):
        if seen[s] != expected:
            print(f"{name} saw {', '.join(sorted(seen[s])) or 'nothing'}")
            good = False
    sys.exit(0 if good else 1)


main()
