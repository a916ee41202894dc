#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# Every kind of port, with frames through it; and the holder of a tap as attacker: reverted, logged, closed.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
[ -w /dev/net/tun ] || skip "/dev/net/tun may not be opened here (it is 0666 on a Debian)"
tap=$LANYARD_SOURCE/test/netns/lib_tap.py

start_instance
works lan net add lab ipv4=10.20.0.1/24
count() { lan port list --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))'; }
has_ports() { [ "$(count)" = "$1" ]; }
no_link() { ! within ip link show "$1"; }
# key ID KEY
key() { lan port show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin).get(sys.argv[1], ""))' "$2"; }
# tell WORDS...: to the machine in the coprocess; its answer is in $reply
tell() {
	echo "$*" >&"${MACHINE[1]}"
	hear
}
hear() { read -rt 20 reply <&"${MACHINE[0]}" || reply="(ended)"; }
# machine KEY=VALUE...: holds a tap's descriptor
machine() {
	coproc MACHINE { lan port add lab "$@" --run -- sh -c 'echo "$LANYARD_PORT $LANYARD_IFNAME $LANYARD_FDS"; exec python3 "$@"' sh "$tap" 10.20.0.9 10.20.0.1; } 2>/dev/null
	read -rt 20 id ifname fds <&"${MACHINE[0]}" || fail "no machine"
	hear
	is "the gateway for a tap" answered "$reply"
}
# the end of its input ends the machine, and with it the tap
machine_ends() {
	local input=${MACHINE[1]}
	exec {input}>&-
	wait "$MACHINE_PID"
}

# a namespace, by pid (guest) and by path, and another name inside
guest a lab
works dhcp a
works lan port add lab --netns "/proc/$pid_a/ns/net" peer=second0
works on a ip link show second0
second=$(lan port list --json | python3 -c 'import json,sys; print(next(p["id"] for p in json.load(sys.stdin) if p.get("peer") == "second0"))')
works lan port remove "$second"
on a ip link show second0 >/dev/null 2>&1 && fail "removed, but still in the namespace"
refused 'no-such' lan port add lab --netns no-such
refused 'second0|eth0|exists' lan port add lab --netns "$pid_a" peer=eth0
has_ports 1 || fail "a refused port is in the list"

# a tap's descriptor
machine machine=web
is "one queue" 0 "$(grep -c : <<<"$fds")"
is "its machine" web "$(key "$id" machine)"
is_without_ipv6() { within grep -q 1 "/proc/sys/net/ipv6/conf/$1/disable_ipv6"; }
is "our end has no address" "" "$(within ip addr show dev "$ifname" | grep inet)"
soon 5 "our end without IPv6" is_without_ipv6 "$ifname"
works lan port set "$id" down=true
on a ip neigh flush all
is "state" down "$(key "$id" state)"
is_empty_plan || fail "a port that is down: $(lan plan)"
works lan port set "$id" down=false
tell ask
is "up again" answered "$reply"
machine_ends
soon 10 "the tap goes with its holder" has_ports 1
soon 10 "its interface too" no_link "$ifname"
machine queues=2
is "two queues" 1 "$(grep -c : <<<"$fds")"
machine_ends
soon 10 "both queues go" has_ports 1

# the attacker
mac_is() { within ip -o link show "$1" | grep -q "link/ether $2 "; }
has_strikes() { [ "$(key "$1" strikes)" = "$2" ]; }
logged() { cat "$(runtime_folder)/log" "$folder/broker.log" 2>/dev/null | grep -qE "$1"; }
machine machine=evil
own=$(within ip -o link show "$ifname" | sed -E 's/.*link\/ether ([^ ]*) .*/\1/')
tell mac 02:00:00:00:be:ef
is "a foreign MAC can be set" ok "$reply"
soon 5 "the MAC is put back" mac_is "$ifname" "$own"
soon 5 "a strike" has_strikes "$id" 1
logged "port $id .*asked for by uid $(id -u)\) .*holder set the MAC 02:00:00:00:be:ef" || fail "the attack is not in the log"
tell ask
is "it still works" answered "$reply"
tell mac 02:00:00:00:be:ef
soon 5 "the port is closed" has_ports 1
soon 5 "its interface is gone" no_link "$ifname"
logged "port $id of evil .*is closed: its holder changed the interface's MAC again" || fail "the second attack is not in the log"
machine_ends
attacks=(persist "group $(id -g)")
[ $kind = --user ] || attacks+=("owner 65534") # in a user instance there is but one uid: it owns it anyway
for attack in "${attacks[@]}"; do
	machine machine=evil
	tell "$attack"
	is "$attack" ok "$reply"
	soon 5 "the port is closed after '$attack'" has_ports 1
	soon 5 "its interface is gone after '$attack'" no_link "$ifname"
	logged "port $id of evil .*is closed: its holder" || fail "'$attack' is not in the log"
	machine_ends
	no_link "$ifname" || fail "the interface has come back after '$attack'"
