#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# What DHCP tells besides addresses, as a real client hears it: boot file, its server, time servers, options by number;
# changed live, by dnsmasq's new configuration, while leases stay.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
start_instance
works lan net add lab ipv4=10.20.0.1/24 ipv6=fd20::1/64 'dhcp={lease: 10m}'
guest a lab
address=$(dhcp a)
printf '#!/bin/sh\nenv\n' >"$folder/show"
chmod +x "$folder/show"
# heard WORD...: what the client hears when it asks for these too
heard() {
	local word asks=()
	for word in "$@"; do asks+=(-O "$word"); done
	on a env -i PATH="$PATH" busybox udhcpc -i eth0 -s "$folder/show" "${asks[@]}" -n -q -f -t 5 -T 1 2>&1
}
says() { lan net show lab --json | python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin)["dhcp"].get(sys.argv[1])))' "$1"; }

# nobody said anything
heard bootfile tftp ntpsrv >"$folder/heard"
is "of no boot file nor server" "" "$(grep -E '^(boot_file|bootfile|tftp|ntpsrv)=' "$folder/heard")"

works lan net set lab 'dhcp={ boot: "pxe/linux,1 #.0", tftp: 10.20.0.5, ntp: [ 10.20.0.6, "fd20::6" ],
	options: { 150: [ 10.20.0.5, 10.20.0.7 ], 209: "conf, of #2", 43: "01:04:00", 23: 64, 210: "\"10\"" } }'
is_empty_plan || fail "the plan is not empty: $(lan plan)"
is "the lease that is kept" '"10m"' "$(says lease)"
is "the options" '{"23": "64", "43": "01:04:00", "150": "10.20.0.5,10.20.0.7", "209": "conf, of #2", "210": "\"10\""}' "$(says options)"
has "the lease that is out" " $address " "$(lan net leases lab)"

# who asks for nothing reads BOOTP's fields, and is told the numbered ones all the same
heard >"$folder/heard"
for line in "ip=$address" 'boot_file=pxe/linux,1 #.0' siaddr=10.20.0.5 opt43=010400 opt150=0a1400050a140007 \
	"pxeconffile=conf, of #2" pxepathprefix=10; do
	grep -qFx "$line" "$folder/heard" || fail "no $line in: $(cat "$folder/heard")"
done
# as PXE does
heard bootfile tftp ntpsrv ipttl >"$folder/heard"
for line in 'bootfile=pxe/linux,1 #.0' tftp=10.20.0.5 siaddr=10.20.0.5 ntpsrv=10.20.0.6 ipttl=64; do
	grep -qFx "$line" "$folder/heard" || fail "no $line in: $(cat "$folder/heard")"
done
is "of what is ours" "10.20.0.1" "$(sed -n 's/^router=//p' "$folder/heard")"

is_settled() { [ -z "$(on a ip -6 -o addr show dev eth0 tentative)" ]; }
# DHCPv6's (RFC 5908: suboption 1, an address)
if command -v dhclient >/dev/null; then
	printf 'option dhcp6.time code 56 = string;\nalso request dhcp6.time;\n' >"$folder/client.conf"
	printf '#!/bin/sh\nenv >>"$HEARD"\n' >"$folder/show6"
	chmod +x "$folder/show6"
	soon 10 "IPv6 of a" has_global a
	soon 10 "the end of the checks for duplicates" is_settled # dhclient binds to the link-local address
	on a timeout 20 dhclient -6 -1 -S -v -D LL -cf "$folder/client.conf" -lf "$folder/lease6" -pf "$folder/pid6" \
		-sf "$folder/show6" -e HEARD="$folder/heard6" eth0 >"$folder/client6" 2>&1 ||
		fail "dhclient: $(cat "$folder/client6")"
	[ ! -e "$folder/pid6" ] || kill "$(cat "$folder/pid6")" 2>/dev/null
	has "the time server by DHCPv6" '^new_dhcp6_time=0:1:0:10:fd:20:(0:){13}6$' "$(cat "$folder/heard6")"
fi

# servers of the network move with its prefix
works lan net set lab ipv4=10.30.0.1/24
is "the boot server" '"10.30.0.5"' "$(says tftp)"
is "the time servers" '["10.30.0.6", "fd20::6"]' "$(says ntp)"
works lan net set lab ipv4=10.20.0.1/24

# refused, and everything is as before
refused "option 3 is not to be written here: it is the gateway's address" lan net set lab 'dhcp={ options: { 3: 10.20.0.9 } }'
refused "option 67 is not to be written here: use 'boot'" lan net set lab 'dhcp={ options: { 67: x } }'
refused 'value of option 252 has to be' lan net set lab 'dhcp={ options: { 252: "x\ndhcp-script=/bin/false" } }'
refused 'boot holds a control character' lan net set lab 'dhcp={ boot: "x\ndhcp-script=/bin/false" }'
refused 'tftp fd20::5 is not IPv4' lan net set lab 'dhcp={ tftp: "fd20::5" }'
refused 'bad IP address' lan net set lab 'dhcp={ options: { 44: nobody } }' # dnsmasq knows this one's form
is "the boot file" '"pxe/linux,1 #.0"' "$(says boot)"
heard >"$folder/heard"
has "who answers still" '^opt150=' "$(cat "$folder/heard")"

# taken back one by one; a file alone is the gateway's
works lan net set lab 'dhcp={ boot: file, tftp: null, ntp: null, options: null }'
heard bootfile ntpsrv >"$folder/heard"
has "the gateway's file" '^siaddr=10\.20\.0\.1$' "$(cat "$folder/heard")"
has "its name" '^bootfile=file$' "$(cat "$folder/heard")"
is "nothing else" "" "$(grep -E '^(tftp|ntpsrv|opt43|opt150)=' "$folder/heard")"
works lan net set lab dhcp=
is "all are gone" null "$(says boot)"
works lan net set lab 'dhcp={ options: { 252: "http://10.20.0.1/wpad.dat" } }'
kill_hard "$(process broker)"
supervise
is "found again" '{"252": "http://10.20.0.1/wpad.dat"}' "$(says options)"
has "told again" '^wpad=http://10\.20\.0\.1/wpad\.dat$' "$(heard wpad)"
