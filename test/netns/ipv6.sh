#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user
# What machines get of IPv6 with a real DHCPv6 client: every prefix of a network is announced; DHCPv6 by range, of
# reserved addresses, or stateless; a range moves along with its prefix.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
command -v dhclient >/dev/null || skip "dhclient is not installed"
start_instance
works lan net add lab ipv4=10.20.0.1/24 'ipv6=[ fd20::1/64, fd21::1/64, fd22::1/64 ]'
guest a lab
has_prefix() { on a ip -6 -o addr show dev eth0 scope global -tentative -deprecated | grep -q "inet6 $1"; }
for prefix in fd20: fd21: fd22:; do soon 10 "an address of $prefix" has_prefix $prefix; done
works on a ping -c 1 -W 3 fd21::1
works on a ping -c 1 -W 3 -I "$(on a ip -6 -o addr show dev eth0 scope global | sed -n 's/.*inet6 \(fd22:[^/]*\).*/\1/p')" fd22::1

# what waits for a machine that checks its address first is not dropped: asked for more often than the kernel's three times
guest late lab
in_world() { if [ "$WORLD_WAY" = system ]; then "$@"; else lan exec -- "$@"; fi; }
in_world ping -c 1 -W 15 fd20::77 >"$folder/pinged" &
pinged=$!
asked_often() { in_world ip -s -6 neigh show fd20::77 | grep -qE 'probes ([5-9]|10) '; }
soon 12 "the fifth question" asked_often
works on late ip -6 addr add fd20::77/64 dev eth0 nodad
wait $pinged || fail "what waited was dropped: $(cat "$folder/pinged")"

cat >"$folder/lease6" <<'SCRIPT'
#!/bin/sh
echo "$reason ${new_ip6_address:-none} ${new_dhcp6_name_servers:-none} ${new_dhcp6_domain_search:-none}" >>"$LEASE_LOG"
[ -z "$new_ip6_address" ] || ip -6 addr replace "$new_ip6_address/128" dev "$interface"
SCRIPT
chmod +x "$folder/lease6"
# ask NAME [OPTION]: what DHCPv6 says once; prints the client's line
ask() {
	local name=$1
	shift
	rm -f "$folder/$name".*6
	LEASE_LOG=$folder/$name.log6 on "$name" timeout 20 dhclient -6 -1 "$@" -D LL -v -lf "$folder/$name.lease6" \
		-pf "$folder/$name.pid6" -sf "$folder/lease6" -e LEASE_LOG="$folder/$name.log6" eth0 >"$folder/$name.client6" 2>&1
	tail -n 1 "$folder/$name.log6" 2>/dev/null
	[ ! -e "$folder/$name.pid6" ] || kill "$(cat "$folder/$name.pid6")" 2>/dev/null
}
flags() { on a rdisc6 -1 -w 3000 eth0 | sed -n "s/^Stateful $1 conf\\..*: *\\([A-Za-z]*\\)\$/\\1/p"; }
answer() { ask "$@" >"$folder/answer"; cat "$folder/answer"; }

# reserved addresses only
mac=$(on a ip -o link show dev eth0 | sed -n 's/.*ether \([^ ]*\).*/\1/p')
works lan net reserve lab web "$mac" fd20::77
has "a reserved address" 'fd20::77 .*fd20::1 .*lab\.internal' "$(answer a)"
works lan net unreserve lab web

# a range
refused 'range6 is of IPv6 addresses' lan net set lab dhcp="{ range6: 10.20.0.5-10.20.0.9 }"
refused 'not inside fd20::/64' lan net set lab dhcp="{ range6: 'fd99::1000-fd99::1fff' }"
refused 'holds the gateway' lan net set lab dhcp="{ range6: 'fd20::-fd20::1fff' }"
refused 'not understood; write it like fd00' lan net set lab dhcp="{ range6: everything }"
works lan net set lab dhcp="{ range6: 'fd20::1000-fd20::1fff', lease: 10m }"
is "as it was said" "fd20::1000-fd20::1fff" "$(lan net show lab --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["dhcp"]["range6"])')"
has "an address of the range" ' fd20::1[0-9a-f]{3} fd20::1 ' "$(answer a)"
has "the lease" 'fd20::1[0-9a-f]{3}' "$(lan net leases lab)"
is_empty_plan || fail "the plan is not empty: $(lan plan)"
if command -v rdisc6 >/dev/null; then
	is "addresses by DHCPv6, says the router" Yes "$(flags address)"
fi
# it moves along with the prefix
works lan net set lab 'ipv6=[ fd30::1/64, fd21::1/64 ]'
is "the range moved" "fd30::1000-fd30::1fff" "$(lan net show lab --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["dhcp"]["range6"])')"
has "an address of the moved range" ' fd30::1[0-9a-f]{3} ' "$(answer a)"
soon 10 "an address of the new prefix" has_prefix fd30:

# stateless: no addresses, but servers and domain
works lan net set lab dhcp="{ range6: stateless }"
has "no address" ' none ' "$(answer a)"
has "what else there is to know" 'none fd30::1 lab\.internal' "$(answer a -S)"
if command -v rdisc6 >/dev/null; then
	is "no addresses by DHCPv6, says the router" No "$(flags address)"
	is "other things by DHCPv6, says the router" Yes "$(flags other)"
fi
works lan net check lab

# without autoconfiguration: a prefix that is longer than /64
works lan net add long ipv4=none 'ipv6=fd40::1/112' dhcp="{ range6: 'fd40::100-fd40::1ff' }"
guest b long
soon 10 "b's own address" on b sh -c 'ip -6 addr show dev eth0 scope link -tentative | grep -q fe80:'
has "an address of a long prefix" ' fd40::1[0-9a-f]{2} ' "$(answer b)"
soon 10 "a route by RA" on b sh -c 'ip -6 route show default | grep -q fe80::1'
works on b ping -c 1 -W 3 fd40::1
is_empty_plan || fail "the plan is not empty at the end: $(lan plan)"
kill "$pid_a" "$pid_b"
works lan net remove --force lab long
