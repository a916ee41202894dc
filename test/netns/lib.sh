# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the namespace tests share: an instance of the world's kind, namespaces as cheap guests with a real DHCP
# client, and assertions that say what they saw. Sourced; the test runs inside test/world.
set -u
instance=t$$r$RANDOM
guests=()
# the distribution's tools go before those that a person has in their PATH, which other accounts may not run
PATH=${LANYARD_BUILD:?}:/usr/sbin:/usr/bin:/sbin:/bin:$PATH

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

# soon SECONDS WHAT COMMAND...: for what another process does on its own; tries until it is so. An emulated computer has more
# patience (LANYARD_PATIENCE, a factor).
soon() {
	local end=$((SECONDS + $1 * ${LANYARD_PATIENCE:-1})) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "$what did not come true in time: $*"
		sleep 0.05
	done
}

# start_executor [OPTION...]
start_executor() {
	lanyard-executor --system --instance "$instance" "$@" 2>>"$folder/executor.log" &
	executor=$!
}
start_broker() {
	lanyardd --system --instance "$instance" 2>>"$folder/broker.log" &
	broker=$!
}
# start_steward [OPTION...]
start_steward() {
	lanyard-steward --system --instance "$instance" --stay "$@" 2>>"$folder/steward.log" &
	steward=$!
	soon 5 "the steward's socket" grep -q "00010000 .*/$instance/steward.sock" /proc/net/unix # which it listens at
}
# start_instance [EXECUTOROPTION...]
start_instance() {
	[ $kind = --system ] || return 0
	start_executor "$@"
	start_broker
	soon 10 "the system instance" lan net list
}
# What a service manager does: starts again what has died. A user instance needs nobody. It looks each time: who
# is killed ends its connections, which its caller sees, a moment before it is dead.
supervise() {
	[ $kind = --system ] || return 0
	soon 10 "the system instance answers again" is_kept_up
}
is_kept_up() {
	is_alive "$executor" || start_executor
	is_alive "$broker" || start_broker
	lan net list
}

# start_bus: a bus where everybody may do what only the real one's policy would keep from them
start_bus() {
	command -v dbus-daemon >/dev/null || skip "dbus-daemon is not installed"
	chmod 755 "$folder"
	cat >"$folder/bus.conf" <<-CONF
		<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
		<busconfig>
		  <type>system</type>
		  <listen>unix:path=$folder/bus</listen>
		  <policy context="default">
		    <allow user="*"/>
		    <allow own="*"/>
		    <allow send_type="*"/>
		    <allow receive_type="*"/>
		  </policy>
		</busconfig>
	CONF
	dbus-daemon --config-file="$folder/bus.conf" --nofork --nopidfile 2>"$folder/bus.log" &
	soon 5 "a bus" test -S "$folder/bus"
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$folder/bus
}

# In the instance's network world.
within() { lan exec -- "$@"; }
# ... with the right to change it, as its owner has
meddle() {
	if [ $kind = --system ]; then
		"$@"
	else
		python3 "$LANYARD_SOURCE/test/netns/lib_rights.py" "$(process holder)" "$@"
	fi
}

# lay_accounts [NAME[:GROUP]]...: the two accounts that the package makes and ordinary ones, with the uids 59001, 59002
# and so on, for this test alone: by files laid over /etc/passwd and /etc/group.
lay_accounts() {
	local account id=59000
	cp /etc/passwd /etc/group "$folder"
	chmod 644 "$folder/passwd" "$folder/group"
	for account in lanyard lanyard-net "$@"; do
		id=$((id + 1))
		echo "${account%:*}:x:$id:$id::/nonexistent:/usr/sbin/nologin" >>"$folder/passwd"
		echo "${account%:*}:x:$id:" >>"$folder/group"
		[ "${account%:*}" = "$account" ] ||
			sed -i "/^${account#*:}:/ { s/[^:]\$/&,/; s/\$/${account%:*}/ }" "$folder/group"
	done
	mount --bind "$folder/passwd" /etc/passwd && mount --bind "$folder/group" /etc/group ||
		skip "cannot lay a file over /etc/passwd"
}

