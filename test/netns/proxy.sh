#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# A routed network inside the LAN's own prefixes (`lan: proxy`): the LAN's machines reach guests without any route, because
# the host answers ARP and neighbour solicitations for them; for nobody else, and not a moment longer.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
internet() { nsenter -t "$WORLD_INTERNET" -n "$@"; }
start_instance
refused "free part of the LAN" lan net add lab mode=routed lan=proxy
refused "mode 'routed'" lan net add lab mode=nat lan=proxy ipv4=198.51.100.225/27
refused "overlaps" lan net add lab mode=routed ipv4=198.51.100.225/27
works lan net add lab mode=routed lan=proxy ipv4=198.51.100.225/27 ipv6=2001:db8:100:0:a::1/80
works lan net reserve lab web ba:ad:ca:00:00:0a 198.51.100.230 2001:db8:100:0:a::10
guest web lab mac=ba:ad:ca:00:00:0a
guest other lab
is "the reserved address" 198.51.100.230 "$(dhcp web)"
other4=$(dhcp other)
has "an address of the range" '^198\.51\.100\.2[345]' "$other4"
on web ip -6 addr add 2001:db8:100:0:a::10/80 dev eth0 nodad
soon 10 "a route by RA" on web sh -c 'ip -6 route show default | grep -q fe80::1'

# the LAN's machine knows no route but its own segment
is "routes of the LAN's machine" "" "$(internet ip route | grep -v '^198.51.100.0/24')"
works internet ping -c 1 -W 5 198.51.100.230
works internet ping -c 1 -W 5 "$other4"
soon 10 "IPv6 from the LAN" internet ping -c 1 -W 2 2001:db8:100:0:a::10
works on web wget -qO- -t 1 -T 5 http://198.51.100.1/
works on web wget -qO- -t 1 -T 5 "http://[2001:db8:100::1]/"
is "nothing is translated" 198.51.100.230 "$(internet python3 -c '
import socket
server = socket.create_server(("0.0.0.0", 8080))
print(server.accept()[1][0])' & sleep 0.5; on web busybox nc 198.51.100.1 8080 </dev/null; wait $!)"
# nobody else's addresses
internet ping -c 1 -W 1 198.51.100.77 >/dev/null && fail "the host answers for an address of the LAN"
internet ping -c 1 -W 1 2001:db8:100:0:a::99 >/dev/null && fail "the host answers for an address that nobody has"
ip neigh del proxy 198.51.100.230 dev up0
is_empty_plan && fail "a proxy that somebody removed is not missed"
works lan net set lab dns=true
is_empty_plan || fail "the plan is not empty: $(lan plan)"
works internet ping -c 1 -W 5 198.51.100.230
has "the check" 'answers on the LAN' "$(lan net check lab)"

# where the default routes lead has nothing to do with it
ip link add away0 type veth peer name away1
ip addr add 192.0.2.1/24 dev away0
ip -6 addr add 2001:db8:2::1/64 dev away0 nodad
ip link set away0 up
ip link set away1 up
ip route replace default via 192.0.2.2
ip -6 route replace default via 2001:db8:2::2
soon 10 "the plan of the new way out" is_empty_plan
internet ip neigh flush dev in0
works internet ping -c 1 -W 5 198.51.100.230
soon 10 "IPv6 from the LAN" internet ping -c 1 -W 2 2001:db8:100:0:a::10
is "proxies where the default routes lead" "" "$(ip neigh show proxy dev away0; ip -6 neigh show proxy dev away0)"
ip route replace default via 198.51.100.1
ip -6 route replace default via 2001:db8:100::1
ip link del away0
soon 10 "the plan of the old way out" is_empty_plan
is "forwarding by the way that was" 1 "$(cat /proc/sys/net/ipv4/conf/up0/forwarding)"

works lan net set lab lan=route ra=false
is "proxies left" "" "$(ip neigh show proxy; ip -6 neigh show proxy)"
is "proxy_ndp" 0 "$(cat /proc/sys/net/ipv6/conf/up0/proxy_ndp)"
internet ip neigh flush dev in0
internet ping -c 1 -W 1 198.51.100.230 >/dev/null && fail "the host still answers"
works lan net set lab lan=proxy ra=true
kill "$pid_web" "$pid_other"
works lan net remove --force lab
is "proxies left" "" "$(ip neigh show proxy; ip -6 neigh show proxy)"
is "proxy_ndp" 0 "$(cat /proc/sys/net/ipv6/conf/up0/proxy_ndp)"
