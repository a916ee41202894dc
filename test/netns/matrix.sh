#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034
# ways: system
# Who reaches whom, as doc/modes.md promises: every mode, both protocols, with a host, two machines, one of another
# network, a machine of the host's LAN and one behind the LAN's router. Prints the matrix.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

# cable SPACE INTERFACE SPACE INTERFACE
cable() {
	local from=pid_$1 to=pid_$3
	ip link add "$2" netns "${!from}" type veth peer name "$4" netns "${!to}"
	on "$1" ip link set "$2" up
	on "$3" ip link set "$4" up
}
# address SPACE INTERFACE IPV4 IPV6
address() {
	on "$1" ip addr add "$3" dev "$2"
	on "$1" ip addr add "$4" dev "$2" nodad
}

# The LAN: a switch, a machine, a router with a machine behind it, and the host by lan0.
pid_host=$$
space switch; space lan; space router; space far
on switch ip link add sw type bridge forward_delay 0
on switch ip link set sw up
for end in host:lan0 lan:eth0 router:eth0; do
	cable "${end%:*}" "${end#*:}" switch "to-${end%:*}"
	on switch ip link set "to-${end%:*}" master sw
done
cable router eth1 far eth0
ip route del default
ip -6 route del default
address host lan0 192.0.2.2/24 2001:db8:1::2/64
ip route replace default via 192.0.2.1
ip -6 route replace default via 2001:db8:1::1
address lan eth0 192.0.2.10/24 2001:db8:1::10/64
address router eth0 192.0.2.1/24 2001:db8:1::1/64
address router eth1 198.18.0.1/24 2001:db8:2::1/64
address far eth0 198.18.0.10/24 2001:db8:2::10/64
on router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
on lan ip route add default via 192.0.2.1
on lan ip -6 route add default via 2001:db8:1::1
on far ip route add default via 198.18.0.1
on far ip -6 route add default via 2001:db8:2::1
# they know the way to the networks, whatever the mode: what is not to be reached is not for want of a route
for prefix in 10.20.0.0/24 10.21.0.0/24; do
	on lan ip route add $prefix via 192.0.2.2
	on router ip route add $prefix via 192.0.2.2
done
for prefix in fd20::/64 fd21::/64; do
	on lan ip -6 route add $prefix via 2001:db8:1::2
	on router ip -6 route add $prefix via 2001:db8:1::2
done
# the LAN's own DHCP and RA, for those that are bridged
on router dnsmasq -d -C /dev/null --port=0 --pid-file= --interface=eth0 --bind-interfaces --enable-ra \
	--dhcp-range=192.0.2.100,192.0.2.199,1h --dhcp-range=2001:db8:1::,slaac --dhcp-leasefile="$folder/lan.leases" \
	--dhcp-option=option:router,192.0.2.1 2>"$folder/router.log" &
works on lan ping -c 1 -W 5 198.18.0.10
works ping -c 1 -W 5 198.18.0.10

start_instance --allow-name br0
works lan net add lab ipv4=10.20.0.1/24 ipv6=fd20::1/64
works lan net add other ipv4=10.21.0.1/24 ipv6=fd21::1/64
guest a lab
guest b lab
guest c other
dhcp c >/dev/null
soon 10 "IPv6 of the other network" has_global c

# endpoint NAME SPACE INTERFACE [IPV4 IPV6]
endpoint() {
	local pid=pid_$2 v4=${4:-} v6=${5:-}
	[ -n "$v4" ] || v4=$(on "$2" ip -4 -o addr show dev "$3" scope global | sed -n 's/.*inet \([^/ ]*\).*/\1/p' | head -n 1)
	[ -n "$v6" ] || v6=$(on "$2" ip -6 -o addr show dev "$3" scope global -deprecated | sed -n 's/.*inet6 \([^/ ]*\).*/\1/p' | head -n 1)
	echo "$1=${!pid} $3 $v4 $v6"
}
# attempt MODE HOST4 HOST6 [peers]
attempt() {
	python3 "$LANYARD_SOURCE/test/netns/lib_matrix.py" "$LANYARD_SOURCE/doc/modes.md" "$1" ${4:+"$4"} \
		"$(endpoint machine a eth0)" "$(endpoint "second machine" b eth0)" "$(endpoint "other network" c eth0)" \
		"$(endpoint host host "$host_interface" "$2" "$3")" "$(endpoint "LAN machine" lan eth0)" \
		"$(endpoint "behind the router" far eth0)" || fail "mode $1 is not as promised"
}
fresh() {
	for name in a b; do
		on $name ip addr flush dev eth0 scope global
		on $name ip route flush default
		on $name ip -6 route flush default
		on $name ip link set eth0 down
		on $name ip link set eth0 up
	done
}
has_lan_address() { on "$1" ip -6 addr show dev eth0 scope global -tentative | grep -q 'inet6 2001:db8:1:'; }

