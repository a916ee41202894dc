#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# Live changes with two machines plugged in and one TCP stream between them: mode, domain, DHCP range, forwarders, MTU,
# routes, prefixes. Nothing is detached, the stream goes on; machines hear of what is theirs to know.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
start_instance
works lan net add lab ipv4=10.20.0.1/24 ipv6=fd20::1/64 domain=lab.internal grace=1h
works lan net reserve lab printer 10.20.0.40
guest a lab
guest b lab
dhcp a >/dev/null
b4=$(dhcp b)
soon 10 "IPv6 of a" has_global a
soon 10 "IPv6 of b" has_global b
stream_start a b "$b4" "$(address6 b)"
stream_moves "at first"
resolve() { on "$1" busybox nslookup "$2" "${3:-10.20.0.1}"; }
key() { lan net show lab --json | python3 -c 'import json,sys; print(json.load(sys.stdin).get(sys.argv[1], ""))' "$1"; }
settled() {
	stream_moves "after $1"
	is_empty_plan || fail "the plan is not empty after $1: $(lan plan)"
}
# watch NAME: carrier changes of a machine
carrier() { on "$1" ip -s -s -j link show eth0 | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["stats64"]["tx"]["carrier_changes"])'; }
mtu_of() { within ip -o link show "$1" | sed -n 's/.* mtu \([0-9]*\) .*/\1/p'; }

# what changes for machines is told to them by a blink of their carrier, what does not is not
before=$(carrier a)
works lan net set lab forwarders=192.0.2.53
works lan net set lab dhcp="{range: 10.20.0.50-10.20.0.90}"
settled "forwarders and range"
is "carrier" "$before" "$(carrier a)"
works lan net set lab forwarders=
works lan net set lab domain=school.internal
settled "a domain"
[ "$(carrier a)" -gt "$before" ] || fail "the carrier of a did not blink"
has "the new domain" '10\.20\.0\.40' "$(resolve a printer.school.internal)"
guest c lab
has "an address of the new range" '^10\.20\.0\.([5-8][0-9]|90)$' "$(dhcp c)"
is "the new domain by DHCP" school.internal "$(cat "$folder/c.lease.domain")"

# MTU: machines are told by DHCP and RA; our ends take what machines send that have not heard of it
works lan net set lab mtu=1400
settled "an MTU"
is "the bridge's MTU" 1400 "$(mtu_of ly-lab)"
soon 10 "the MTU by RA" on a grep -qx 1400 /proc/sys/net/ipv6/conf/eth0/mtu
refused 'IPv6' lan net set lab mtu=1000
works lan net set lab mtu=2000
settled "a larger MTU"
for port in $(lan port list --json | python3 -c 'import json,sys; print(*[port["ifname"] for port in json.load(sys.stdin)])'); do
	is "the MTU of $port" 2000 "$(mtu_of "$port")"
done
works lan net set lab mtu=
settled "the default MTU"

# every mode, live
for mode in routed isolated open nat; do
	works lan net set lab mode=$mode
	settled "mode $mode"
	works on a ping -c 1 -W 3 10.20.0.1
done
if [ $kind = --user ]; then # translated at the uplink, in mode routed too
	works lan net set lab mode=routed
	on a ip route replace default via 10.20.0.1
	works on a wget -qO- -t 1 -T 5 "http://$WORLD_NET4/"
	works lan net set lab mode=nat
fi
on a ip route replace default via 10.20.0.1
works on a wget -qO- -t 1 -T 5 "http://$WORLD_NET4/"

# a route to what lies behind a machine
on b ip addr add 10.99.0.1/32 dev lo
on b ip -6 addr add fd99::1/128 dev lo
b4=$(on b ip -4 -o addr show dev eth0 | sed -n 's/.*inet \([^/]*\).*/\1/p' | head -n 1)
b6=$(address6 b)
works lan net set lab routes="[ 10.99.0.0/24 via $b4, fd99::/64 via $b6 ]"
settled "routes"
works within ping -c 1 -W 3 10.99.0.1
works within ping -c 1 -W 3 fd99::1
[ $kind = --user ] || ip route del 10.99.0.0/24
soon 5 "a route that somebody removed" within sh -c 'ip route show 10.99.0.0/24 | grep -q ly-lab'
refused 'none of the network' lan net set lab routes="10.99.0.0/24 via 10.77.0.1"
refused 'own prefix' lan net set lab routes="10.20.0.128/25 via $b4"
works lan net set lab routes=
is "routes left" "" "$(within ip route show 10.99.0.0/24)"
on b ip addr flush dev lo scope global

