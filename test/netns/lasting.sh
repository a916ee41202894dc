#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# Named taps (so seats too) and veths are there again after a restart of the computer, or of a user's whole world: the same
# names, MACs, owners, rates; what ended with its holder is not, what was removed stays away. And what may be found in
# between: files of an older version, half of a change, a network that went, an interface of somebody's in the way.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
[ -w /dev/net/tun ] || skip "/dev/net/tun may not be opened here (it is 0666 on a Debian)"
definitions=$(state_folder)
runtime=$(runtime_folder)

# all that makes a port the same one, by its interface
ports() {
	lan port list --json | python3 -c 'import json, sys
keys = "ifname", "id", "network", "kind", "peer", "mac", "owner", "group", "rate_in", "down", "creator", "state"
for port in sorted(json.load(sys.stdin), key=lambda p: p["ifname"]):
    if port["kind"] != "netns": print(*(f"{k}={port[k]}" for k in keys if k in port))'
}
links() { meddle ip -d -o link | sed -nE 's/^[0-9]+: ([^:@]+).*master (ly-[a-z]+) .*link\/ether ([^ ]+) .*tun type tap .* persist on ?(user [^ ]+ )?(group [^ ]+ )?.*/\1 \2 \3 \4\5/p' | sort; }
# edited FILE KEY=VALUE...: the port's file with other values
edited() { python3 -c 'import json, sys; print(json.dumps({**json.load(open(sys.argv[1])), **eval("dict(" + ",".join(sys.argv[2:]) + ")")}))' "$@"; }
files() { (cd "$1/ports" 2>/dev/null && echo *.json | sed 's/\*\.json//'); }
halt() {
	if [ $kind = --system ]; then
		kill_hard "$broker" "$executor"
	else
		# shellcheck disable=SC2046
		kill_hard $(for who in broker executor holder pasta; do process $who; done)
	fi
}
power_off() {
	halt
	# shellcheck disable=SC2046
	kill -9 $(pgrep -f "dnsmasq .*/$instance/services/") 2>/dev/null
	if [ $kind = --system ]; then
		for link in $(ip -o link | sed -nE 's/^[0-9]+: ((ly|tap)[^:@]+).*/\1/p'); do ip link del "$link" 2>/dev/null; done
		nft flush ruleset
		sysctl -qw net.ipv4.conf.up0.forwarding=0 net.ipv6.conf.up0.forwarding=0
	fi
	rm -rf "$runtime"
}
power_on() {
	start_instance
	lan net list >/dev/null || fail "no instance after the restart"
}

[ $kind = --user ] || lay_accounts mia
start_instance
works lan net add lab ipv4=10.20.0.1/24
works lan seat add lab 1-3
works lan port add lab --tap lyrate0 rate_in=10mbit rate_out=5mbit machine=box
works lan port add lab --tap lygroup0 group="$(id -g)"
works lan port add lab --veth lyquiet0 ifname=lyveth0
works lan port set lytap3 down=true
[ $kind = --user ] || works lan seat add lab 4 owner=mia
guest a lab
is "what is in the runtime folder" 1 "$(files "$runtime" | wc -w)"
works lan seat remove 2
before=$(ports)
links_before=$(links)
has "a down port" 'lytap3.*state=down' "$before"
has "taps" "^lytap1 ly-lab fe:" "$links_before"

# the owner's account is gone meanwhile: the number stays, as with files
[ $kind = --user ] || sed -i /^mia:/d "$folder/passwd"
for round in 1 2; do
	power_off
	power_on
	is "the ports after restart $round" "$before" "$(ports)"
	is "their interfaces after restart $round" "${links_before//mia/59003}" "$(links | sed 's/mia/59003/')"
	is_empty_plan || fail "the plan after restart $round: $(lan plan)"
	is "what is in the runtime folder after restart $round" "" "$(files "$runtime")"
	within ip -o link show lyquiet0 | grep -q 'NOARP' || fail "the quiet end after a restart: $(within ip link show lyquiet0)"
done
[ $kind = --user ] || has "the number" ' for 59003| owner=59003 ' "$(ports | grep lytap4)"
has "frames" answered "$(within python3 "$LANYARD_SOURCE/test/netns/lib_tap.py" 10.20.0.8 10.20.0.1 lygroup0 </dev/null)"
kill "$pid_a"