# namespace NAME COMMAND...: the network namespace that the command (an unshare) makes
namespace() {
	local name=$1 pid
	shift
	rm -f "$folder/$name.ready"
	mkfifo "$folder/$name.ready"
	"$@" sh -c 'echo $$ >"$1"; exec sleep infinity' sh "$folder/$name.ready" &
	read -r pid <"$folder/$name.ready"
	guests+=("$pid")
	declare -g "pid_$name=$pid"
}
# space NAME: one of the host's neighbourhood (system only)
space() {
	namespace "$1" unshare -n
	on "$1" ip link set lo up
	on "$1" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
}
# guest NAME NETWORK [KEY=VALUE...]: one plugged into the network, not yet configured
guest() {
	local name=$1 network=$2 pid_name=pid_$1
	shift 2
	if [ "$(id -u)" = 0 ] && [ $kind = --system ]; then
		namespace "$name" unshare -n
	else
		namespace "$name" lan exec -- unshare -Urn
	fi
	works lan port add "$network" --netns "${!pid_name}" "machine=$name" "$@"
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
	# a renewed address stays all the time
	ip addr replace "$ip/$mask" dev "$interface"
	for old in $(ip -4 -o addr show dev "$interface" | sed -n 's/.*inet \([^ ]*\).*/\1/p'); do
		[ "$old" = "$ip/$mask" ] || ip addr del "$old" dev "$interface"
	done
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

# The processes of this instance, by program name (a dead one that nobody has reaped does not count).
pids_of() {
	local pid
	for pid in $(pgrep -f "(^|/)$1 .*--instance $instance( |\$)"); do is_alive "$pid" && echo "$pid"; done
	return 0
}
no_process_of() { [ -z "$(pids_of "$1")" ]; }
is_alive() { [ -n "${1:-}" ] && [ -e "/proc/$1" ] && ! grep -qs '^State:[[:space:]]*[ZX]' "/proc/$1/status"; }
is_dead() { ! is_alive "$1"; }
# The instance's own process by its role: broker, executor, holder, pasta. Empty when there is none.
process() { lan status --json 2>/dev/null | python3 -c 'import json,sys; print(json.load(sys.stdin)["instance"]["processes"].get(sys.argv[1], ""))' "$1"; }
# dnsmasq of the instance: children of the executor
dnsmasq_pids() { pgrep -f "dnsmasq .*/$instance/services/" | while read -r pid; do is_alive "$pid" && echo "$pid"; done; }
# kill_hard PID...: and waits until they are dead
kill_hard() {
	local pid
	kill -9 "$@"
	for pid in "$@"; do soon 10 "the end of process $pid" is_dead "$pid"; done
}

# Where the instance keeps its files.
runtime_folder() {
	case $kind in
	--system) echo "${LANYARD_RUNTIME_DIR:-/run/lanyard}/$instance" ;;
	*) echo "${LANYARD_RUNTIME_DIR:-/tmp/lanyard-$(id -u)/lanyard}/$instance" ;;
	esac
}

# ... and the definitions.
state_folder() {
	case $kind in
	--system) echo "${LANYARD_STATE_DIR:-/var/lib/lanyard}/$instance" ;;
	*) echo "${LANYARD_STATE_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/lanyard}/$instance" ;;
	esac
}

