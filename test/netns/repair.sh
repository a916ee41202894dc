#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user
# What somebody else takes from a network is back within a second, with one line in the log, and a TCP session
# between two machines of it goes on.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

limit=1000 # milliseconds; a build with sanitizers is several times slower
grep -q __asan_init "$LANYARD_BUILD/lanyardd" && limit=4000
start_instance
works lan net add lab ipv4=10.77.0.1/24 ipv6=fd77::1/64
guest one lab
guest two lab
dhcp one >/dev/null
address=$(dhcp two)
outside() { on one wget -qO- -t 1 -T 5 http://203.0.113.1/; }
soon 15 "the outside" outside
ports=$(lan port list --json | grep -o '"ifname": *"[^"]*"' | cut -d'"' -f4)
port=${ports%%$'\n'*}
[ -n "$port" ] || fail "no port: $(lan port list --json)"
stream_start one two "$address"

broker_log() {
	local log=$folder/broker.log
	[ $kind = --system ] || log=$(runtime_folder)/log
	grep -c 'repaired:' "$log"
}
# watch PREDICATE COMMAND...: in the instance's world does it, and tells after how many milliseconds it is so again
watch() {
	local is=$1
	shift
	meddle bash -c "$(declare -f has_address has_bridge is_port is_up has_table forwards)"'
		instance=$1 port=$2 is=$3
		shift 3
		$is || { echo "not so before"; exit; }
		begin=$(date +%s%3N)
		"$@" || { echo "$* fails"; exit; }
		until $is; do
			[ $(($(date +%s%3N) - begin)) -lt 10000 ] || { echo "not repaired"; exit; }
		done 2>/dev/null
		echo $(($(date +%s%3N) - begin))' bash "$instance" "$port" "$is" "$@"
}
# broken WHAT PREDICATE COMMAND...: is so, is not after the command, is again in time
broken() {
	local what=$1 took lines
	shift
	soon 10 "peace" is_empty_plan
	lines=$(broker_log)
	took=$(watch "$@")
	echo "$what: $took ms"
	[ "$took" -le "$limit" ] || fail "$what: $took ms"
	stream_moves "after $what"
	soon 10 "peace" is_empty_plan
	is "lines about $what" 1 $(($(broker_log) - lines))
}

has_address() { ip addr show dev ly-lab | grep -q '10\.77\.0\.1/24'; }
has_bridge() { has_address && ip link show "$port" | grep -q 'master ly-lab .*state UP'; }
is_port() { ip link show "$port" | grep -q 'master ly-lab '; }
is_up() { ip link show "$port" | grep -q '[<,]UP[,>]'; }
has_table() { nft list chains | grep -q "table inet lanyard_$instance"; }
forwards() { [ "$(cat /proc/sys/net/ipv4/conf/ly-lab/forwarding)" = 1 ]; }
answers() {
	local new
	new=$(dnsmasq_pids)
	[ -n "$new" ] && [ "$new" != "$server" ]
}
server=nobody

broken "a removed port" is_port ip link set "$port" nomaster
broken "a port that was set down" is_up ip link set "$port" down
broken "a removed address" has_address ip addr del 10.77.0.1/24 dev ly-lab
broken "a flush of nftables" has_table nft flush ruleset
broken "a removed table" has_table nft delete table inet "lanyard_$instance"
broken "forwarding switched off" forwards sysctl -qw net.ipv4.conf.ly-lab.forwarding=0
broken "a removed bridge" has_bridge ip link del ly-lab
works outside

# not all of these make the executor say something: the kernel or itself tells nobody of the cause
server=$(dnsmasq_pids)
kill -9 "$server"
begin=$(date +%s%3N)
soon 5 "another dnsmasq" answers
[ $(($(date +%s%3N) - begin)) -le "$limit" ] || fail "dnsmasq was away for long"
stream_moves "after dnsmasq's end"
dhcp two >/dev/null

exec {stream_in}>&- {stream_out}<&-
kill -9 "$sink"
works outside
