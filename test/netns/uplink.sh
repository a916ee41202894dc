#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# The host's NIC in a bridge of ours: there and back exactly, confirmed by checks or by hand, or back by itself,
# whatever dies in between.
# shellcheck source=test/netns/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# The LAN: a switch with the host's nic0, a router and a machine. Behind the router: `far`, where the
# caller's SSH session comes from.
# wire SPACE IFNAME SWITCHPORT: to the LAN's switch
wire() {
	ip link add "$2" type veth peer name "$3" netns "$pid_switch"
	[ "$1" = host ] || ip link set "$2" netns "$(pid_of "$1")"
	on switch ip link set "$3" master lan up
}
pid_of() {
	local name=pid_$1
	echo "${!name}"
}
for name in switch router machine far; do space $name; done
on switch ip link add lan type bridge mcast_snooping 0
on switch ip link set lan up
wire host nic0 p0
wire router eth0 p1
wire machine eth0 p2
on router ip link add out type veth peer name eth0 netns "$pid_far"
on router sh -c 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip addr add 192.0.2.1/24 dev eth0; ip addr add fe80::1/64 dev eth0; ip addr add 2001:db8:5::1/64 dev eth0
	ip addr add 192.0.2.65/24 dev eth0
	ip addr add 203.0.114.1/24 dev out; ip addr add 2001:db8:6::1/64 dev out
	ip link set eth0 up; ip link set out up
	ip route add 198.18.0.0/15 dev out; ip -6 route add 2001:db8:7::/48 dev out'
on far sh -c 'ip addr add 203.0.114.9/24 dev eth0; ip addr add 2001:db8:6::9/64 dev eth0; ip link set eth0 up
	ip route add default via 203.0.114.1; ip -6 route add default via 2001:db8:6::1'
on machine sh -c 'ip addr add 192.0.2.77/24 dev eth0; ip addr add 2001:db8:5::77/64 dev eth0; ip link set eth0 up'

# The host: addresses of both families (one with a lifetime, one secondary, one with a label, one as from a router
# advertisement), routes in two tables, a rule that names the NIC.
ip route del default
ip -6 route del default
ip link set nic0 mtu 1400
ip link set nic0 up
ip addr add 192.0.2.2/24 brd + dev nic0
ip addr add 192.0.2.3/24 dev nic0
ip addr add 192.0.2.4/28 dev nic0 label nic0:1 valid_lft 4000 preferred_lft 3000
ip addr add 172.31.5.1 peer 172.31.5.2/32 dev nic0
ip -6 addr add 2001:db8:5::2/64 dev nic0 nodad
ip -6 addr add 2001:db8:5::aaaa/64 dev nic0 valid_lft 5000 preferred_lft 4000 mngtmpaddr noprefixroute nodad
ip route add default via 192.0.2.1 dev nic0 proto static metric 100
ip route add 198.18.0.0/15 via 192.0.2.1 dev nic0 src 192.0.2.2 mtu 1300
ip route add 198.51.99.0/24 via 172.31.5.2 dev nic0 onlink
ip route add default via 192.0.2.65 dev nic0 table 77
ip route add 192.0.2.0/24 dev nic0 table 77 scope link
ip -6 route add default via fe80::1 dev nic0 proto ra metric 1024 expires 1700
ip -6 route add 2001:db8:7::/48 via 2001:db8:5::1 dev nic0 metric 50
ip -6 route add 2001:db8:8::/48 dev nic0 table 77
ip rule add iif nic0 to 198.51.99.0/24 lookup 77 priority 300
ip rule add from 192.0.2.3 lookup 77 priority 301
ip -6 rule add oif nic0 lookup 77 priority 302
sysctl -qw net.ipv4.conf.nic0.rp_filter=2 net.ipv4.conf.nic0.arp_ignore=1 net.ipv6.conf.nic0.accept_redirects=0

# What must be as before, without what time changes.
cat >normal.py <<'PY'
import json, subprocess, sys
def ip(*words):
    out = subprocess.run(["ip", "-d", "-j", *words], capture_output=True, text=True).stdout
    return json.loads(out or "[]")
def clean(value):
    if isinstance(value, list):
        return [clean(item) for item in value]
    if not isinstance(value, dict):
        return value
    times = ("valid_life_time", "preferred_life_time", "expires", "stats", "stats64", "cacheinfo", "age",
             "gc_timer", "hello_timer", "tcn_timer", "topology_change_timer")
    return {key: clean(item) for key, item in value.items() if key not in times and item != {}}