# Everything of the kernel that Lanyard may touch, without what changes by itself: to be compared.
# shellcheck disable=SC2016
snapshot() {
	meddle sh -c '
		ip -d -o link | sed -E "s/^[0-9]+: //; s/@if[0-9]+/@if/; s/[a-z_]*timer +[0-9.]+//g; s/link-netns(id)? [^ ]+//; s/ state (UP|UNKNOWN) / /" | grep -v "^ly-up" | sort
		ip -o address | sed -E "s/^[0-9]+: //; s/(valid|preferred)_lft [^ ]+//g" | grep -v "^ly-up" | sort
		nft -s list ruleset
		grep -H . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/forwarding /proc/sys/net/ipv6/conf/*/disable_ipv6 /proc/sys/net/ipv4/ip_forward
	' 2>&1
	dnsmasq_pids | wc -l
}

# After `down`: nothing of the instance is left. Waits for the user instance's own end.
nothing_left() {
	local pid
	if [ $kind = --user ]; then
		soon 15 "the end of the instance" test ! -e "$(runtime_folder)"
	fi
	is "dnsmasq left" "" "$(dnsmasq_pids)"
	if [ $kind = --system ]; then
		is "links left" "" "$(ip -br link | grep -E '^ly')"
		is "rules left" "" "$(nft list tables | grep lanyard)"
		is "forwarding" 0 "$(cat /proc/sys/net/ipv4/conf/up0/forwarding)"
		is "files left" "" "$(find "/run/lanyard/$instance/services" "/run/lanyard/$instance/ports" "/var/lib/lanyard/$instance/networks" "/var/lib/lanyard/$instance/ports" -mindepth 1 2>/dev/null)"
		return
	fi
	for pid in lanyardd lanyard-executor lanyard-holder; do # the folder goes a moment before the process
		soon 15 "the end of $pid" no_process_of $pid
	done
	is "publishers left" "" "$(pgrep -x lanyard-publish)"
	[ -n "$(pgrep -x lanyard-holder)" ] || # another instance has one
		is "an uplink left" "" "$(pgrep -f '^[^ ]*pasta(.avx2)? ')"
	is "definitions left" "" "$(find "${XDG_STATE_HOME:-$HOME/.local/state}/lanyard/$instance" -type f 2>/dev/null)"
}

# stream_start FROM TO ADDRESS...: traffic that must not stop, from one guest to addresses of the other.
stream_start() {
	local from=$1 to=$2 line
	shift 2
	mkfifo "$folder/stream.in" "$folder/stream.out" "$folder/sink.pid"
	on "$to" python3 "$LANYARD_SOURCE/test/netns/lib_traffic.py" serve 5001 >"$folder/sink.pid" 2>"$folder/sink.log" &
	read -r sink <"$folder/sink.pid" || fail "no server in guest $to"
	on "$from" python3 "$LANYARD_SOURCE/test/netns/lib_traffic.py" send 5001 "$@" <"$folder/stream.in" >"$folder/stream.out" 2>"$folder/stream.log" &
	exec {stream_in}>"$folder/stream.in" {stream_out}<"$folder/stream.out"
	read -r line <&"$stream_out"
	is "traffic begins" ok "$line"
}
# stream_moves WHEN
stream_moves() {
	local line
	echo moves >&"$stream_in"
	read -r line <&"$stream_out"
	is "traffic between machines $1" ok "$line"
}
stream_end() {
	local line
	echo end >&"$stream_in"
	read -r line <&"$stream_out"
	is "traffic through all of it" "nothing lost" "$line"
	exec {stream_in}>&- {stream_out}<&-
	kill -9 "$sink"
}

finish() {
	local rc=$? jobs
	for pid in "${guests[@]}"; do kill "$pid" 2>/dev/null; done
	if [ $rc != 0 ] && [ $rc != 77 ]; then
		echo "--- status"; timeout 20 lanyard $kind --instance "$instance" --no-color status 2>&1
		for log in "$folder"/*.log; do [ -f "$log" ] && { echo "--- $log"; tail -n 40 "$log"; }; done
		find /tmp/lanyard-* /run/lanyard -name log 2>/dev/null | while read -r log; do echo "--- $log"; tail -n 40 "$log"; done
	fi
	timeout 20 lanyard $kind --instance "$instance" down >/dev/null 2>&1
	jobs=$(jobs -p)
	# shellcheck disable=SC2086
	[ -z "$jobs" ] || kill -9 $jobs 2>/dev/null
	exit $rc
}
trap finish EXIT