# as an older version left it: all in the runtime folder; and a move of one that was cut off
halt
mkdir -p "$runtime/ports"
mv "$definitions/ports"/*.json "$runtime/ports"
one=$(cd "$runtime/ports" && echo *.json | cut -d' ' -f1)
cp -p "$runtime/ports/$one" "$definitions/ports"
edited "$runtime/ports/$one" isolated=True >"$folder/stale"
cat "$folder/stale" >"$runtime/ports/$one"
power_on
is "the ports of an older version" "$before" "$(ports)"
is "left in the runtime folder" "" "$(files "$runtime")"
is "moved" "$(wc -l <<<"$before")" "$(files "$definitions" | wc -w)"

# an older version that was put back for a while, which looked in the runtime folder only, has made a port of the same interface
halt
mkdir -p "$runtime/ports"
edited "$definitions/ports/$one" 'id="older1"' >"$runtime/ports/older1.json"
power_on
is "the ports after an older version" "$before" "$(ports)"
is "left of an older version" "" "$(files "$runtime")"
cat "$runtime/log" "$folder/broker.log" 2>/dev/null | grep -qE "older1.json: removed: interface ly[a-z0-9]+ is that of port ${one%.json}" || fail "the log says nothing of older1.json"

# files that exclude each other, that make no sense, that were half written: what can be used is, and it is said
halt
edited "$definitions/ports/$one" 'id="zcopy"' 'mac="ba:ad:ca:99:00:01"' >"$definitions/ports/zcopy.json"
chmod 644 "$definitions/ports/zcopy.json"
echo '{"id":"broken"' >"$definitions/ports/broken.json"
echo half >"$definitions/ports/half.json.x1y2z3"
power_on
is "the ports beside a copy" "$before" "$(ports)"
for pattern in 'zcopy.json: skipped: has the interface ly[a-z0-9]+ of port' 'broken.json: skipped: '; do
	cat "$runtime/log" "$folder/broker.log" 2>/dev/null | grep -qE "$pattern" || fail "the log says nothing of $pattern"
done
[ ! -e "$definitions/ports/half.json.x1y2z3" ] || fail "a half-written file stays"
rm "$definitions/ports/zcopy.json" "$definitions/ports/broken.json"

# a broker that is killed when the port is written and not yet made: the next one makes it
executor_pid=$(process executor)
kill -STOP "$executor_pid"
lan port add lab --tap lylate0 >late.out 2>&1 &
adding=$!
soon 10 "the file of a new port" grep -rq lylate0 "$definitions/ports"
if [ $kind = --system ]; then kill_hard "$broker"; else kill_hard "$(pgrep -f "lanyardd .*--instance $instance( |\$)" | head -n 1)"; fi
kill -CONT "$executor_pid"
wait $adding
supervise
soon 10 "a port that was written" sh -c "lanyard $kind --instance $instance port show lylate0"
soon 10 "its interface" within ip link show lylate0
soon 10 "an empty plan" is_empty_plan
works lan port remove lylate0
is "the ports without it" "$before" "$(ports)"

# a row that is cut off at any moment is there as a whole, or not at all
begin=${EPOCHREALTIME/./}
works lan seat add lab 11-40
whole=$((${EPOCHREALTIME/./} - begin))
works lan seat remove 11-40
row() { lan seat list --json | python3 -c 'import json, sys; print(sum(s["seat"] > 10 for s in json.load(sys.stdin)))'; }
for part in 2 4 6 7 8 9 10 11; do
	lan seat add lab 11-40 >row.out 2>&1 &
	adding=$!
	read -rt "$(printf '%d.%06d' $((whole * part / 12000000)) $((whole * part / 12 % 1000000)))" _ </dev/zero
	kill_hard "$(pgrep -f "lanyardd .*--instance $instance( |\$)" | head -n 1)"
	wait $adding && added=30 || added='0|30'
	supervise
	has "seats of a row after $part twelfths" "^($added)\$" "$(row)"
	soon 10 "an empty plan after $part twelfths" is_empty_plan
	[ "$(row)" = 0 ] || works lan seat remove 11-40
done
is "the ports after rows that were cut off" "$before" "$(ports)"

# the network went while nobody was there: its ports are no surprise for the next one of its name
works lan net add other ipv4=10.21.0.1/24
works lan port add other --tap lyother0
halt
cp "$definitions/networks/other.yaml" .
echo 'name: [' >"$definitions/networks/other.yaml"
power_on
is "the ports without a usable network" "$before" "$(ports)"
halt
cp other.yaml "$definitions/networks"
power_on
has "its port is back with it" lyother0 "$(ports)"
halt
rm "$definitions/networks/other.yaml"
power_on
is "the ports without the network" "$before" "$(ports)"
works lan net add other ipv4=10.21.0.1/24
halt
power_on
is "the ports of another one of the name" "$before" "$(ports)"
works lan net remove other

# an interface of somebody's in the way keeps nothing else away, and is said
if [ $kind = --system ]; then
	power_off
	ip link add lytap1 type veth peer name lyforeign0
	ip link add lyquiet0 type veth peer name lyforeign1
	power_on
	is "missing" "lytap1 lyveth0" "$(ports | sed -nE 's/ifname=([^ ]+) .*state=missing/\1/p' | xargs)"
	is "the others" "$(grep -cvE 'lytap1|lyveth0' <<<"$before")" "$(ports | grep -cE 'state=(up|down)')"
	is "lines in the log" 1 "$(grep -c "port $(sed -nE 's/^ifname=lytap1 id=([^ ]+).*/\1/p' <<<"$before") on network lab is missing: .*lytap1" "$folder/broker.log")"
	has "the network's check" 'lytap1.* could not be made' "$(lan net check lab 2>&1)"
	works lan net add more
	works lan port add lab --tap lymore0
	works lan port remove lymore0
	works lan net remove more
	works lan port remove lyveth0
	ip link show lyquiet0 >/dev/null || fail "somebody's interface was removed with our port"
	ip link del lytap1
	ip link del lyquiet0
	soon 20 "the port comes back" grep -q 'is there again' "$folder/broker.log"
	is "all are there again" "$(grep -v lyveth0 <<<"$before")" "$(ports)"
	is_empty_plan || fail "the plan: $(lan plan)"
	before=$(ports)
	# ... or a name that the executor may not use any more
	kill_hard "$executor"
	start_executor --allow-name 'tap*'
	soon 10 "the executor" lan port add lab --tap tap7
	power_off
	power_on
	is "missing without the right to its name" "tap7" "$(ports | sed -nE 's/ifname=([^ ]+) .*state=missing/\1/p' | xargs)"
	kill_hard "$executor"
	start_executor --allow-name 'tap*'
	soon 10 "the tap with the right to its name" ip link show tap7
	works lan port remove tap7
