# SPDX-License-Identifier: GPL-2.0-or-later
"""What systemd does for the broker of a system instance, in a namespace without systemd: listens for it, starts it again when it
ends, keeps the descriptors that it stores (sd_notify(3): FDSTORE), and starts a lanyard-publish for each connection to publish.sock.

  lib_manager.py FOLDER PROGRAM [ARGUMENT...]     FOLDER: the runtime folder; ends when its standard input says so"""
import os
import select
import signal
import socket
import sys

folder, command = sys.argv[1], sys.argv[2:]
programs = os.environ["LANYARD_BUILD"]


def listen(name, kind):
    listener = socket.socket(socket.AF_UNIX, kind)
    listener.bind(os.path.join(folder, name))
    listener.listen(128)
    return listener


def spawn(arguments, descriptors, names=None):
    """The descriptors are 3 and up."""
    pid = os.fork()
    if pid:
        return pid
    high = [os.dup(descriptor) for descriptor in descriptors]
    base = max(high + [100]) + 1
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, base + number)
    for number in range(len(high)):
        os.dup2(base + number, 3 + number)
    os.closerange(3 + len(high), base + len(high) + 1)
    if names:
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=":".join(names),
                          NOTIFY_SOCKET=os.path.join(folder, "notify"))
    os.execv(arguments[0], arguments)


def take_message():
    data, descriptors, _, _ = socket.recv_fds(notify, 4096, 16)
    words = dict(line.split("=", 1) for line in data.decode().splitlines() if "=" in line)
    if words.get("FDSTORE") == "1":
        store.extend((words["FDNAME"], descriptor) for descriptor in descriptors)


def forget_ended():
    """As systemd does: whose other end is closed."""
    poll = select.poll()
    for _, descriptor in store:
        poll.register(descriptor, 0)
    gone = {descriptor for descriptor, events in poll.poll(0) if events & (select.POLLHUP | select.POLLERR)}
    for descriptor in gone:
        os.close(descriptor)
    store[:] = [item for item in store if item[1] not in gone]


def lose_questions():
    """As if the broker that was killed had read them, and answered none."""
    for _, descriptor in store:
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            try:
                while copy.recv(1, socket.MSG_DONTWAIT):
                    pass
            except BlockingIOError:
                pass


def start():
    forget_ended()
    lose_questions()
    return spawn(command, [callers.fileno()] + [descriptor for _, descriptor in store], ["broker"] + [name for name, _ in store])


os.makedirs(folder, exist_ok=True)
store = []
callers, publish = listen("broker.sock", socket.SOCK_STREAM), listen("publish.sock", socket.SOCK_SEQPACKET)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(os.path.join(folder, "notify"))
woken, waker = socket.socketpair()
waker.setblocking(False)
signal.set_wakeup_fd(waker.fileno())
signal.signal(signal.SIGCHLD, lambda *_: None)
broker = start()
while True:
    ready = select.select([sys.stdin, publish, notify, woken], [], [])[0]
    if sys.stdin in ready:
        break
    if notify in ready:  # before the end of who sent it
        take_message()
    if publish in ready:
        connection, _ = publish.accept()
        spawn([os.path.join(programs, "lanyard-publish")], [connection.fileno()])
        connection.close()
    if woken in ready:
        woken.recv(4096)
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == broker:
                broker = start()
os.kill(broker, signal.SIGTERM)
os.waitpid(broker, 0)
