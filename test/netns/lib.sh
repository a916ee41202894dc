# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the namespace tests share: an instance of the world's kind, namespaces as cheap guests with a real DHCP
# client, and assertions that say what they saw. Sourced; the test runs inside test/world.
set -u
instance=t$$
guests=()

case ${WORLD_WAY:?run me by test/run} in
system) kind=--system ;;
*) kind=--user ;;
esac
folder=$(mktemp -d /tmp/test.XXXXXX)
cd "$folder" || exit 1

lan() { lanyard $kind --instance "$instance" --no-color "$@"; }

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

skip() {
	echo "$*"
	exit 77
}

# is WHAT EXPECTED FOUND
is() { [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"; }
# has WHAT PATTERN TEXT
has() { grep -qE -- "$2" <<<"$3" || fail "$1: no match for '$2' in: $3"; }
# works COMMAND...: shows its output when it fails
works() {
	local output
	output=$("$@" 2>&1) || fail "$* (exit $?): $output"
}
# refused PATTERN COMMAND...: fails, with a sentence that matches
refused() {
	local pattern=$1 output
	shift
	output=$("$@" 2>&1) && fail "$* succeeded: $output"
	has "$*" "$pattern" "$output"
}

# soon SECONDS WHAT COMMAND...: for what another process does on its own; tries until it is so.
soon() {
	local end=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "$what did not come true in time: $*"
		sleep 0.05
	done
}

start_instance() {
	[ $kind = --system ] || return 0
	lanyard-executor --system --instance "$instance" 2>>"$folder/executor.log" &
	executor=$!
	lanyardd --system --instance "$instance" 2>>"$folder/broker.log" &
	broker=$!
	soon 10 "the system instance" lan net list
}

# In the instance's network world.
within() { lan exec -- "$@"; }

# guest NAME NETWORK: a namespace plugged into the network, not yet configured.
guest() {
	local name=$1 network=$2 pid
	mkfifo "$folder/$name.ready"
	if [ "$(id -u)" = 0 ] && [ $kind = --system ]; then
		unshare -n sh -c 'echo $$ >"$1"; exec sleep infinity' sh "$folder/$name.ready" &
	else
		lan exec -- unshare -Urn sh -c 'echo $$ >"$1"; exec sleep infinity' sh "$folder/$name.ready" &
	fi
	read -r pid <"$folder/$name.ready"
	guests+=("$pid")
	declare -g "pid_$name=$pid"
	works lan port add "$network" --netns "$pid" "machine=$name"
	works on "$name" ip link set lo up
	works on "$name" ip link set eth0 up
}

# on NAME COMMAND...: inside a guest
on() {
	local pid_name=pid_$1
	shift
	if [ $kind = --system ]; then
		nsenter -t "${!pid_name}" -n "$@"
	else
		nsenter -t "${!pid_name}" -U -n --preserve-credentials "$@"
	fi
}

cat >"$folder/udhcpc" <<'SCRIPT'
#!/bin/sh
case $1 in
bound | renew)
	ip -4 addr flush dev "$interface"
	ip addr add "$ip/$mask" dev "$interface"
	[ -z "$router" ] || ip route replace default via "${router%% *}"
	echo "$ip" >"$LEASE_FILE"
	echo "$dns" >"$LEASE_FILE.dns"
	echo "$domain" >"$LEASE_FILE.domain"
	;;
esac
SCRIPT
chmod +x "$folder/udhcpc"

# dhcp NAME: a real DHCP client; prints the address.
dhcp() {
	LEASE_FILE=$folder/$1.lease on "$1" busybox udhcpc -i eth0 -s "$folder/udhcpc" -x "hostname:$1" -n -q -f -t 5 -T 1 >"$folder/$1.udhcpc" 2>&1 ||
		fail "no lease for $1: $(cat "$folder/$1.udhcpc")"
	cat "$folder/$1.lease"
}

# has_global NAME: an IPv6 address by router advertisement
has_global() { on "$1" ip -6 addr show dev eth0 scope global -tentative | grep -q 'inet6 f[cd]'; }
address6() { on "$1" ip -6 -o addr show dev eth0 scope global | sed -n 's/.*inet6 \([^/]*\).*/\1/p' | head -n 1; }

is_empty_plan() { [ "$(lan plan --json 2>/dev/null | python3 -c 'import json,sys; d = json.load(sys.stdin); print(len(d.get("changes", d) if isinstance(d, dict) else d))')" = 0 ]; }

# The processes of this instance, by program name.
pids_of() { pgrep -f "(^|/)$1 .*--instance $instance( |\$)" || true; }

finish() {
	local rc=$?
	for pid in "${guests[@]}"; do kill "$pid" 2>/dev/null; done
	if [ $rc != 0 ] && [ $rc != 77 ]; then
		echo "--- status"; lan status 2>&1
		for log in "$folder"/*.log; do [ -f "$log" ] && { echo "--- $log"; tail -n 40 "$log"; }; done
		find /tmp/lanyard-* /run/lanyard -name '*.log' 2>/dev/null | while read -r log; do echo "--- $log"; tail -n 40 "$log"; done
	fi
	lan down >/dev/null 2>&1
	exit $rc
}
trap finish EXIT
