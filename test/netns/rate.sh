#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user
# What a port's machine may send and receive: real TCP in both directions, to a machine, to the host, through NAT;
# changed while it runs; back after kill and flush; gone with the port. Without rates there is no rule.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
command -v iperf3 >/dev/null || skip "iperf3 is not installed"

table=lanyard-rate_$instance
start_instance
works lan net add lab ipv4=10.20.0.1/24
has_table() { meddle nft list table bridge "$table" >/dev/null 2>&1; }
no_table() { ! has_table; }
limits() { meddle nft list table bridge "$table" 2>/dev/null | grep -cE 'rate over [0-9]+ [km]?bytes/second burst 64 kbytes'; }
has_limits() { [ "$(limits)" = "$1" ]; }
# port_of MACHINE [KEY]
port_of() { lan port list --json | python3 -c 'import json,sys; print(next(p for p in json.load(sys.stdin) if p.get("machine") == sys.argv[1]).get(sys.argv[2], ""))' "$1" "${2:-id}"; }
# serve ADDRESS COMMAND...: a server where the command leads to
serve() {
	local address=$1
	shift
	"$@" iperf3 -s -B "$address" >/dev/null 2>&1 &
	soon 5 "a server at $address" on web python3 -c 'import socket,sys; socket.create_connection((sys.argv[1], 5201)).close()' "$address"
}
# mbit ADDRESS [-R]: what web sends to it, or receives; the first second fills the bucket
mbit() { on web iperf3 -J -O 1 -t 3 -c "$@" | python3 -c 'import json,sys; print(round(json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e6, 2))'; }
# about MBIT WHAT ADDRESS [-R]: TCP reaches the rate. A machine that rests is given up to a second of it afterwards, and on a
# busy computer all rest now and then; without a rate it would be a hundred times as much.
about() {
	local rate=$1 what=$2 found
	shift 2
	found=$(mbit "$@") || fail "$what: iperf3 failed"
	echo "$what: $found of $rate mbit/s"
	python3 -c 'import sys; rate, found = map(float, sys.argv[1:]); sys.exit(not 0.3 * rate < found < 2 * rate)' "$rate" "$found" || fail "$what: $found mbit/s at a rate of $rate"
}

# nothing where nobody has a rate
guest web lab
guest db lab
db=$(dhcp db)
dhcp web >/dev/null
no_table || fail "a table without rates"
serve "$db" on db
serve 10.20.0.1 within
unlimited=$(mbit "$db")
echo "without rates: $unlimited mbit/s"
refused "rate_in '20' is not understood; write it like 500kbit, 10mbit, 1gbit or none" lan port set "$(port_of web)" rate_in=20
refused "rate_out 1kbit is too small; at least 64kbit" lan port set "$(port_of web)" rate_out=1kbit
refused "rate_in 200gbit is too large; at most 100gbit" lan port set "$(port_of web)" rate_in=200gbit

# a rate from birth, and one that comes to a machine that runs; the interface stays
index() { within ip -o link show "$(port_of web ifname)" | cut -d: -f1; }
before=$(index)
works lan port set "$(port_of web)" rate_in=20mbit rate_out=10mbit
is "the interface" "$before" "$(index)"
is "rates of the port" "20mbit 10mbit" "$(port_of web rate_in) $(port_of web rate_out)"
is "limits" 2 "$(limits)"
about 10 "to a machine" "$db"
about 20 "from a machine" "$db" -R
about 10 "to the host" 10.20.0.1
about 20 "from the host" 10.20.0.1 -R
if [ $kind = --system ]; then
	serve "$WORLD_NET4" nsenter -t "$WORLD_INTERNET" -n
	about 10 "through NAT" "$WORLD_NET4"
	about 20 "through NAT, back" "$WORLD_NET4" -R
fi
guest born lab rate_out=1500kbit
is "rates of the port" "none 1500kbit" "$(port_of born rate_in | sed 's/^$/none/') $(port_of born rate_out)"
is "limits" 3 "$(limits)"
is_empty_plan || fail "the plan with rates: $(lan plan)"
works lan port set "$(port_of web)" rate_out=5mbit
about 5 "changed" "$db"
is "limits" 3 "$(limits)"

# what goes comes back: processes, rules, objects
kill_hard "$(process broker)" "$(process executor)"
supervise
soon 10 "an empty plan after kill -9" is_empty_plan
is "limits" 3 "$(limits)"
for harm in "flush ruleset" "delete table bridge $table" "flush chain bridge $table prerouting" "flush map bridge $table in"; do
	# shellcheck disable=SC2086
	works meddle nft $harm
	soon 10 "the limits after '$harm'" has_limits 3
	soon 10 "an empty plan after '$harm'" is_empty_plan
done
# a port that is added in that moment, before the executor hears of it, does not hide what is lost
has_rules() { meddle nft list table inet "lanyard_$instance" >/dev/null 2>&1; }
executor=$(process executor)
kill -STOP "$executor"
works meddle nft flush ruleset
lan port add lab --tap lyrate0 rate_in=1gbit >"$folder/added" 2>&1 &
adding=$!
soon 10 "a port that is written down" grep -rq lyrate0 "$(state_folder)/ports"
kill -CONT "$executor"
wait "$adding" || fail "a port with a rate after a flush: $(cat "$folder/added")"
soon 10 "all limits" has_limits 4
soon 10 "the networks' rules" has_rules
works lan port remove lyrate0
soon 10 "the limits without it" has_limits 3
has "the network's check" 'ok +lab: rates: 2 as wanted' "$(lan net check lab)"
about 5 "after all this" "$db"

# they go with the port, and the table with the last
if [ -w /dev/net/tun ]; then
	works lan port add lab rate_in=1mbit rate_out=1mbit --run -- true
	soon 10 "the limits without a tap that went" has_limits 3
fi
works lan port set "$(port_of web)" rate_in=none rate_out=none
is "limits" 1 "$(limits)"
python3 -c 'import sys; found, unlimited = map(float, sys.argv[1:]); sys.exit(found < min(100, unlimited / 4))' "$(mbit "$db")" "$unlimited" || fail "a rate of none is one"
kill "$pid_born"
soon 10 "the end of the table" no_table
is_empty_plan || fail "the plan without rates: $(lan plan)"
kill "$pid_web" "$pid_db"