host_interface=lan0
for mode in nat routed isolated open; do
	works lan net set lab mode=$mode
	is "mode" $mode "$(lan net show lab --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["mode"])')"
	fresh
	dhcp a >/dev/null
	dhcp b >/dev/null
	soon 10 "IPv6 of a" has_global a
	soon 10 "IPv6 of b" has_global b
	if [ $mode = isolated ]; then
		is "a route by DHCP" "" "$(on a ip route show default)"
		is "a route by RA" "" "$(on a ip -6 route show default)"
		# who sets one by himself gets no farther
		on a ip route add default via 10.20.0.1
		on a ip -6 route add default via fd20::1
	else
		has "a route by DHCP" 10.20.0.1 "$(on a ip route show default)"
		soon 5 "a route by RA" on a sh -c 'ip -6 route show default | grep -q fe80::1'
	fi
	has "names in mode $mode" '10\.20\.0\.1' "$(on a busybox nslookup gateway.lab.internal 10.20.0.1)"
	attempt $mode 10.20.0.1 fd20::1
	if [ $mode = open ]; then
		is "no rule for an open network" "" "$(nft list ruleset | grep ly-lab)"
		refused 'no peers' lan net set lab peers=other
	else
		works lan net set lab peers=other
		[ $mode != isolated ] || { fresh; dhcp a >/dev/null; dhcp b >/dev/null; soon 10 "IPv6 again" has_global a; soon 10 "a route to the peer" on a sh -c 'ip -6 route show default | grep -q fe80::1'; }
		attempt $mode 10.20.0.1 fd20::1 peers
		works lan net set lab peers=
	fi
	is_empty_plan || fail "the plan is not empty in mode $mode: $(lan plan)"
done

# bridged: the host has put its NIC into br0 itself
ip link add br0 type bridge forward_delay 0
ip addr flush dev lan0
ip link set lan0 master br0
ip link set br0 up
address host br0 192.0.2.2/24 2001:db8:1::2/64
ip route replace default via 192.0.2.1
ip -6 route replace default via 2001:db8:1::1
look_at_bridge() { ip -d -o addr show dev br0 | sed 's/ tentative//'; bridge link | grep -v ' ly'; }
before=$(look_at_bridge)
host_interface=br0
refused "needs a bridge" lan net set lab mode=bridged
refused "is no bridge" lan net set lab mode=bridged bridge=lan0
refused "no bridge .br7" lan net set lab mode=bridged bridge=br7
works lan net set lab mode=bridged bridge=br0
fresh
has "the LAN's own DHCP" '^192\.0\.2\.1' "$(dhcp a)"
dhcp b >/dev/null
soon 10 "the LAN's own RA" has_lan_address a
soon 10 "the LAN's own RA" has_lan_address b
for name in a b; do soon 10 "a route by the LAN's RA" on $name sh -c 'ip -6 route show default | grep -q default'; done
attempt bridged 192.0.2.2 2001:db8:1::2
is "the bridge is as it was" "$before" "$(look_at_bridge)"
is_empty_plan || fail "the plan is not empty in mode bridged: $(lan plan)"

# machines are kept from playing router, DHCP server or bridge on the LAN, and among each other they may
python3 "$LANYARD_SOURCE/test/netns/lib_guard.py" "$pid_a" "$pid_b" "$pid_lan" "$pid_host" br0 || fail "guarded"
nft delete table bridge "lanyard_$instance"
guard_is_back() { nft list table bridge "lanyard_$instance" | grep -q nd-router-advert; }
soon 5 "the guard is put back" guard_is_back
works lan net set lab guard=false
is "no guard" "" "$(nft list tables | grep bridge)"
python3 "$LANYARD_SOURCE/test/netns/lib_guard.py" "$pid_a" "$pid_b" "$pid_lan" "$pid_host" br0 && fail "not guarded, but nothing comes through"
works lan net set lab guard=true
python3 "$LANYARD_SOURCE/test/netns/lib_guard.py" "$pid_a" "$pid_b" "$pid_lan" "$pid_host" br0 || fail "guarded again"
soon 5 "an empty plan" is_empty_plan

# and back
works lan net set lab mode=nat ipv4=10.20.0.1/24 ipv6=fd20::1/64
fresh
dhcp a >/dev/null
dhcp b >/dev/null
soon 10 "IPv6 of a" has_global a
soon 10 "IPv6 of b" has_global b
attempt nat 10.20.0.1 fd20::1
works lan net remove --force lab other
is "links left" "" "$(ip -br link | grep -E '^ly')"
is "rules left" "" "$(nft list tables | grep lanyard)"
