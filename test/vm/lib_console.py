# SPDX-License-Identifier: GPL-2.0-or-later
"""Says a command to the shell on a guest's serial port, a unix socket: `lib_console.py SOCKET COMMAND`; prints what it said and
exits as it did."""
import socket
import sys

console = socket.socket(socket.AF_UNIX)
console.settimeout(240)
console.connect(sys.argv[1])
# the shell echoes what it is told: the mark is put together only when it is said
console.sendall(f"\nstty -echo; echo '@@'begin; {sys.argv[2]}; echo '@@'end $?\n".encode())
said = b""
while b"@@end " not in said or not said.partition(b"@@end ")[2].count(b"\n"):
    data = console.recv(4096)
    if not data:
        sys.exit("the guest is off")
    said += data.replace(b"\r", b"")
text, _, code = said.partition(b"@@begin\n")[2].partition(b"@@end ")
print(text.decode(errors="replace").strip())
sys.exit(int(code.split()[0]))
