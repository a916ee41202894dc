#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user
# Numbered seats: a row of taps that those for whom they were made open by name, and nobody else; what stands in the
# way is said, all of it, before anything is changed; a row is there as a whole or not at all, and goes without a trace.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
[ -w /dev/net/tun ] || skip "/dev/net/tun may not be opened here (it is 0666 on a Debian)"
machine=$LANYARD_SOURCE/test/netns/lib_seat.py
chmod 755 "$folder"
python=$(PATH=/usr/bin:/usr/local/bin:/bin command -v python3) || skip "no python3 that other users may run"

# from JSON EXPRESSION: of the value v
from() { "$python" -c 'import json,sys; v = json.loads(sys.argv[1]); print(eval(sys.argv[2]))' "$1" "$2"; }
numbers() { "$python" -c 'import json,sys; print(*[s["seat"] for s in json.load(sys.stdin)])' < <(lan seat list --json); }
key() { "$python" -c 'import json,sys; print(json.load(sys.stdin).get(sys.argv[1], ""))' "$2" < <(lan seat show "$1" --json); }
# sits NAME SEAT TAP COMMAND...: a machine on a seat, by this command in front; its address is in $address
sits() {
	local name=$1 mac
	mac=$(printf 'ba:ad:ca:fe:%02x:%02x' $(($2 / 256)) $(($2 % 256)))
	rm -f "$folder/$name.in" "$folder/$name.out"
	mkfifo "$folder/$name.in" "$folder/$name.out"
	"${@:4}" "$python" "$machine" "$3" "$mac" <"$folder/$name.in" >"$folder/$name.out" 2>&1 &
	exec {held}>"$folder/$name.in"
	read -rt 30 address <"$folder/$name.out" || address="(nothing)"
}
leaves() { exec {held}>&-; }

if [ $kind = --system ]; then
	lay_accounts mia:lanyard tom:lanyard eve:lanyard teacher:lanyard
	export LANYARD_CONFIG_DIR=$folder/etc
	mkdir "$LANYARD_CONFIG_DIR"
	cat >"$LANYARD_CONFIG_DIR/policy.yaml" <<-'POLICY'
		users:
		  teacher: { interfaces: [ "tap*" ], ports: 5 }
		groups:
		  lanyard: { use: true }
	POLICY
	echo "pupils:x:65001:tom" >>"$folder/group"
fi
as() { setpriv --reuid="$1" --regid="$1" --init-groups -- env HOME=/nonexistent "${@:2}"; }
theirs() { as "$1" lanyard --system --instance "$instance" --no-color "${@:2}"; }

start_instance --allow-name 'tap*'
works lan net add lab ipv4=10.20.0.1/24
before=$(snapshot)

# what a row says, and that a dry run is none
has "the plan" 'create port tap2 on ly-lab' "$(lan seat add lab 1-3 prefix=tap --dry-run)"
is "seats after a dry run" "" "$(numbers)"
works lan seat add lab 1-3 7 prefix=tap
is "the seats" "1 2 3 7" "$(numbers)"
has "the table" '^3 +tap3 +user [a-z-]+ +ba:ad:ca:fe:00:03 +- +fe80::b8ad:caff:fefe:3%ly-lab +5903 +2303 +2203$' "$(lan seat list lab)"
is "the words for QEMU" "-netdev tap,id=net0,ifname=tap3,script=no,downscript=no -device virtio-net-pci,netdev=net0,mac=ba:ad:ca:fe:00:03" "$(key 3 qemu)"
is "ordinary ports" "tap1 tap2 tap3 tap7" "$(from "$(lan port list --json)" '" ".join(p["ifname"] for p in v)')"
is_empty_plan || fail "the plan with seats: $(lan plan)"

