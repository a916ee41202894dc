# SPDX-License-Identifier: GPL-2.0-or-later
"""The reachability matrix of doc/modes.md, tried with real packets.

  lib_matrix.py DOCUMENT MODE [peers] 'NAME=PID INTERFACE IPV4 IPV6'...

Every endpoint is a network namespace (that of PID). All sockets are made in this one process, each in the namespace that it belongs
to (setns is the calling thread's alone), so that all cells are tried at the same time. Prints the matrix; exit 1 when a cell is not as promised."""
import ctypes
import os
import select
import socket
import struct
import sys
import threading
import time

PORT, PATIENCE, ETHERTYPE = 7777, 1.0, 0x88b5
GROUP4, GROUP6 = "239.1.2.3", "ff15::1234"
libc = ctypes.CDLL(None, use_errno=True)
home = os.open("/proc/self/ns/net", os.O_RDONLY)


class Endpoint:
    def __init__(self, text):
        self.name, _, rest = text.partition("=")
        pid, self.interface, self.v4, self.v6 = rest.split()
        self.namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        self.heard = set()
        self.serve()

    def inside(self, make):
        libc.setns(self.namespace, 0x40000000) and sys.exit(f"setns {self.name}")
        try:
            return make()
        finally:
            libc.setns(home, 0x40000000)

    def address(self, family):
        return self.v4 if family == 4 else self.v6

    def socket(self, family, kind, protocol=0):
        return self.inside(lambda: socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, kind, protocol))

    def serve(self):
        listeners = [self.inside(lambda: socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64))]
        for family in 4, 6:
            udp = self.socket(family, socket.SOCK_DGRAM)
            if family == 6:
                udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            udp.bind(("0.0.0.0" if family == 4 else "::", PORT))
            listeners.append(udp)
            self.join(udp, family)
        packet = self.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETHERTYPE)))
        listeners.append(packet)
        threading.Thread(target=self.answer, args=(listeners,), daemon=True).start()

    def join(self, udp, family):
        index = self.inside(lambda: socket.if_nametoindex(self.interface))
        if family == 4:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4xi", socket.inet_aton(GROUP4), index))
        else:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, struct.pack("16si", socket.inet_pton(socket.AF_INET6, GROUP6), index))

    def answer(self, listeners):
        while True:
            for ready in select.select(listeners, [], [])[0]:
                if ready is listeners[0]:
                    ready.accept()[0].close()
                    continue
                data, sender = ready.recvfrom(2048)
                self.heard.add(data.rstrip(b"\0"))
                if data.startswith(b"udp"):
                    ready.sendto(data, sender)


def tcp(source, target, family):
    with source.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(PATIENCE)
        try:
            s.connect((target.address(family), PORT))
            return s.recv(1) == b""
        except OSError:
            return False


def repeat(s, send, is_answer):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            send()
        except OSError:
            pass  # unreachable, or an ICMP error of the attempt before
        if select.select([s], [], [], 0.25)[0]:
            try:
                if is_answer(s.recv(2048)):
                    return True
            except OSError:
                pass
    return False


def udp(source, target, family):
    with source.socket(family, socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        return repeat(s, lambda: s.sendto(b"udp", (target.address(family), PORT)), lambda data: data == b"udp")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def icmp(source, target, family):
    identifier = id(object()) & 0xffff ^ hash((source.name, target.name, family)) & 0xffff
    with source.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6) as s:
        s.setblocking(False)
        request = struct.pack("!BBHHH", 8 if family == 4 else 128, 0, 0, identifier, 1) + b"matrix--"
        if family == 4:
            request = request[:2] + struct.pack("!H", checksum(request)) + request[4:]

        def is_answer(data):
            data = data[20:] if family == 4 else data
            return data[0] == (0 if family == 4 else 129) and struct.unpack("!H", data[4:6])[0] == identifier
        return repeat(s, lambda: s.sendto(request, (target.address(family), 0)), is_answer)


def heard(target, word, send):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            send()
        except OSError:
            pass
        time.sleep(0.2)
        if word in target.heard:
            return True
    return False


def broadcast(source, target, family):
    word = f"broadcast {source.name} {target.name}".encode()
    with source.socket(4, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, source.interface.encode())
        return heard(target, word, lambda: s.sendto(word, ("255.255.255.255", PORT)))


def multicast(source, target, family):
    word = f"multicast{family} {source.name} {target.name}".encode()
    with source.socket(family, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, source.interface.encode())
        index = source.inside(lambda: socket.if_nametoindex(source.interface))
        if family == 6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 8)
        else:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
        return heard(target, word, lambda: s.sendto(word, (GROUP4 if family == 4 else GROUP6, PORT)))


def ethertype(source, target, family):
    word = f"frame {source.name} {target.name}".encode()
    with source.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)) as s:
        to = (source.interface, ETHERTYPE, 0, 0, b"\xff" * 6)
        return heard(target, word, lambda: s.sendto(word.ljust(46, b"\0"), to))


PACKETS = [(tcp, 4), (tcp, 6), (udp, 4), (udp, 6), (icmp, 4), (icmp, 6)]
FRAMES = [(broadcast, 4), (multicast, 4), (multicast, 6), (ethertype, 4)]


def title(probe):
    return probe[0].__name__ if probe[0] in (broadcast, ethertype) else f"{probe[0].__name__}{probe[1]}"


def promises(document, mode):
    header = None
    for line in open(document):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| from |"):
            header = cells
        elif header and line.startswith("| ") and "---" not in line:
            yield cells[0], cells[1], cells[header.index(mode)]


def main():
    document, mode = sys.argv[1:3]
    peers = sys.argv[3] == "peers"
    endpoints = {e.name: e for e in map(Endpoint, sys.argv[4:] if peers else sys.argv[3:])}
    rows, threads = [], []
    for source, target, promise in promises(document, mode):
        is_frames = source.startswith("frames of ")
        names = [name.replace("peer network", "other network") for name in (source.replace("frames of ", ""), target)]
        if promise not in ("yes", "no") or ("peer network" in (source, target)) != peers:
            continue
        probes = FRAMES if is_frames else PACKETS
        results = [None] * len(probes)
        rows.append((source, target, promise, probes, results))
        for i, probe in enumerate(probes):
            def run(results=results, i=i, probe=probe, names=names):
                results[i] = probe[0](endpoints[names[0]], endpoints[names[1]], probe[1])
            threads.append(threading.Thread(target=run))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bad = 0
    for source, target, promise, probes, results in rows:
        wrong = [title(probe) for probe, result in zip(probes, results) if result != (promise == "yes")]
        bad += len(wrong)
        cells = " ".join(f"{title(probe)}:{'yes' if result else 'no'}" for probe, result in zip(probes, results))
        print(f"{mode:9} {source:25} {target:20} {promise:4} {cells}{'   NOT AS PROMISED: ' + ' '.join(wrong) if wrong else ''}")
    sys.exit(1 if bad else 0)


main()