# another gateway address in the same prefix, there and back
works lan net set lab ipv4=10.20.0.254/24
settled "another gateway"
works on a ping -c 1 -W 3 10.20.0.254
works on a ping -c 1 -W 3 10.20.0.1
works lan net set lab ipv4=10.20.0.1/24
settled "the gateway before"

# another prefix: the old one goes on, its leases end by a refusal, what is reserved moves along
LEASE_FILE=$folder/c.lease on c busybox udhcpc -i eth0 -s "$folder/udhcpc" -f -p "$folder/c.pid" -t 5 -T 1 >"$folder/c.client" 2>&1 &
client_has() { on c ip -4 -o addr show dev eth0 | grep -q "inet $1"; }
soon 10 "the client's first lease" client_has 10.20.0.
before=$(carrier a)
works lan net set lab ipv4=10.30.0.1/24 ipv6=fd30::1/64
settled "another prefix"
[ "$(carrier a)" -gt "$before" ] || fail "the carrier of a did not blink"
has "what is leaving" '10\.20\.0\.1/24 until' "$(key leaving)"
has "what is leaving" 'fd20::1/64 until' "$(key leaving)"
works on b ping -c 1 -W 3 10.20.0.1
works on b ping -c 1 -W 3 fd20::1
on b ip route replace default via 10.20.0.1
works on b wget -qO- -t 1 -T 5 "http://$WORLD_NET4/"
has "a reservation moves along" '10\.30\.0\.40' "$(resolve b printer.school.internal)"
refused 'overlaps' lan net add second ipv4=10.20.0.1/24
kill -USR1 "$(cat "$folder/c.pid")" # as a client does after half of its lease, or when it sees the carrier come
soon 20 "a lease of the new prefix" client_has 10.30.0.
has "refused by our server" 'lease of 10\.30\.0\.' "$(grep 'lease of' "$folder/c.client" | tail -n 1)"
soon 10 "an IPv6 address of the new prefix" on a sh -c 'ip -6 addr show dev eth0 | grep -q "inet6 fd30:"'
soon 10 "the old IPv6 address is deprecated" on a sh -c 'ip -6 addr show dev eth0 deprecated | grep -q "inet6 fd20:"'
has "and it ends" "valid_lft [0-9]+sec preferred_lft 0sec" "$(on a ip -6 addr show dev eth0 deprecated)"
works on c ping -c 1 -W 3 10.30.0.1
works on c wget -qO- -t 1 -T 5 "http://$WORLD_NET4/"
# a blink may cost a ping; the streams lose nothing
echo end >&"$stream_in"
read -r line <&"$stream_out"
has "streams through all of it" '^(nothing lost|lost (, )?([0-9a-f.:]+: [0-9]{1,2}(, )?)+)$' "$line"
kill -9 "$sink"

# the old one goes when its time has come
works lan net set lab grace=1s
works lan net set lab ipv4=10.40.0.1/24
gone() { ! within ip addr show dev ly-lab | grep -q '10\.30\.0\.1/'; }
soon 10 "the end of the replaced prefix" gone
within ip addr show dev ly-lab | grep -q '10\.20\.0\.1/' || fail "the other replaced prefix went too early"
is_empty_plan || fail "the plan is not empty at the end: $(lan plan)"

# the same by a lab's file
cat >lanyard.yaml <<'YAML'
name: edited
networks:
  filed: { ipv4: 10.60.0.1/24, ipv6: none, reservations: [ { name: web, mac: "ba:ad:ca:00:00:0b", address: 10.60.0.10 } ] }
YAML
works lan up
guest filed filed mac=ba:ad:ca:00:00:0b
is "the reserved address" 10.60.0.10 "$(dhcp filed)"
sed -i 's/10\.60\./10.61./g; s/{ ipv4/{ mode: routed, domain: file.internal, ipv4/' lanyard.yaml
works lan up
works on filed ping -c 1 -W 3 10.60.0.1
is "the reserved address after the edit" 10.61.0.10 "$(dhcp filed)"
is "the domain after the edit" file.internal "$(cat "$folder/filed.lease.domain")"
has "second up" 'nothing was to do' "$(lan up 2>&1)"
lan net check filed | grep -q BAD && fail "check: $(lan net check filed)"
kill "$pid_filed"
works lan down

# two networks, connected when asked; the other way round too; not with one that is not there
works lan net add second ipv4=10.50.0.1/24
refused 'no network' lan net set lab peers=third
works lan net set second peers=lab
is_empty_plan || fail "the plan is not empty with peers: $(lan plan)"
works lan net remove second
is "a network that went is nobody's peer" "" "$(key peers)"
is_empty_plan || fail "the plan is not empty after the peer: $(lan plan)"
kill "$pid_a" "$pid_b" "$pid_c"
works lan net remove --force lab