# all that stands in the way is said, and nothing is changed
output=$(lan seat add lab 1-8 2>&1)
is "exit code of a clash" 5 "$(lan seat add lab 1-8 >/dev/null 2>&1; echo $?)"
has "seat 1" "^lanyard: seat 1 is there already, as tap1 on network 'lab'; 'lanyard seat remove 1' makes room" "$output"
has "seat 7" "^lanyard: seat 7 is there already" "$output"
is "sentences" 4 "$(wc -l <<<"$output")"
is "sentences as JSON" 4 "$(from "$(lan seat add lab 1-8 --json 2>/dev/null)" 'len(v["errors"])')"
refused "seat 103: its SSH port 2303 is the console port of seat 3; leave one of them out" lan seat add lab 103
refused "seat 301: its SSH port 2501 is the console port of seat 201" lan seat add lab 201-301
works lan port add lab --tap tap5
id=$(from "$(lan port show tap5 --json)" 'v["id"]')
refused "seat 5: interface tap5 is port $id of network 'lab'; choose another prefix, or remove it: lanyard port remove $id" lan seat add lab 4-6 prefix=tap
works lan port remove tap5
meddle ip link add tap6 type veth peer name lyother6
refused "seat 6: there is an interface tap6 already, which somebody else made; choose another prefix, or remove it: ip link del tap6" lan seat add lab 4-6 prefix=tap
works lan seat add lab 4-6
works lan seat remove 4-6
meddle ip link del tap6
works lan port add lab --veth lyend0 mac=ba:ad:ca:fe:00:05
id=$(from "$(lan port list --json)" 'next(p["id"] for p in v if p["kind"] == "veth")')
refused "seat 5: its MAC ba:ad:ca:fe:00:05 is that of port $id; leave the seat out, or remove it: lanyard port remove $id" lan seat add lab 4-6
works lan port remove "$id"
for port in 5904:screen 2304:console 2204:SSH; do
	coproc LISTENER { within "$python" -c 'import socket,sys; s = socket.create_server(("127.0.0.1", int(sys.argv[1]))); print("ready", flush=True); sys.stdin.read()' "${port%:*}"; }
	read -rt 10 _ <&"${LISTENER[0]}" || fail "no listener"
	refused "seat 4: something of uid $(id -u) listens on 127.0.0.1 port ${port%:*}, its ${port#*:} port; end that" lan seat add lab 4-6
	input=${LISTENER[1]}
	exec {input}>&-
	wait "$LISTENER_PID"
done
refused "seat 4: there is no network 'lob'.*'lab'" lan seat add lob 4
refused "seat 4: ifname 'lyc4' is one of the names kept for bridges" lan seat add lab 4 prefix=lyc
is "the seats after all that" "1 2 3 7" "$(numbers)"
is_empty_plan || fail "the plan after refusals: $(lan plan)"

# removed as a row: those that are there, in one change
refused "there is no seat 8-9; 'lanyard seat list' shows" lan seat remove 8-9
has "what would go" 'delete port tap2' "$(lan seat remove 2 --dry-run)"
works lan seat remove 2-100
is "the seat that stays" "1" "$(numbers)"
works lan port remove tap1
is "none" "" "$(numbers)"
refused "there is no network 'lob'; did you mean 'lab'" lan seat list lob
has "a note" "there are no seats" "$(lan seat list 2>&1)"
refused "there is no seat 1;" lan seat show 1
is "all is as before" "$before" "$(snapshot)"

if [ $kind = --user ]; then
	# one's own row: machines run inside, by `lanyard exec`
	works lan seat add lab 1-2
	sits one 2 lytap2 within
	has "an address on a seat" '^10\.20\.0\.' "$address"
	is "what the seat shows" "$address" "$(key 2 ipv4)"
	is "how to log in" "lanyard exec -- ssh USER@fe80::b8ad:caff:fefe:2%ly-lab" "$(key 2 login)"
	leaves
	refused "in your own instance there is nobody else" lan seat add lab 3 owner=root
	works lan seat add lab 3 owner="$(id -u)"
	works lan seat remove 1-65535
	works lan net remove lab
	nothing_left
	exit 0
fi

