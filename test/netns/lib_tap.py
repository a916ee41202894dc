# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine's end of a tap, without a machine. lib_tap.py ADDRESS GATEWAY [NAME]

The tap is the descriptor in LANYARD_FDS, or the persistent one NAME. Asks for the gateway's MAC as ADDRESS and says
"answered"; then obeys lines: `mac XX:...`, `persist`, `owner UID`, `group GID` (what an attacker would do with the
descriptor), `ask`. Says "ok" or the error."""
import fcntl
import os
import select
import socket
import struct
import sys
import time

TUNSETIFF, TUNGETIFF, TUNSETPERSIST, TUNSETOWNER, TUNSETGROUP = 0x400454CA, 0x800454D2, 0x400454CB, 0x400454CC, 0x400454CE
TUNGETVNETHDRSZ, SIOCSIFHWADDR = 0x800454D7, 0x8924
TAP, NO_PI, VNET_HDR = 2, 0x1000, 0x4000


def open_tap():
    if len(sys.argv) <= 3:
        return int(os.environ["LANYARD_FDS"].split(":")[0])
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", sys.argv[3].encode(), TAP | NO_PI | VNET_HDR))
    return descriptor


def header_size(descriptor):
    return struct.unpack("i", fcntl.ioctl(descriptor, TUNGETVNETHDRSZ, struct.pack("i", 0)))[0]


def ask(descriptor, mac):
    """ARP, because it needs nothing else. Asks again each half second: the port may just be on its way up."""
    header = header_size(descriptor)
    sender, target = (socket.inet_aton(address) for address in sys.argv[1:3])
    frame = bytes(header) + b"\xff" * 6 + mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, 1)
    frame += mac + sender + bytes(6) + target
    end = time.monotonic() + 15
    while time.monotonic() < end:
        os.write(descriptor, frame)
        until = time.monotonic() + 0.5
        while (rest := until - time.monotonic()) > 0 and select.select([descriptor], [], [], rest)[0]:
            got = os.read(descriptor, 65536)[header:]
            if got[12:14] == b"\x08\x06" and got[20:22] == b"\0\2" and got[28:32] == target:
                return "answered"
    return "no answer"


def obey(descriptor, name, mac, words):
    if words[0] == "mac":
        fcntl.ioctl(descriptor, SIOCSIFHWADDR, struct.pack("16sH6s8x", name, 1, bytes.fromhex(words[1].replace(":", ""))))
    elif words[0] == "persist":
        fcntl.ioctl(descriptor, TUNSETPERSIST, 1)
    elif words[0] in ("owner", "group"):
        fcntl.ioctl(descriptor, TUNSETOWNER if words[0] == "owner" else TUNSETGROUP, int(words[1]))
    else:
        return ask(descriptor, mac)
    return "ok"


def main():
    descriptor = open_tap()
    name = struct.unpack("16s", fcntl.ioctl(descriptor, TUNGETIFF, bytes(40))[:16])[0]
    mac = bytes.fromhex(os.environ.get("LANYARD_MAC", "ba:ad:ca:01:02:03").replace(":", ""))
    print(ask(descriptor, mac), flush=True)
    for line in sys.stdin:
        try:
            print(obey(descriptor, name, mac, line.split()), flush=True)
        except OSError as error:
            print(error, flush=True)


main()
