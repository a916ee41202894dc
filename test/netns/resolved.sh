#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# The real systemd-resolved as the host's resolver, on a bus of its own: it is told of each network by the steward, again
# after its restart, and forgets it with the network; guests ask it through our resolver, and nothing goes round in a circle.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
daemon=/usr/lib/systemd/systemd-resolved
[ -x $daemon ] || skip "systemd-resolved is not installed"
getent passwd systemd-resolve >/dev/null || skip "there is no account systemd-resolve"

start_bus

mount -t tmpfs -o mode=755 tmpfs /run/systemd || skip "cannot mount a private /run/systemd"
mkdir -p /run/systemd/resolved.conf.d
chown systemd-resolve: "$(mkdir -p /run/systemd/resolve && echo /run/systemd/resolve)"
printf '[Resolve]\nDNS=%s\nLLMNR=no\nMulticastDNS=no\nDNSSEC=no\n' "$WORLD_NET4" >/run/systemd/resolved.conf.d/test.conf
is_served() { resolvectl query "$WORLD_NAME"; }
start_resolved() {
	$daemon 2>>"$folder/resolved.log" &
	resolved=$!
	soon 10 "systemd-resolved ($(tail -n 3 "$folder/resolved.log"))" is_served
}
# an /etc of our own, where resolv.conf is a link as resolved's package makes it
mkdir "$folder/upper" "$folder/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$folder/upper,workdir=$folder/work" /etc || skip "cannot mount a private /etc"
resolv_conf() { ln -sfn "/run/systemd/resolve/$1" /etc/resolv.conf; }
start_resolved
resolv_conf stub-resolv.conf

asked() { resolvectl "$1" "$2" 2>/dev/null | tr -s ' \n' ' ' | sed 's/^[^:]*: *//; s/ $//'; }
knows_server() { [ "$(asked dns "$1")" = "$2" ]; }
resolves() { resolvectl query --legend=no "$1" 2>/dev/null | grep -q -- "$2"; }
cannot() { resolvectl query "$1" >/dev/null 2>&1 && fail "$1 is resolved: $(resolvectl query "$1")"; return 0; }

start_instance
start_steward
works lan net add lab ipv4=10.20.0.1/22 ipv6=fd20:0:0:1::1/64
works lan net reserve lab web ba:ad:ca:00:00:0a 10.20.0.10 fd20:0:0:1::10
guest web lab mac=ba:ad:ca:00:00:0a
soon 5 "lab's server" knows_server ly-lab "10.20.0.1 fd20:0:0:1::1"
is "lab's domains" "~lab.internal ~0.20.10.in-addr.arpa ~1.20.10.in-addr.arpa ~2.20.10.in-addr.arpa ~3.20.10.in-addr.arpa ~1.0.0.0.0.0.0.0.0.0.0.0.0.2.d.f.ip6.arpa" "$(asked domain ly-lab)"
is "no way for other names" no "$(asked default-route ly-lab)"
soon 5 "forward" resolves web.lab.internal 10.20.0.10
soon 5 "IPv6" resolves web.lab.internal fd20:0:0:1::10
soon 5 "back" resolves 10.20.0.10 web.lab.internal
soon 5 "back by IPv6" resolves fd20:0:0:1::10 web.lab.internal
is "by the host's own programs" 10.20.0.10 "$(getent ahostsv4 web.lab.internal | awk 'NR == 1 {print $1}')"
cannot nobody.lab.internal
cannot 10.20.3.77

# guests ask our resolver, which asks the host's
is "the reserved address" 10.20.0.10 "$(dhcp web)"
has "the world's names in a guest" "$WORLD_NET4" "$(on web busybox nslookup "$WORLD_NAME" 10.20.0.1)"
works lan net add other ipv4=10.30.0.1/24 ipv6=none
soon 5 "other's server" knows_server ly-other 10.30.0.1
works lan net reserve other db 10.30.0.10
soon 5 "the second network" resolves db.other.internal 10.30.0.10

