# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2154
# The real NetworkManager on a bus of its own, and a router that serves DHCP and router advertisements at the other end
# of the NIC $nic, which the test names before it sources this (after lib.sh).
if ! command -v NetworkManager || ! command -v nmcli; then
	skip "NetworkManager is not installed"
fi >/dev/null
for directory in /etc/NetworkManager /run/NetworkManager /var/lib/NetworkManager /usr/lib/NetworkManager/conf.d; do
	if ! mkdir -p "$directory" || ! mount -t tmpfs -o mode=755 tmpfs "$directory"; then
		skip "cannot mount a private $directory"
	fi
done
profiles=/etc/NetworkManager/system-connections
mkdir -p $profiles /etc/NetworkManager/conf.d
cp "$LANYARD_SOURCE/systemd/networkmanager.conf" /usr/lib/NetworkManager/conf.d/10-lanyard.conf
cat >/etc/NetworkManager/NetworkManager.conf <<'CONF'
[main]
plugins=keyfile
auth-polkit=false
dns=none
[keyfile]
unmanaged-devices+=interface-name:up0
[connectivity]
enabled=false
CONF
start_bus

space router
ip route del default
ip -6 route del default
ip link add "$nic" address 02:00:00:00:00:42 type veth peer name eth0 netns "$pid_router"
on router sh -c 'ip addr add 192.0.2.1/24 dev eth0; ip -6 addr add 2001:db8:5::1/64 dev eth0 nodad; sysctl -qw net.ipv6.conf.eth0.forwarding=1
	ip link set eth0 up; ip addr add 203.0.114.1/32 dev lo; ip -6 addr add 2001:db8:6::1/128 dev lo nodad'
serve_dhcp() {
	nsenter -t "$pid_router" -n dnsmasq -k -C /dev/null -u root -g root --no-resolv --no-hosts --pid-file= --port=0 --interface=eth0 \
		--bind-interfaces --enable-ra --ra-param=eth0,4,600 --dhcp-range=192.0.2.100,192.0.2.150,10m \
		--dhcp-range=2001:db8:5::,ra-only,64,700 --dhcp-leasefile="$folder/leases" 2>/dev/null &
	dhcp_server=$!
}
stop_dhcp() { kill_hard "$dhcp_server"; }
serve_dhcp

start_networkmanager() {
	NetworkManager --debug >>networkmanager.log 2>&1 &
	networkmanager=$!
	soon 20 "NetworkManager ($(tail -n 3 networkmanager.log))" nmcli general
}
# has_state DEVICE STATE:PROFILE
has_state() { nmcli -t -f DEVICE,STATE,CONNECTION device | grep -qx "$1:$2"; }
online() { ping -c 1 -W 1 203.0.114.1 && ping -6 -c 1 -W 1 2001:db8:6::1; }
addresses() { ip -o addr show dev "$1" scope global | sed -E 's/^[0-9]+: //; s/ +/ /g; s/valid_lft.*//; s/noprefixroute|dynamic//g' | tr -s ' ' | sort; }
routes() { { ip route show dev "$1"; ip -6 route show default dev "$1"; } | sed -E 's/expires.*//; s/ *$//' | sort; }
form() { find /etc/NetworkManager /run/NetworkManager -name '*lanyard*' | sort; }
checkpoints() { busctl get-property org.freedesktop.NetworkManager /org/freedesktop/NetworkManager org.freedesktop.NetworkManager Checkpoints; }
# look_at_first PROFILE: what as_before compares with, once NetworkManager has made it
look_at_first() {
	profile=$1
	soon 20 "the profile is active" has_state "$nic" "connected:$profile"
	soon 20 "the host is online" online
	addresses "$nic" >"$folder/addresses"
	routes "$nic" >"$folder/routes"
	uuid=$(nmcli -t -f connection.uuid connection show "$profile")
	has "SLAAC" "2001:db8:5:" "$(cat "$folder/addresses")"
}
is_same_on_nic() { [ "$(addresses "$nic")" = "$(cat "$folder/addresses")" ] && [ "$(routes "$nic")" = "$(cat "$folder/routes")" ]; }
is_same_on_bridge() { [ "$(addresses ly-lan)" = "$(sed "s/$nic/ly-lan/g" "$folder/addresses")" ]; }
as_before() {
	soon 15 "$1: the profile on the NIC" has_state "$nic" "connected:$profile"
	soon 15 "$1: online" online
	soon 5 "$1: the addresses" is_same_on_nic
	is "$1: no bridge" "" "$(ip -br link show ly-lan 2>/dev/null)"
	is "$1: nothing written" "" "$(form)"
	is "$1: no checkpoint" "ao 0" "$(checkpoints)"
	is "$1: the very profile" "$uuid" "$(nmcli -t -f connection.uuid connection show "$profile")"
}
is_bridged() {
	soon 15 "$1: the bridge is NetworkManager's" has_state ly-lan connected:ly-lan
	soon 15 "$1: the NIC is its port" has_state "$nic" "connected:ly-lan port $nic"
	soon 20 "$1: online by NetworkManager's bridge" online
	soon 10 "$1: the same addresses, as NetworkManager makes them" is_same_on_bridge
}
# The computer starts again, without Lanyard
restart_computer() {
	kill_hard "$broker" "$executor" "$steward" "$networkmanager"
	ip link del ly-lan
	ip link set "$nic" nomaster
	ip link set "$nic" down
	sysctl -qw "net.ipv6.conf.$nic.disable_ipv6=0"
	for name in $(ip -br link | sed -n 's/^\(ly[^ @]*\).*/\1/p'); do ip link del "$name" 2>/dev/null; done
	rm -rf "/run/lanyard/${instance:?}" /run/NetworkManager/*
	start_networkmanager
}
