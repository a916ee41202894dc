# SPDX-License-Identifier: GPL-2.0-or-later
"""A student's machine on a seat, without a machine. lib_seat.py TAP MAC

Opens the persistent tap by its name as any hypervisor does, gets an address by DHCP for the MAC and says it; holds the
tap until its input ends. Says the error's name when it may not open the tap."""
import errno
import fcntl
import os
import select
import socket
import struct
import sys
import time

TUNSETIFF, TAP, NO_PI = 0x400454CA, 2, 0x1000
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
XID = b"seat"


def open_tap(name):
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP | NO_PI))
    return descriptor


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def frame(mac, kind, options):
    dhcp = struct.pack("!BBBB4sHH16x6s10x192x", 1, 1, 6, 0, XID, 0, 0x8000, mac) + b"\x63\x82\x53\x63"
    dhcp += bytes((53, 1, kind)) + options + b"\xff"
    udp = struct.pack("!HHHH", 68, 67, 8 + len(dhcp), 0) + dhcp
    header = struct.pack("!BBHHHBBH4x4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\xff" * 4)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return b"\xff" * 6 + mac + b"\x08\x00" + header + udp


def answer(descriptor, kind, until):
    """(address, server) of the answer of this kind; None when none comes until then."""
    while (rest := until - time.monotonic()) > 0 and select.select([descriptor], [], [], rest)[0]:
        got = os.read(descriptor, 65536)
        dhcp = got[42:]
        if got[12:14] != b"\x08\x00" or got[23] != 17 or dhcp[4:8] != XID or dhcp[:1] != b"\2":
            continue
        options, found = dhcp[240:], {}
        while options and options[0] != 255:
            found[options[0]] = options[2:2 + options[1]]
            options = options[2 + options[1]:]
        if found.get(53) == bytes((kind,)):
            return dhcp[16:20], found[54]
    return None


def ask(descriptor, mac, kind, options, wanted):
    """Again each second: the port may just be on its way up."""
    for _ in range(15):
        os.write(descriptor, frame(mac, kind, options))
        found = answer(descriptor, wanted, time.monotonic() + 1)
        if found:
            return found
    sys.exit("no answer")


def main():
    mac = bytes.fromhex(sys.argv[2].replace(":", ""))
    try:
        descriptor = open_tap(sys.argv[1])
    except OSError as error:
        sys.exit(print(errno.errorcode[error.errno]))
    address, server = ask(descriptor, mac, DISCOVER, b"", OFFER)
    ask(descriptor, mac, REQUEST, b"\x32\4" + address + b"\x36\4" + server, ACK)
    print(socket.inet_ntoa(address), flush=True)
    sys.stdin.read()


main()