fi

# an adopted interface that is gone is missing too, until its maker brings it back
meddle ip link add lyadopt0 type veth peer name lyadopt1
works lan port add lab --adopt lyadopt0
meddle ip link del lyadopt0
soon 10 "its port is missing" sh -c "lanyard $kind --instance $instance port list | grep -q 'lyadopt0 .* missing'"
works lan net add more
works lan net remove more
meddle ip link add lyadopt0 type veth peer name lyadopt1
soon 20 "its port is there again" sh -c "lanyard $kind --instance $instance port list | grep -q 'lyadopt0 .* up'"
works lan port remove lyadopt0
meddle ip link del lyadopt0
is "the ports after that" "$before" "$(ports)"

# removed, it stays away
works lan seat remove 1-9
# shellcheck disable=SC2046
works lan port remove $(ports | sed -E 's/^ifname=([^ ]+).*/\1/')
is "none" "" "$(ports)"
is "no file" "" "$(files "$definitions")"
power_off
power_on
is "none after a restart" "" "$(ports)"
is "no tap after a restart" "" "$(links)"
works lan seat add lab 1-3
works lan net remove lab --force
is "no file of a network that is gone" "" "$(files "$definitions")"
nothing_left
is "what is left of the definitions" "" "$(find "$definitions" -type f -not -name first-network 2>/dev/null)"
