#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# More ways out than the default routes' (`via`): a second LAN of the host's and a VPN that comes and goes. Machines go
# there; nobody gets through the host from one of its own networks to another.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
internet() { nsenter -t "$WORLD_INTERNET" -n "$@"; }
space second
ip link add lan0 type veth peer name eth0 netns "$pid_second"
ip addr add 192.0.2.2/24 dev lan0
ip -6 addr add 2001:db8:9::2/64 dev lan0 nodad
ip link set lan0 up
on second sh -c 'ip link set lo up; ip link set eth0 up; ip addr add 192.0.2.1/24 dev eth0; ip -6 addr add 2001:db8:9::1/64 dev eth0 nodad
	ip route add default via 192.0.2.2; ip -6 route add default via 2001:db8:9::2'
internet ip route add 192.0.2.0/24 via "$WORLD_HOST4"
internet ip -6 route add 2001:db8:9::/64 via "$WORLD_HOST6"
forwards() { [ "$(cat "/proc/sys/net/$2/conf/$1/forwarding")" = "$3" ]; }

start_instance
works lan net add lab ipv4=10.20.0.1/24 ipv6=fd20::1/64
guest a lab
dhcp a >/dev/null
soon 10 "IPv6 of a" has_global a
soon 10 "a route by RA" on a sh -c 'ip -6 route show default | grep -q fe80::1'
on a ping -c 1 -W 1 192.0.2.1 >/dev/null && fail "the second LAN is reached without being asked for"
refused "cannot be an interface" lan net set lab via=a/b
refused "no way out" lan net set lab via=ly-lab
refused "for the modes" lan net set lab mode=isolated via=lan0

works lan net set lab via=lan0
works on a ping -c 1 -W 3 192.0.2.1
works on a ping -c 1 -W 3 2001:db8:9::1
works on a ping -c 1 -W 3 "$WORLD_NET4"
is_empty_plan || fail "the plan is not empty: $(lan plan)"
# the host is no router between its own networks, in neither direction
internet ping -c 1 -W 1 192.0.2.1 >/dev/null && fail "from the default way out into the second LAN"
internet ping -6 -c 1 -W 1 2001:db8:9::1 >/dev/null && fail "the same by IPv6"
on second ping -c 1 -W 1 "$WORLD_NET4" >/dev/null && fail "from the second LAN to the outside"
on second ping -6 -c 1 -W 1 "$WORLD_NET6" >/dev/null && fail "the same by IPv6"
on second ping -c 1 -W 1 10.20.0.1 >/dev/null || true
# nor does it become one by somebody's flush
nft flush ruleset
is_fenced() { nft list map inet "lanyard_$instance" from | grep -q '"lan0".*jump from_fence'; }
soon 5 "the fence again" is_fenced
on second ping -c 1 -W 1 "$WORLD_NET4" >/dev/null && fail "from the second LAN to the outside after a flush"

# a VPN that is named before it is there
works lan net set lab via=lan0,vpn0
space vpn
is_empty_plan || fail "the plan is not empty without the VPN: $(lan plan)"
ip link add vpn0 type veth peer name eth0 netns "$pid_vpn"
on vpn sh -c 'ip link set lo up; ip link set eth0 up; ip addr add 10.9.0.1/24 dev eth0; ip addr add 10.8.0.1/32 dev lo'
ip addr add 10.9.0.2/24 dev vpn0
ip link set vpn0 up
ip route add 10.8.0.0/16 via 10.9.0.1
soon 5 "forwarding on the VPN" forwards vpn0 ipv4 1
works on a ping -c 1 -W 3 10.8.0.1
on second ping -c 1 -W 1 10.8.0.1 >/dev/null && fail "from the second LAN into the VPN"
ip link del vpn0
soon 5 "an empty plan without the VPN" is_empty_plan

# where somebody has made the host a router, it stays one
sysctl -qw net.ipv4.ip_forward=1
works lan net set lab via=
works lan net set lab via=lan0
works on second ping -c 1 -W 3 "$WORLD_HOST4"
works on second ping -c 1 -W 3 198.51.100.1
is_fenced && fail "a router is fenced"
sysctl -qw net.ipv4.ip_forward=0

works lan net set lab via=
on a ping -c 1 -W 1 192.0.2.1 >/dev/null && fail "the second LAN is still reached"
is "forwarding on the second LAN" "0 0" "$(cat /proc/sys/net/ipv4/conf/lan0/forwarding /proc/sys/net/ipv6/conf/lan0/forwarding | xargs)"
kill "$pid_a"
works lan net remove --force lab