# a name that the executor was not told of: no seat of the row, not even the first
refused "interface 'seat4': names of ours begin with 'ly'; others need --allow-name seat4 \(/etc/default/lanyard-executor" lan seat add lab 4-6 prefix=seat
is "none after a refused name" "" "$(numbers)"
# ... and one that fails in the middle of the work, past all checks
ip link add lylate type veth peer name lyother7
"$python" - "$(runtime_folder)/broker.sock" >answer <<'PYTHON' || fail "no answer"
import json, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
ports = [{"network": "lab", "kind": "tap-named", "ifname": name} for name in ("lyearly", "lylate")]
client.sendall(json.dumps({"method": "io.lanyard.AddPorts", "parameters": {"ports": ports}}).encode() + b"\0")
print(client.recv(65536)[:-1].decode())
PYTHON
has "one of two" 'Exists.*lylate' "$(cat answer)"
ip link show lyearly >/dev/null 2>&1 && fail "half of a change"
is "ports after half a change" "[]" "$(lan port list --json)"
ip link del lylate
is "all is as before half a change" "$before" "$(snapshot)"

# the class room: a group's row, and one for one pupil
works lan seat add lab 1-3 group=pupils prefix=tap
works lan seat add lab 4 owner=mia prefix=tap
has "for whom" '^1 +tap1 +group pupils .*' "$(lan seat list)"
has "for whom" '^4 +tap4 +user mia .*' "$(lan seat list)"
sits mia 4 tap4 as mia
has "mia's address" '^10\.20\.0\.' "$address"
has "the lease" " $address +ba:ad:ca:fe:00:04 " "$(lan net leases lab)"
is "what mia's seat shows" "$address" "$(key 4 ipv4)"
is "how to lead a port of the host there" "lanyard publish 2204 $address:22" "$(key 4 publish)"
is "how to log in" "ssh USER@fe80::b8ad:caff:fefe:4%ly-lab" "$(key 4 login)"
# she finds it, and may lead a port of the host to it; it is not hers to take away, and others do not see it
has "mia's seats" '^4 ' "$(theirs mia seat list | tail -n 1)"
is "seats that mia sees" 1 "$(from "$(theirs mia seat list --json)" 'len(v)')"
is "seats that eve sees" "[]" "$(theirs eve seat list --json)"
works theirs mia publish 2204 "$address:22"
is "where the SSH port leads" "$address:22" "$(key 4 ssh_leads_to)"
works theirs mia unpublish 2204
refused "was added by root; only they and root change it" theirs mia seat remove 4
refused "no machine of yours" theirs eve publish 2205 "$address:22"
leaves
for other in tom eve; do
	sits "$other" 4 tap4 as "$other"
	is "$other at mia's seat" EPERM "$address"
	leaves
done
sits tom 2 tap2 as tom
has "the group's address" '^10\.20\.0\.' "$address"
leaves
is "seats that tom sees" "1 2 3" "$(from "$(theirs tom seat list --json)" '" ".join(str(s["seat"]) for s in v)')"
sits mia 2 tap2 as mia
is "mia at the group's seat" EPERM "$address"
leaves
works lan seat remove 1-4
is_empty_plan || fail "the plan: $(lan plan)"

# a teacher without root: a row of names and as many as the policy gives, or nothing
refused "seat 6: .*policy.yaml:2: you may have 5 ports and have 5" theirs teacher seat add lab 1-6 prefix=tap
is "none of six" "[]" "$(lan seat list --json)"
has "asked in advance" "^no: seat 6: .*policy.yaml:2" "$(theirs teacher can-i seat add lab 1-6 prefix=tap)"
is "asked in advance" yes "$(theirs teacher can-i seat add lab 1-5 prefix=tap)"
works theirs teacher seat add lab 1-5 prefix=tap
refused "seat 6: .*may not choose the name 'lytap6' of an interface" theirs teacher seat add lab 6
refused "seat 6: a named tap of yours is owned by you" theirs teacher seat add lab 6 prefix=tap group=pupils
grep -qE 'audit: teacher .*AddPorts network lab, port [a-z0-9]+, port .*: done' "$folder/broker.log" || fail "nothing about the row in the log"
# the daemon starts again, and the computer's own row is there; a tap that somebody removes comes back
kill_hard "$broker"
start_broker
soon 10 "the broker" lan net list
is "the seats after a new start" "1 2 3 4 5" "$(numbers)"
ip link del tap3
soon 5 "a removed tap comes back" ip link show tap3
works theirs teacher seat remove 1-5
is "all is as before the class" "$before" "$(snapshot)"
works lan net remove lab
nothing_left