for title, words in [("addr", ["addr"]), ("link", ["link"]), ("rule", ["rule"]), ("rule6", ["-6", "rule"]),
                     ("route", ["route", "show", "table", "all"]), ("route6", ["-6", "route", "show", "table", "all"])]:
    for item in sorted(json.dumps(clean(item), sort_keys=True) for item in ip(*words)):
        print(title, item)
PY
state() {
	python3 normal.py
	grep -H . /proc/sys/net/ipv[46]/conf/nic0/* 2>/dev/null
}
as_before() {
	state >after
	diff before after >difference || fail "$1: not as before: $(head -c 3000 difference)"
}
# reaches: by every address and route, both families
reaches() {
	works ping -c 1 -W 2 192.0.2.77
	works ping -c 1 -W 2 203.0.114.9
	works ping -6 -c 1 -W 2 2001:db8:5::77
	works ping -6 -c 1 -W 2 2001:db8:6::9
	works ping -c 1 -W 2 -I 192.0.2.4 203.0.114.9
}
settled() { [ -z "$(ip -6 addr show tentative)" ]; }
soon 5 "the host's addresses" settled
reaches
state >before
start_instance

# A TCP session from `far` that must live through everything; its answers are what the caller's SSH session is.
cat >session.py <<'PY'
import socket, sys, threading, time
listener = socket.create_server(("", 2222))
print("ready", flush=True)
connection, peer = listener.accept()
print(*peer[:2], *connection.getsockname()[:2], flush=True)
while data := connection.recv(100):
    connection.sendall(data)
PY
cat >caller.py <<'PY'
import socket, sys, time
connection = socket.create_connection(("192.0.2.2", 2222))
connection.settimeout(10)
while True:
    connection.sendall(b"x")
    if connection.recv(100) != b"x":
        break
    open(sys.argv[1], "w").write("%f" % time.monotonic())
    time.sleep(0.05)
PY
coproc SERVER { exec python3 session.py; }
server=$SERVER_PID
read -r _ <&"${SERVER[0]}"
on far python3 "$folder/caller.py" "$folder/heard" 2>caller.log &
caller=$!
read -r session <&"${SERVER[0]}"
session_lives() {
	is_alive "$caller" || fail "the TCP session died $1: $(cat caller.log)"
	local at
	at=$(cat heard)
	later() { [ "$(cat heard)" != "$at" ]; }
	soon 5 "an answer by the TCP session $1" later
}
session_lives "before"

# What is refused
ip link add br9 type bridge
ip link add slave9 type dummy 2>/dev/null || ip link add slave9 type veth peer name slave9p
ip link set slave9 master br9
ip link add tun9 type ipip local 192.0.2.2 remote 192.0.2.99 2>/dev/null || ip tuntap add tun9 mode tun
ip link add vrf9 type vrf table 99 2>/dev/null
refused "there is no interface 'eth9'; there is .*nic0" lan uplink add eth9
refused "is the loopback interface" lan uplink add lo
refused "is a port of the bridge br9 already; use that bridge as it is" lan uplink add slave9
refused "is a bridge itself" lan uplink add br9
refused "carries no Ethernet frames" lan uplink add tun9
refused "'a/b' is no name of an interface" lan uplink add a/b
refused "it is 5 to 3600, or 0" lan uplink add nic0 --confirm-within 4
refused "is no number of seconds" lan uplink add nic0 --confirm-within soon
refused "carries the session that you call from" env "SSH_CONNECTION=$session" lanyard --system --instance "$instance" uplink add nic0 --confirm-within 0
# sudo keeps it from the command, not from its ancestors
refused "carries the session that you call from" env "SSH_CONNECTION=$session" bash -c "env -u SSH_CONNECTION lanyard --system --instance $instance uplink add nic0 --confirm-within 0 || exit 1"
refused "nothing waits for confirmation" lan confirm
refused "is no uplink" lan uplink remove nic0
ip link set br9 name ly-lan
refused "there is an interface 'ly-lan' that is not ours; choose another network name" lan uplink add nic0
ip link del ly-lan
ip link del slave9
ip link del tun9
ip link del vrf9 2>/dev/null
works lan net add inside ipv4=10.77.0.1/24
refused "there is a network 'inside' already .mode nat.; a NIC gets a network of its own" lan uplink add nic0 --to inside
works lan net remove inside
ip link add link nic0 name mac9 type macvlan 2>/dev/null && {
	refused "carries mac9 .macvlan., which takes its frames before a bridge could" lan uplink add nic0
	ip link del mac9
}
if ip link add bond9 type bond mode balance-rr 2>/dev/null; then
	refused "bond9 has the mode balance-rr, which cannot be bridged" lan uplink add bond9
	for mode in broadcast balance-tlb balance-alb; do
		ip link del bond9
		ip link add bond9 type bond mode $mode miimon 100
		refused "mode $mode" lan uplink add bond9
	done
	for mode in active-backup balance-xor 802.3ad; do
		ip link del bond9
		ip link add bond9 type bond mode $mode miimon 0
		refused "does not watch its links .miimon is 0." lan uplink add bond9
		ip link del bond9
		ip link add bond9 type bond mode $mode miimon 100
		works lan uplink add bond9 --to trunk --dry-run
	done
	ip link add leaf9 type veth peer name leaf9p
	ip link set leaf9 master bond9
	refused "is a link of the bond bond9; add that" lan uplink add leaf9
	ip link del leaf9
	ip link del bond9
fi
# Wi-Fi is known by its phy80211 directory
mount -t tmpfs tmpfs /sys/class/net 2>/dev/null && {
	mkdir -p /sys/class/net/nic0/phy80211
	refused "is Wi-Fi .*: .* use mode routed with 'lan: proxy'.*net add wifi mode=routed lan=proxy ipv4=192.0.2.[0-9]+/27 " lan uplink add nic0
	umount -l /sys/class/net
}
as_before "after refusals"

# A plan shows all and does nothing
plan=$(lan uplink add nic0 --dry-run)
has "the plan" "create bridge ly-lan" "$plan"
has "the plan" "create route default via 192.0.2.65 on ly-lan in table 77" "$plan"
has "the plan" "delete address 192.0.2.2/24 on nic0" "$plan"
as_before "after a dry run"

# With checks: it stays, a machine on the bridge is on the LAN, the session lives
SSH_CONNECTION=$session works lan uplink add nic0
session_lives "across the move"
reaches
is "the MTU" 1400 "$(cat /sys/class/net/ly-lan/mtu 2>/dev/null || ip -j link show ly-lan | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["mtu"])')"
is "the MAC" "$(ip -j link show nic0 | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["address"])')" "$(ip -j link show ly-lan | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["address"])')"
has "the altname" "altname lanyard-$instance-uplink-" "$(ip link show nic0)"
has "the list" "nic0 +lan +ly-lan +up" "$(lan uplink list)"
is "IPv4 on the NIC" "" "$(ip -4 addr show dev nic0)"
is "IPv6 on the NIC" "" "$(ip -6 addr show dev nic0)"
refused "is the uplink of network 'lan' already" lan uplink add nic0 --to other
refused "has the host's NIC nic0 in its bridge" lan net set lan mode=nat
refused "uplink" lan net set lan uplink=up0
guest vm lan
on vm ip addr add 192.0.2.200/24 dev eth0
on vm ip -6 addr add 2001:db8:5::200/64 dev eth0 nodad
works on machine ping -c 1 -W 2 192.0.2.200
works on vm ping -c 1 -W 2 192.0.2.2
works on vm ping -6 -c 1 -W 2 2001:db8:5::77
soon 5 "an empty plan" is_empty_plan

# Repair: out of its bridge, the bridge deleted
ip link set nic0 nomaster
in_bridge() { ip -o link show nic0 | grep -q "master ly-lan"; }
soon 5 "the NIC in its bridge again" in_bridge
ip link del ly-lan
soon 5 "the bridge again" in_bridge
whole() { ping -c 1 -W 1 203.0.114.9 && ping -6 -c 1 -W 1 2001:db8:6::9 && ping -c 1 -W 1 -I 192.0.2.4 203.0.114.9; }
soon 5 "the host's addresses and routes again" whole
works on machine ping -c 1 -W 2 192.0.2.200
session_lives "after repairs"

# Killed and started again: nothing changes
ip -d -j addr >killed.before
for victim in "$executor" "$broker"; do
	kill_hard "$victim"
	supervise
	soon 5 "an empty plan after a kill" is_empty_plan
done
reaches
refused "has 1 port plugged in" lan uplink remove nic0
works lan uplink remove nic0 --force
as_before "after remove"
session_lives "after remove"
is "definitions left" "" "$(find "/var/lib/lanyard/$instance/networks" "/run/lanyard/$instance/networks" -type f 2>/dev/null)"

# The commands of the guide
while read -r line; do
	line=${line//eth0/nic0}
	# shellcheck disable=SC2086
	works lan ${line#lanyard }
done < <(sed -n '/^```sh$/,/^```$/p' "$LANYARD_SOURCE/doc/bridging-the-host.md" | grep '^lanyard ')
as_before "after the guide"

# By hand: back by itself
works lan uplink add nic0 --by-hand --confirm-within 5
has "the list" "unconfirmed" "$(lan uplink list)"
is "nothing persistent" "" "$(find "/var/lib/lanyard/$instance/networks" -type f)"
gone() { ! ip link show ly-lan; }
soon 9 "the way back" gone
as_before "after the deadline"
has "the list" "no NIC of the host is bridged" "$(lan uplink list 2>&1)"
refused "nothing waits for confirmation" lan confirm
# ... or kept
works lan uplink add nic0 --by-hand --confirm-within 5
works lan confirm
has "the definition" "uplink: nic0" "$(cat "/var/lib/lanyard/$instance/networks/lan.yaml")"
sleep 6 # the time that would have been over
has "the list" "nic0 +lan +ly-lan +up" "$(lan uplink list)"
works lan net remove lan
as_before "after net remove"

# Checks that fail: a session that nobody answers
output=$(SSH_CONNECTION="203.0.114.99 4711 192.0.2.2 22" lanyard --system --instance "$instance" uplink add nic0 --confirm-within 5 2>&1) &&
	fail "confirmed without the caller: $output"
has "the reason" "203.0.114.99, where you called from, is not heard of" "$output"
as_before "after checks that failed"
# A gateway that answered before and does not now (with -Dfaults=true the executor stops itself before step N)
on switch sh -c 'nft add table bridge t; nft add chain bridge t c "{ type filter hook forward priority 0; }"'
has_faults=$(grep -c fail-at "$(command -v lanyard-executor)")
stopped() { grep -q '^State:[[:space:]]*T' "/proc/$executor/status"; }
if [ "$has_faults" != 0 ]; then
	echo 1 >"/run/lanyard/$instance/stop-at"
	lan uplink add nic0 --confirm-within 5 >add.log 2>&1 &
	adding=$!
	soon 5 "the executor stopped before its first step" stopped
	on switch nft add rule bridge t c iifname p0 drop
	kill -CONT "$executor"
	wait $adding && fail "confirmed without the gateway: $(cat add.log)"
	has "the reason" "the gateway (192.0.2.1|192.0.2.65|fe80::1) does not answer on ly-lan" "$(cat add.log)"
	on switch nft flush chain bridge t c
	as_before "after a gateway that was silent"
fi
# A provider that drops MACs that it does not know is said
mac=$(ip -j link show nic0 | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["address"])')
on switch nft add rule bridge t c iifname p0 ether saddr != "$mac" drop
has "the note" "answers this host, but no unknown MAC" "$(lan uplink add nic0 --dry-run 2>&1)"
on switch nft delete table bridge t

# A VLAN on the NIC goes on; forwarding of another network moves to the bridge, and back
on_vlan() { [ -z "$has_vlan" ] || works ping -c 1 -W 2 10.10.0.77; }
has_vlan=
if ip link add link nic0 name nic0.10 type vlan id 10 2>/dev/null; then # not every kernel has VLANs
	has_vlan=1
	ip addr add 10.10.0.2/24 dev nic0.10
	ip link set nic0.10 up
	on machine sh -c 'ip link add link eth0 name v10 type vlan id 10; ip addr add 10.10.0.77/24 dev v10; ip link set v10 up'
fi
on_vlan
works lan net add inside ipv4=10.77.0.1/24
soon 5 "an empty plan with a network behind NAT" is_empty_plan
works lan uplink add nic0
on_vlan
guest inner inside
works dhcp inner
soon 5 "outside by the bridge" on inner ping -c 1 -W 1 203.0.114.9
soon 5 "an empty plan with both" is_empty_plan
works lan uplink remove nic0
on_vlan
soon 5 "outside by the NIC" on inner ping -c 1 -W 1 203.0.114.9
works lan net remove inside --force
[ -z "$has_vlan" ] || ip link del nic0.10

# A NIC that vanishes and returns
wire host usb0 p9
ip link set usb0 up
ip addr add 192.0.2.90/24 dev usb0
works lan uplink add usb0 --to desk --confirm-within 0
works on machine ping -c 1 -W 2 192.0.2.90
ip link del usb0
unplugged() { lan uplink list | grep -q "usb0 .*unplugged"; }
soon 5 "it is said" unplugged
soon 5 "an empty plan without it" is_empty_plan
wire host usb0 p9
ip link set usb0 up
returned() { ip -o link show usb0 | grep -q "master ly-desk"; }
soon 5 "it is back in its bridge" returned
soon 5 "an answer by it" on machine ping -c 1 -W 1 192.0.2.90
works lan uplink remove usb0
ip link del usb0
as_before "after a NIC that came and went"

# A LAN that is configured by router advertisements: address and default route go along, and are renewed on the bridge
# (a route of the same metric by another NIC, made by hand, would be joined with it by the kernel)
ip -6 route del default dev nic0
sysctl -qw net.ipv6.conf.nic0.accept_ra=0
wire host ra0 p10
on router sysctl -qw net.ipv6.conf.eth0.forwarding=1
ip link set ra0 up
sysctl -qw net.ipv6.conf.ra0.accept_dad=0
on router dnsmasq -k -C /dev/null -u root -g root --no-resolv --no-hosts --pid-file="$folder/ra.pid" --port=0 --interface=eth0 \
	--bind-interfaces --enable-ra --ra-param=eth0,4,600 --dhcp-range=2001:db8:5::,ra-only,64,700 \
	--dhcp-leasefile="$folder/ra.leases" 2>/dev/null &
by_slaac() { ip -6 addr show dev "$1" scope global dynamic | grep -q 'inet6 2001:db8:5:' && ip -6 route show default dev "$1" | grep -q 'proto ra'; }
soon 15 "SLAAC on the NIC" by_slaac ra0
slaac=$(ip -6 -o addr show dev ra0 scope global dynamic | awk '{print $4}')
routes=$(ip -6 route show default dev ra0 | sed 's/expires.*//')
works lan uplink add ra0 --to slaac
has "the address on the bridge" "$slaac" "$(ip -6 addr show dev ly-slaac)"
on_bridge() { [ "$(ip -6 route show default dev ly-slaac | sed 's/expires.*//')" = "$routes" ]; }
soon 5 "the default route on the bridge" on_bridge
left() { ip -6 -o addr show dev ly-slaac scope global dynamic | sed -E 's/.*valid_lft ([0-9]+)sec.*/\1/'; }
ip -6 addr change "$slaac" dev ly-slaac valid_lft 300 preferred_lft 300
renewed() { [ "$(left)" -gt 600 ]; }
soon 40 "the address is renewed by an advertisement on the bridge" renewed
is "one default route" 1 "$(ip -6 route show default dev ly-slaac | wc -l)"
is "nothing on the NIC" "" "$(ip -6 addr show dev ra0)$(ip -6 route show dev ra0)"
works lan uplink remove ra0
soon 15 "SLAAC on the NIC again" by_slaac ra0
is "the address again" "$slaac" "$(ip -6 -o addr show dev ra0 scope global dynamic | awk '{print $4}')"
on_nic() { [ "$(ip -6 route show default dev ra0 | sed 's/expires.*//')" = "$routes" ]; }
soon 5 "one default route again" on_nic
kill_hard "$(cat ra.pid)"
ip link del ra0
ip -6 route add default via fe80::1 dev nic0 proto ra metric 1024 expires 1700
sysctl -qw net.ipv6.conf.nic0.accept_ra=1
as_before "after router advertisements"

# kill -9 in the middle: the executor stops itself before step N, and is killed there, or the broker, or both.
point() {
	local step=$1 victims=$2 adding
	echo "$step" >"/run/lanyard/$instance/stop-at"
	lan uplink add nic0 --by-hand --confirm-within 5 >add.log 2>&1 &
	adding=$!
	soon 5 "the executor stopped before step $step" stopped
	case $victims in
	executor) kill_hard "$executor"; start_executor ;;
	broker) kill_hard "$broker"; kill -CONT "$executor" ;;
	both) kill_hard "$executor" "$broker"; start_executor ;;
	esac
	wait $adding
	soon 9 "the way back from step $step without $victims" gone
	as_before "killed before step $step: $victims"
	supervise
	soon 5 "an empty plan" is_empty_plan
	as_before "after the repair of step $step: $victims"
	has "the list" "no NIC of the host is bridged" "$(lan uplink list 2>&1)"
}
if [ "$has_faults" != 0 ]; then
	point 1 executor
	point 2 both
	point 3 broker
	point 6 executor
	point 9 both
	point 14 broker
	point 21 executor
	point 28 both
	point 34 executor
	point 41 both
	point 45 broker
fi
# ... and after the move, in the window
for victims in executor broker both; do
	works lan uplink add nic0 --by-hand --confirm-within 5
	case $victims in
	executor) kill_hard "$executor"; start_executor ;;
	broker) kill_hard "$broker" ;;
	both) kill_hard "$executor" "$broker"; start_executor ;;
	esac
	soon 9 "the way back without $victims" gone
	as_before "killed in the window: $victims"
	supervise
	soon 5 "an empty plan" is_empty_plan
	as_before "after the repair: $victims"
done
session_lives "to the end"
kill "$caller" "$server" 2>/dev/null
exit 0