done
is_empty_plan || fail "the plan after the attacks: $(lan plan)"

# a tap by name: there without a holder, for its owner
works lan port add lab --tap lyname0
has "its owner" " user ($(id -u)|$(id -un)) " "$(within ip -d link show lyname0) "
is "its kind" tap-named "$(key lyname0 kind)"
if [ $kind = --system ]; then
	is "frames through a named tap" answered "$(python3 "$tap" 10.20.0.8 10.20.0.1 lyname0 </dev/null)"
	works setpriv --reuid=65534 --clear-groups sh -c "! /usr/bin/python3 '$tap' 10.20.0.8 10.20.0.1 lyname0 </dev/null 2>/dev/null"
else
	is "frames through a named tap" answered "$(within python3 "$tap" 10.20.0.8 10.20.0.1 lyname0 </dev/null)"
fi
within ip link show lyname0 >/dev/null || fail "a named tap has gone with its holder"
refused 'lyname0' lan port add lab --tap lyname0
works lan port add lab --tap lygroup0 group="$(id -g)"
has "its group" " group ($(id -g)|$(id -gn)) " "$(within ip -d link show lygroup0) "
is_empty_plan || fail "the plan with named taps: $(lan plan)"
meddle ip link del lyname0
soon 5 "a removed named tap comes back" within ip link show lyname0
soon 5 "an empty plan" is_empty_plan
works lan port remove lyname0 lygroup0
no_link lyname0 || fail "lyname0 is still there"

# an end for others to bridge onto, and what others made
works lan port add lab --veth lyquiet0 ifname=lyveth0
within ip -o link show lyquiet0 | grep -q 'NOARP' || fail "a quiet end with ARP: $(within ip link show lyquiet0)"
is "addresses of the quiet end" "" "$(within ip -o addr show lyquiet0)"
soon 5 "an empty plan with a veth" is_empty_plan
refused '' within ping -c 1 -W 1 -I lyquiet0 10.20.0.1
works lan port remove lyveth0
no_link lyquiet0 || fail "the quiet end is still there"
meddle ip link add lyadopt0 type veth peer name lyother0
works lan port add lab --adopt lyadopt0
within ip -o link show lyadopt0 | grep -q 'master ly-lab' || fail "not on the bridge: $(within ip link show lyadopt0)"
soon 5 "an empty plan with an adopted one" is_empty_plan
works lan port remove lyadopt0
within ip -o link show lyadopt0 | grep -q master && fail "an adopted interface stays on the bridge"
within ip link show lyadopt0 >/dev/null || fail "an adopted interface was deleted"
meddle ip link del lyadopt0

# isolated ones do not reach each other, but the gateway and the rest
guest b lab
guest c lab
id_of() { lan port list --json | python3 -c 'import json,sys; print(next(p["id"] for p in json.load(sys.stdin) if p.get("machine") == sys.argv[1]))' "$1"; }
works lan port set "$(id_of b)" isolated=true
b4=$(dhcp b)
c4=$(dhcp c)
works on b ping -c 1 -W 3 10.20.0.1
works on b ping -c 1 -W 3 "$c4"
works lan port set "$(id_of c)" isolated=true
refused '100% packet loss' on b ping -c 1 -W 1 "$c4"
refused '100% packet loss' on c ping -c 1 -W 1 "$b4"
works on a ping -c 1 -W 3 "$b4"
works on c ping -c 1 -W 3 10.20.0.1
soon 5 "an empty plan with isolated ports" is_empty_plan

kill "$pid_a" "$pid_b" "$pid_c"
soon 10 "the end of the ports" has_ports 0
works lan net remove lab
nothing_left
