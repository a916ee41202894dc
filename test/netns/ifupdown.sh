#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# A NIC of ifupdown's: a confirmed uplink is written into /etc/network/interfaces, ifup alone makes the bridge at the
# next start of the computer, Lanyard takes it over, and removing it gives the very file back. With the real ifup
# (LANYARD_IFUP: where one was unpacked).
# shellcheck source=test/netns/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

ifup=${LANYARD_IFUP:-$(command -v ifup || true)}
[ -x "$ifup" ] || skip "ifup is not installed (package ifupdown)"
mkdir -p /etc/network /run/network
mount -t tmpfs -o mode=755 tmpfs /etc/network
mount -t tmpfs -o mode=755 tmpfs /run/network
mkdir -p /etc/network/if-{pre-up,up,down,post-down}.d /etc/network/interfaces.d
# with the accounts that the package makes: the broker has no rights, the executor its three
lay_accounts
space router
ip route del default
ip -6 route del default
ip link add nic0 address 02:00:00:00:00:42 type veth peer name eth0 netns "$pid_router"
on router sh -c 'ip addr add 192.0.2.1/24 dev eth0; ip -6 addr add 2001:db8:5::1/64 dev eth0 nodad
	ip link set eth0 up; ip addr add 203.0.114.1/32 dev lo; ip -6 addr add 2001:db8:6::1/128 dev lo nodad'
online() { ping -c 1 -W 1 203.0.114.1 && ping -6 -c 1 -W 1 2001:db8:6::1; }
in_bridge() { ip -o link show nic0 | grep -q "master ly-lan"; }
no_bridge() { ! ip link show ly-lan && ! in_bridge; }
addresses() { ip -o addr show dev "$1" scope global | sed -E 's/^[0-9]+: //; s/ +/ /g; s/valid_lft.*//'; ip route show dev "$1" | sed 's/ *$//'; ip -6 route show default dev "$1"; }

cat >/etc/network/interfaces <<'FILE'
source /etc/network/interfaces.d/*
# the cable to the LAN
auto nic0
iface nic0 inet static
	address 192.0.2.2/24
	gateway 192.0.2.1
	up ip route add 198.18.0.0/15 via 192.0.2.1 || true
iface nic0 inet6 static
	address 2001:db8:5::2/64
	gateway 2001:db8:5::1
	dad-attempts 0
FILE
cp /etc/network/interfaces interfaces.before
works "$ifup" nic0
soon 5 "the host is online" online
addresses nic0 >before
start_instance
start_steward
has "whose it is" "ifupdown configures nic0" "$(lan uplink add nic0 2>&1)"
written() { grep -q "^iface ly-lan inet static" /etc/network/interfaces; }
soon 5 "the form" written
has "what was there" "# lanyard ly-lan was: auto nic0" "$(cat /etc/network/interfaces)"
has "ifupdown's memory" "ly-lan=ly-lan" "$(cat /run/network/ifstate)"
works online

# The computer starts again, without Lanyard
kill_hard "$broker" "$executor" "$steward"
ip link del ly-lan
ip link set nic0 nomaster
ip link set nic0 down
sysctl -qw net.ipv6.conf.nic0.disable_ipv6=0
for name in $(ip -br link | sed -n 's/^\(ly[^ @]*\).*/\1/p'); do ip link del "$name" 2>/dev/null; done
rm -rf "/run/lanyard/$instance" /run/network/ifstate
works "$ifup" -a
soon 10 "the host is online without Lanyard" online
works in_bridge
is "the host's addresses after the restart" "$(sed s/nic0/ly-lan/g before)" "$(addresses ly-lan)"
start_instance
start_steward
soon 5 "an empty plan after the restart" is_empty_plan
has "the list" "nic0 +lan +ly-lan +up" "$(lan uplink list)"
works online

# Away again: the very file, the NIC as it was
works lan uplink remove nic0
same() { cmp /etc/network/interfaces interfaces.before; }
soon 5 "the very file" same
soon 5 "no bridge" no_bridge
soon 5 "the host is online again" online
is "the NIC's addresses" "$(cat before)" "$(addresses nic0)"
has "ifupdown's memory" "nic0=nic0" "$(cat /run/network/ifstate)"
kill_hard "$steward"
exit 0
