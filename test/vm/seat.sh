#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine on a seat, started by the words that `seat show` gives: a real QEMU with the seat's tap, MAC, screen and
# console. It has the address that the number says, and its ports are what a new row would meet.
# shellcheck source=test/netns/lib.sh
. "${LANYARD_SOURCE:?run me by test/run}/test/netns/lib.sh"
[ -w /dev/net/tun ] || skip "/dev/net/tun may not be opened here (it is 0666 on a Debian)"
qemu='' console=''
# shellcheck disable=SC2317
leave() {
	rc=$?
	# shellcheck disable=SC2086
	[ -z "$qemu$console" ] || kill $qemu $console 2>/dev/null
	lan net remove lab --force >/dev/null 2>&1
	[ $rc = 0 ] || [ $rc = 77 ] || tail -n 20 "$folder"/*.log
	rm -rf "$folder"
	exit $rc
}
trap leave EXIT
image=${XDG_CACHE_HOME:-$HOME/.cache}/lanyard/images/tiny
works "$LANYARD_SOURCE/share/image/tiny/build" "$image"
words='qemu[a-z_]*'
qemu-system-x86_64 -spice help 2>&1 | grep -q 'port=' || words='qemu\(_console\)\?' # QEMU's SPICE is a package of its own

works lan net add lab ipv4=10.77.6.1/24
works lan seat add lab 1-3
(umask 077 && echo secret >ticket)
inside=(lanyard "$kind" --instance "$instance" exec --) # a process of its own, to be killed
# shellcheck disable=SC2046 # words
"${inside[@]}" qemu-system-x86_64 -machine q35,accel=tcg -m 128 -display none -no-reboot -kernel "$image/kernel" \
	-initrd "$image/initrd" -append "$(cat "$image/append")" $(lan seat show 2 | sed -n "s/^$words: *//p") >qemu.log 2>&1 &
qemu=$!
listens() { within ss -Hltn "sport = $1" | grep -q LISTEN; }
soon 20 "the console" listens 2302
"${inside[@]}" python3 -c 'import socket,sys
with socket.create_connection(("127.0.0.1", 2302)) as telnet:
    while said := telnet.recv(4096):
        sys.stdout.buffer.write(said.replace(b"\0", b""))
        sys.stdout.flush()' >console.log 2>&1 &
console=$!
[ "$words" != 'qemu[a-z_]*' ] || soon 20 "the screen" listens 5902

is_ready() { grep -qa 'lanyard: ready tiny 10\.77\.6\.' console.log; }
soon 90 "the machine is ready, says its console" is_ready
is "its address" "$(grep -a 'lanyard: ready' console.log | tr -d '\r' | sed 's/.*ready tiny \([^ ]*\).*/\1/' | head -n 1)" \
	"$(lan seat show 2 --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["ipv4"])')"
works within ping -6 -c 1 -W 5 fe80::b8ad:caff:fefe:2%ly-lab

# the seat is taken away and made again under a machine that runs
works lan seat remove 2
refused "seat 2: something of uid $(id -u) listens on 127.0.0.1 port (2302, its console|5902, its screen) port" lan seat add lab 2
kill "$qemu" "$console"
wait "$qemu" "$console" 2>/dev/null
qemu='' console=''
works lan seat add lab 2
works lan seat remove 1-3
is_empty_plan || fail "the plan is not empty: $(lan plan)"
works lan net remove lab
[ "$words" = 'qemu[a-z_]*' ] || skip "QEMU has no SPICE here (qemu-system-modules-spice); a machine on a seat passed without a screen"
exit 0
