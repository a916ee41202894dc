#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# The host's way out: what router advertisements taught it survives our forwarding, its MTU is ours, segments are cut
# to it both ways, another default route is followed, and a prefix that somebody else comes to have is said at once.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
internet() { nsenter -t "$WORLD_INTERNET" -n "$@"; }

# the host's IPv6 default route comes by router advertisement
ip -6 route del default
internet dnsmasq -d -C /dev/null --port=0 --pid-file= --interface=in0 --bind-interfaces --enable-ra \
	--dhcp-range=2001:db8:100::,ra-only --ra-param=in0,high,0,600 2>"$folder/router.log" &
has_learnt() { ip -6 route show default proto ra | grep -q 'dev up0'; }
soon 20 "a default route by router advertisement" has_learnt
is "forwarding before" 0 "$(cat /proc/sys/net/ipv6/conf/up0/forwarding)"
ra=$(cat /proc/sys/net/ipv6/conf/up0/accept_ra)

start_instance
works lan net add lab ipv4=10.20.0.1/24 ipv6=fd20::1/64
guest a lab
dhcp a >/dev/null
soon 10 "IPv6 of a" has_global a
soon 10 "a route by RA" on a sh -c 'ip -6 route show default | grep -q fe80::1'
works on a wget -qO- -t 1 -T 5 "http://$WORLD_NET4/"
works on a wget -qO- -t 1 -T 5 "http://[$WORLD_NET6]/"
is "forwarding" 1 "$(cat /proc/sys/net/ipv6/conf/up0/forwarding)"
is "accept_ra" 2 "$(cat /proc/sys/net/ipv6/conf/up0/accept_ra)"
has_learnt || fail "the learnt default route is gone"
# and it is still learnt, not only kept
ip -6 route flush default proto ra
soon 20 "the default route is learnt again" has_learnt
soon 5 "an empty plan" is_empty_plan

# the uplink has a smaller MTU: with the next route that changes the network follows, machines hear of it
ip link set up0 mtu 1400
internet ip link set in0 mtu 1400
ip route add 198.51.100.99/32 dev up0
mtu_is() { ip -o link show ly-lab | grep -q " mtu $1 "; }
soon 5 "the network's MTU is the uplink's" mtu_is 1400
soon 10 "the MTU by RA" on a grep -qx 1400 /proc/sys/net/ipv6/conf/eth0/mtu
printf '#!/bin/sh\nenv\n' >"$folder/show"
chmod +x "$folder/show"
on a busybox udhcpc -i eth0 -s "$folder/show" -O mtu -n -q -f -t 5 -T 1 >"$folder/mtu" 2>&1
has "the MTU by DHCP" '^mtu=1400$' "$(cat "$folder/mtu")"
# one that has not heard of it (1500 by IPv4) still gets through: its segments are cut, both ways
internet python3 -c '
import socket, sys
server = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    connection = server.accept()[0]
    print(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), flush=True)
    connection.sendall(b"x" * 100000)
    connection.close()' >"$folder/segments" &
soon 5 "the server" grep -q ready "$folder/segments"
is "all bytes over IPv4" 100000 "$(on a python3 -c '
import socket, sys
connection = socket.create_connection((sys.argv[1], 8080), timeout=5)
print(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), file=sys.stderr)
print(sum(iter(lambda: len(connection.recv(65536)), 0)))' "$WORLD_NET4" 2>"$folder/mine")"
[ "$(cat "$folder/mine")" -le 1360 ] || fail "segments of the machine: $(cat "$folder/mine")"
[ "$(tail -n 1 "$folder/segments")" -le 1360 ] || fail "segments towards the machine: $(tail -n 1 "$folder/segments")"
ip link set up0 mtu 1500
internet ip link set in0 mtu 1500
ip route del 198.51.100.99/32 dev up0
soon 5 "the network's MTU follows back" mtu_is 1500

# another default route: forwarding goes along, and is put back where it was
ip link add up1 type veth peer name up1p
ip link set up1p up
ip link set up1 up
ip addr add 192.0.2.7/24 dev up1
ip route replace default via 192.0.2.1 dev up1
forwards() { [ "$(cat "/proc/sys/net/ipv4/conf/$1/forwarding")" = "$2" ]; }
soon 5 "forwarding on the new way out" forwards up1 1
soon 5 "no forwarding on the old one" forwards up0 0
ip route replace default via 198.51.100.1 dev up0
soon 5 "forwarding on the old way out" forwards up0 1
soon 5 "no forwarding on the other" forwards up1 0

# a prefix that somebody else comes to have (a VPN comes up): said at once, nothing is changed
ip link add vpn0 type veth peer name vpn0p
ip link set vpn0p up
ip link set vpn0 up
ip addr add 192.0.2.77/32 dev vpn0
ip route add 10.20.0.0/25 dev vpn0
said() { lan status | grep -q 'network lab: the host reaches 10.20.0.0/25 by vpn0'; }
soon 5 "the overlap in the status" said
has "the overlap in the log" 'network lab: the host reaches 10\.20\.0\.0/25 by vpn0' "$(cat "$folder/broker.log")"
has "the overlap in the check" 'BAD.*prefix.*vpn0' "$(lan net check lab)"
ip link del vpn0
not_said() { ! lan status | grep -q 'the host reaches'; }
soon 5 "the end of the overlap" not_said
# and at creation
refused '192\.0\.2\.0/24' lan net add second ipv4=192.0.2.129/25

kill "$pid_a"
works lan net remove --force lab
is "forwarding as before" 0 "$(cat /proc/sys/net/ipv6/conf/up0/forwarding)"
is "forwarding as before" 0 "$(cat /proc/sys/net/ipv4/conf/up0/forwarding)"
is "accept_ra as before" "$ra" "$(cat /proc/sys/net/ipv6/conf/up0/accept_ra)"
has_learnt || fail "the learnt default route is gone at the end"
