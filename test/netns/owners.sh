#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# A NIC that somebody else configures: a confirmed uplink is written in that one's own form, is there after a
# restart of the computer without Lanyard, is taken over by it, and goes without a trace. With the real
# systemd-networkd, static and by DHCP.
# shellcheck source=test/netns/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

networkd=/lib/systemd/systemd-networkd
[ -x $networkd ] || skip "systemd-networkd is not installed (package systemd)"
command -v dbus-daemon >/dev/null || skip "dbus-daemon is not installed"
getent passwd systemd-network >/dev/null || skip "there is no user systemd-network"
mkdir -p /etc/systemd/network /run/systemd/netif /run/dbus
mount -t tmpfs -o mode=755 tmpfs /etc/systemd/network
mount -t tmpfs -o mode=755 tmpfs /run/systemd/netif && chown systemd-network: /run/systemd/netif
mount -t tmpfs -o mode=755 tmpfs /run/dbus
mount --bind /sys /sys && mount -o remount,bind,ro /sys # or it waits for udev
dbus-daemon --system --fork --nopidfile --nosyslog || skip "no D-Bus can be started here"

start_networkd() {
	$networkd 2>>networkd.log &
	networkd_pid=$!
}
# with the accounts that the package makes: the broker has no rights, the executor its three
lay_accounts
# The LAN, with a router that is also its DHCP server.
space router
ip route del default
ip -6 route del default
ip link add nic0 address 02:00:00:00:00:42 type veth peer name eth0 netns "$pid_router"
on router sh -c 'ip addr add 192.0.2.1/24 dev eth0; ip link set eth0 up; ip addr add 203.0.114.1/32 dev lo'
on router dnsmasq -k -C /dev/null -u root -g root --no-resolv --no-hosts --pid-file= --port=0 --bind-interfaces \
	--interface=eth0 --dhcp-range=192.0.2.100,192.0.2.150,1h --dhcp-leasefile="$folder/leases" 2>/dev/null &

# normal: what a NIC's owner has made of it
normal() { ip -o addr show dev "$1" | sed -E 's/^[0-9]+: //; s/ +/ /g; s/valid_lft.*//; s/ dynamic| noprefixroute| metric [0-9]+//g'; ip route show dev "$1" | sed 's/ *$//'; }
online() { ping -c 1 -W 1 203.0.114.1; }
in_bridge() { ip -o link show nic0 | grep -q "master ly-lan"; }
no_bridge() { ! ip link show ly-lan && ! in_bridge; }
# The computer starts again: nothing of the kernel's state and of tmpfs is left.
restart_computer() {
	kill_hard "$broker" "$executor" "$networkd_pid"
	ip link del ly-lan 2>/dev/null
	ip link set nic0 nomaster
	ip link set nic0 down
	ip addr flush dev nic0
	ip link property del dev nic0 altname "lanyard-$instance-uplink-1" 2>/dev/null
	for name in $(ip -br link | sed -n 's/^\(ly[^ @]*\).*/\1/p'); do ip link del "$name" 2>/dev/null; done
	rm -rf "/run/lanyard/$instance" /run/systemd/netif/*
}

# goes FILE-TEXT: the whole way with one configuration of systemd-networkd
goes() {
	printf '%s\n' "$1" >/etc/systemd/network/20-wired.network
	start_networkd
	soon 15 "the host is online" online
	normal nic0 >before
	start_instance
	start_steward
	has "whose it is" "systemd-networkd configures nic0" "$(lan uplink add nic0 2>&1)"
	soon 5 "the form" test -f /etc/systemd/network/05-lanyard-port-nic0.network
	has "the bridge's file" "MACAddress=02:00:00:00:00:42" "$(cat /etc/systemd/network/05-lanyard-ly-lan.netdev)"
	# 256 and later say "configuring" until their next start: they take over a netdev that is there only when they start
	soon 15 "the bridge is networkd's" sh -c 'networkctl list | grep -qE "ly-lan +[a-z]+ +routable +configur(ed|ing)"'
	works online
	is "the host's addresses" "$(sed s/nic0/ly-lan/g before)" "$(normal ly-lan | grep -v 'inet6 fe80')"
	soon 5 "an empty plan" is_empty_plan

	restart_computer
	kill_hard "$steward"
	start_networkd
	soon 20 "the host is online without Lanyard" online
	works in_bridge
	is "the host's addresses after the restart" "$(sed s/nic0/ly-lan/g before)" "$(normal ly-lan | grep -v 'inet6 fe80')"
	start_instance
	start_steward
	soon 5 "an empty plan after the restart" is_empty_plan
	has "the list" "nic0 +lan +ly-lan +up" "$(lan uplink list)"
	works online

	works lan uplink remove nic0
	soon 5 "no file of ours" sh -c '! ls /etc/systemd/network | grep -q lanyard'
	soon 15 "no bridge" no_bridge
	soon 15 "the host is online again" online
	again() { [ "$(normal nic0)" = "$(cat before)" ]; }
	soon 15 "the NIC as before" again
	kill_hard "$broker" "$executor" "$networkd_pid" "$steward"
	rm -rf "/run/lanyard/$instance"
	ip addr flush dev nic0
}
goes '[Match]
Name=nic0

[Network]
Address=192.0.2.2/24
Gateway=192.0.2.1
LinkLocalAddressing=no
IPv6AcceptRA=no'
goes '[Match]
Name=nic0

[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no'
exit 0