# no circle: names that nobody has, and those of other networks, end at once
begin=${EPOCHREALTIME/./}
on web busybox nslookup nobody.lab.internal 10.20.0.1 >/dev/null
on web busybox nslookup nobody.other.internal 10.20.0.1 >/dev/null
on web busybox nslookup nobody.internet.test 10.20.0.1 >/dev/null
[ $((${EPOCHREALTIME/./} - begin)) -lt 4000000 ] || fail "names that nobody has take $((${EPOCHREALTIME/./} - begin)) microseconds"
# ... nor where the host's file is resolved's list of servers, whoever puts ours into it
asks() { grep -qx "server=$1" /run/lanyard/"$instance"/services/*/servers; }
asks 127.0.0.53 || fail "whom our resolvers ask: $(cat /run/lanyard/"$instance"/services/*/servers)"
resolv_conf resolv.conf
soon 5 "resolved's own list is taken" asks "$WORLD_NET4"
asks 127.0.0.53 && fail "the stub is still asked"
grep -E '10\.20\.0\.1|10\.30\.0\.1|fd20' /run/systemd/resolve/resolv.conf && fail "resolved would ask our servers for all names"
printf 'nameserver 10.30.0.1\nnameserver fd20:0:0:1::1\nnameserver %s\n' "$WORLD_NET6" >"$folder/list"
mv "$folder/list" /etc/resolv.conf
soon 5 "another list is taken" asks "$WORLD_NET6"
asks 10.30.0.1 && fail "a network's server asks another one"
asks fd20:0:0:1::1 && fail "a network's server asks itself"
has "the world's names in a guest" "$WORLD_NET4" "$(on web busybox nslookup "$WORLD_NAME" 10.20.0.1)"
resolv_conf stub-resolv.conf
soon 5 "the stub is taken" asks 127.0.0.53

# its restart, without what it keeps in its folder
kill "$resolved"
wait "$resolved"
rm -rf /run/systemd/resolve/netif
start_resolved
soon 5 "lab's server after a restart" knows_server ly-lab "10.20.0.1 fd20:0:0:1::1"
soon 5 "other's server after a restart" knows_server ly-other 10.30.0.1
soon 5 "forward" resolves web.lab.internal 10.20.0.10
# the interface made anew by self-repair
ip link delete ly-other
soon 10 "ly-other again" ip link show ly-other
soon 10 "other's server, again" knows_server ly-other 10.30.0.1
# a broker started anew
kill "$broker"
wait "$broker"
resolvectl revert ly-lab
start_broker
soon 10 "the broker" lan net list
soon 5 "lab's server by the next broker" knows_server ly-lab "10.20.0.1 fd20:0:0:1::1"

# a NIC of the host in a bridge: its servers and domains are the bridge's, and its own again
ip link add nic0 type veth peer name nic0p
ip link set nic0p up
ip link set nic0 up
ip addr add 192.0.2.7/24 dev nic0
resolvectl dns nic0 192.0.2.53 2001:db8::53
resolvectl domain nic0 corp.example '~other.example'
resolvectl default-route nic0 no
works lan uplink add nic0 --confirm-within 0
soon 5 "the NIC's servers are the bridge's" knows_server ly-lan "192.0.2.53 2001:db8::53"
soon 5 "its domains" sh -c 'resolvectl domain ly-lan | grep -qF "corp.example ~other.example"'
is "no way for other names" no "$(asked default-route ly-lan)"
resolvectl dns ly-lan 192.0.2.54
works lan net set lab forwarders=192.0.2.1
works lan net set lab forwarders=
is "what is said of the bridge counts" 192.0.2.54 "$(asked dns ly-lan)"
works lan uplink remove nic0
soon 5 "the NIC's servers" knows_server nic0 "192.0.2.53 2001:db8::53"
is "the NIC's servers" "192.0.2.53 2001:db8::53" "$(asked dns nic0)"
is "the NIC's domains" "corp.example ~other.example" "$(asked domain nic0)"

# changes
works lan net set lab domain=school.internal
soon 5 "the new domain" sh -c 'resolvectl domain ly-lab | grep -q "school.internal"'
soon 5 "a name in it" resolves web.school.internal 10.20.0.10
works lan net set lab domain=example.com
soon 5 "a domain of the world" knows_server ly-lab ""
works lan net set lab domain=lab.internal
soon 5 "lab's server again" knows_server ly-lab "10.20.0.1 fd20:0:0:1::1"
works lan net set lab dns=false
soon 5 "no server" knows_server ly-lab ""
works lan net remove other
cannot db.other.internal
# a steward that cannot do it, or none, is no failure of a change
kill -STOP "$resolved"
works lan net set lab dns=true
works lan net add third
kill -CONT "$resolved"
soon 15 "lab's server after a pause" knows_server ly-lab "10.20.0.1 fd20:0:0:1::1"
is "what the steward complained of" "" "$(grep -v third "$folder/steward.log")"
