#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# NICs of a machine that runs: plugged in, moved, readdressed, unplugged, by an edit of the file and `up`; the
# names of machines from their first second, forward and reverse, and of one that comes later.
# shellcheck source=test/netns/lib.sh
. "${LANYARD_SOURCE:?run me by test/run}/test/netns/lib.sh"
trap 'lan down --force >/dev/null 2>&1; rm -rf "$folder"' EXIT

lab() {
	cat >lanyard.yaml <<-YAML
		name: cable
		networks:
		  lab: { mode: nat, ipv4: 10.77.1.1/24, ipv6: "fd77:1::1/64" }
		  other: { mode: isolated, ipv4: 10.77.2.1/24, ipv6: "fd77:2::1/64" }
		machines:
		$(printf '  %s\n' "$@")
	YAML
}
# On a guest; what is asked of it becomes true soon (its DHCP client, its name server's router).
at() { lan ssh "$1" -- "$2" </dev/null 2>&1 | tr -d '\r'; }
guest_has() { at "$1" "$2" | grep -qE -- "$3"; }
pid_of() { lan vm show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin).get("pid", 0))'; }
state_of() { lan vm show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["state"])'; }
ports() { lan port list --json | grep -c '"id"'; }
has_ports() { [ "$(ports)" = "$1" ]; }

db='db: { image: tiny, memory: 96M, nics: [ { network: lab, address: 10.77.1.20 } ] }'
web() { echo "web: { image: tiny, memory: 96M, nics: [ $1 ] }"; }
lab "$(web '{ network: lab, address: 10.77.1.10, mac: "ba:ad:ca:00:00:01" }')" "$db"
works lan up --wait
first=$(pid_of web)

# Names, from the moment the machine says it is ready.
domain=$(lan net show lab --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["domain"])')
has "bare name" '10\.77\.1\.20' "$(at web 'nslookup db')"
has "name in the domain" '10\.77\.1\.20' "$(at web "nslookup db.$domain")"
has "its IPv6 address" 'fd77:1::' "$(at web "nslookup -type=aaaa db.$domain")"
has "reverse" "db\.$domain" "$(at web 'nslookup 10.77.1.20')"
has "reverse, IPv6" "db\.$domain" "$(at web "nslookup $(at db "ip -o -6 address show scope global" | sed -n 's/.*inet6 \([^/]*\).*/\1/p' | head -n 1)")"
has "ping by name, IPv6" '1 packets received' "$(at web 'ping -6 -c 1 -W 3 db')"
has "a page by name" 'I am db' "$(at web 'timeout 5 wget -q -O - http://db/')"

# A second NIC while it runs.
nic1='{ network: lab, address: 10.77.1.10, mac: "ba:ad:ca:00:00:01" }'
nic2='{ network: other, address: 10.77.2.10, mac: "ba:ad:ca:00:00:02" }'
lab "$(web "$nic1, $nic2")" "$db"
has "plugged in" 'machine web: NIC ba:ad:ca:00:00:02 plugged into network other' "$(lan up 2>&1)"
is "state" running "$(state_of web)"
soon 15 "the guest's second address" guest_has web 'ip -o -4 address' 'eth1 .*10\.77\.2\.10/24'
soon 15 "its second IPv6 address" guest_has web 'ip -o -6 address' 'eth1 .*fd77:2:'
has_ports 3 || fail "ports: $(lan port list)"
has "again" 'nothing was to do' "$(lan up 2>&1)"

# Moved: the cable was out for a moment, the guest asks anew.
lab "$(web "$nic1, ${nic2/network: other, address: 10.77.2.10/network: lab, address: 10.77.1.30}")" "$db"
has "moved" 'NIC ba:ad:ca:00:00:02 moved to network lab' "$(lan up 2>&1)"
soon 20 "the guest's address on the other network" guest_has web 'ip -o -4 address' 'eth1 .*10\.77\.1\.30/24'
guest_has web 'ip -o -4 address' '10\.77\.2\.' && fail "the address of before stayed"
soon 15 "no IPv6 address of before" guest_has web 'ip -o -6 address show dev eth1 | grep -c fd77:2:' '^0$'

# Another address for the same NIC.
lab "$(web "$nic1, ${nic2/network: other, address: 10.77.2.10/network: lab, address: 10.77.1.31}")" "$db"
has "readdressed" 'NIC ba:ad:ca:00:00:02 has another address on network lab' "$(lan up 2>&1)"
soon 20 "the guest's new address" guest_has web 'ip -o -4 address' 'eth1 .*10\.77\.1\.31/24'

# What it may receive: the port's affair, of which the guest sees nothing.
lab "$(web "$nic1, ${nic2/network: other, address: 10.77.2.10/network: lab, address: 10.77.1.31, rate_in: 5mbit}")" "$db"
has "a rate" 'NIC ba:ad:ca:00:00:02 has other settings on network lab' "$(lan up 2>&1)"
has "the port's rate" '"rate_in": "5mbit"' "$(lan port list --json)"
has "again" 'nothing was to do' "$(lan up 2>&1)"
lab "$(web "$nic1, ${nic2/network: other, address: 10.77.2.10/network: lab, address: 10.77.1.31}")" "$db"
works lan up
lan port list --json | grep -q rate_in && fail "the rate stayed"

# Unplugged, one NIC that was there from the start, too. A machine that comes later is known by name.
late='late: { image: tiny, memory: 96M, nics: [ { network: lab } ] }'
lab "$(web "$nic1")" "$db" "$late"
has "unplugged" 'NIC ba:ad:ca:00:00:02 unplugged from network lab' "$(lan up --wait 2>&1)"
soon 10 "the guest has one NIC" guest_has web 'ls /sys/class/net | grep -c eth' '^1$'
has_ports 3 || fail "ports: $(lan port list)"
has "a later machine by name" '1 packets received' "$(at web 'ping -c 1 -W 3 late')"
lab "$(web "$nic2")" "$db" "$late"
output=$(lan up 2>&1)
has "the first NIC" 'NIC ba:ad:ca:00:00:01 unplugged from network lab' "$output"
has "in its place" 'NIC ba:ad:ca:00:00:02 plugged into network other' "$output"
is "web's process all the time" "$first" "$(pid_of web)"
is "web's state" running "$(state_of web)"
is_empty_plan || fail "the plan is not empty: $(lan plan)"

# What cannot change while it runs is said.
lab "$(web "$nic2" | sed 's/96M/112M/')" "$db" "$late"
has "memory" "takes effect after 'lanyard vm restart web'" "$(lan up 2>&1)"
works lan vm restart web --wait
is "web's state" running "$(state_of web)"
exit 0
