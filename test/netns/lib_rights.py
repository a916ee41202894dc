# SPDX-License-Identifier: GPL-2.0-or-later
"""lib_rights.py PID COMMAND...: in the user and network namespace of a process, with CAP_NET_ADMIN there.

The owner of a user namespace has every capability in it; an ambient one stays over exec. This is what a user may do
to their own instance behind Lanyard's back."""
import ctypes
import os
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
VERSION_3, NET_ADMIN, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 0x20080522, 12, 47, 2


def enter(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    opened = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), kind)
              for name, kind in (("user", CLONE_NEWUSER), ("net", CLONE_NEWNET))]
    for descriptor, kind in opened:
        if libc.setns(descriptor, kind) < 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(descriptor)
    bit = 1 << NET_ADMIN
    header, data = struct.pack("Ii", VERSION_3, 0), struct.pack("6I", bit, bit, bit, 0, 0, 0)
    if libc.capset(header, data) < 0 or libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, NET_ADMIN, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "capabilities")


if __name__ == "__main__":
    enter(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
