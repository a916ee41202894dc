#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# `lanyard why` from machine to machine, host and world: whole, and with each step broken in turn; it names that step.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

as_admin() {
	if [ $kind = --system ]; then "$@"; else lan exec --admin -- "$@"; fi
}
broken() { # FROM TO: "STEP: text" of the broken step, or nothing
	lan why --json "$1" "$2" 2>/dev/null | python3 -c '
import json, sys
for s in json.load(sys.stdin)["steps"]:
	if not s["ok"]:
		print(s["step"] + ": " + s["text"] + " -> " + s["remedy"])'
}
# names PATTERN FROM TO
names() {
	local pattern=$1 end=$((SECONDS + 4)) last=
	shift
	until last=$(broken "$@") && grep -qE -- "$pattern" <<<"$last"; do
		[ $SECONDS -lt $end ] || fail "why $*: expected '$pattern', found '$last'"
	done
}
whole() {
	local end=$((SECONDS + 6)) last
	until last=$(lan why "$1" "$2" 2>&1); do [ $SECONDS -lt $end ] || fail "why $1 $2: $last"; done
}

cat >lanyard.yaml <<'YAML'
name: why
networks:
  lab: { ipv4: 10.20.0.1/24 }
  other: { ipv4: 10.21.0.1/24 }
  alone: { ipv4: 10.22.0.1/24, mode: isolated }
YAML
start_instance
works lan up
guest web lab
guest db lab
guest far other
guest shut alone
for name in web db far shut; do works dhcp $name; done
port_of() { lan port list --json | python3 -c 'import json,sys; print([p[sys.argv[2]] for p in json.load(sys.stdin) if p["machine"] == sys.argv[1]][0])' "$1" "$2"; }
db_if=$(port_of db ifname)
db_id=$(port_of db id)
serve() { on "$1" busybox httpd -f -p "[::]:$2" -h /tmp & servers+=($!); }
servers=()
serve db 80

whole web db
whole web db:80
whole web host
whole host web
whole web "$WORLD_NET4:80"
soon 10 "IPv6 on db" has_global db
soon 10 "IPv6 on web" has_global web
whole web "[$WORLD_NET6]:80"
whole web "[$(address6 db)]:80"
has "the text" '^web reaches db$' "$(lan why web db)"

# the service does not listen
names 'answer: .*refuses TCP port 81' web db:81
names 'answer: .*refuses TCP port 81' web "[$(address6 db)]:81"
names "answer: .*$WORLD_NET4 refuses TCP port 81" web "$WORLD_NET4:81"
# the machine does not answer
on db nft -f - <<'NFT' || fail "no rules inside db"
table inet inside { chain in { type filter hook input priority 0; tcp dport 80 drop; }; }
NFT
names 'answer: .*does not answer on TCP port 80 .*firewall inside db' web db:80
on db nft delete table inet inside
whole web db:80

# carrier
on db ip link set eth0 down
names 'carrier: .*the other end is down' web db
on db ip link set eth0 up
whole web db
# port down, by us
works lan port set "$db_id" down=yes
names "port: .*is down -> lanyard port set $db_id down=no" web db
works lan port set "$db_id" down=no
whole web db
# off its bridge: put back within a second, so the walk may see either
as_admin ip link set "$db_if" nomaster
names_or_repaired() {
	local said
	said=$(broken web db)
	[ -z "$said" ] || has "off the bridge" 'membership: .*on no bridge' "$said"
}
names_or_repaired
whole web db
# the bridge down, as far as nobody repairs it
as_admin ip link set ly-lab down
said=$(broken web db)
[ -z "$said" ] || has "bridge down" 'bridge|membership|carrier|port state' "$said"
as_admin ip link set ly-lab up
whole web db
# the address is gone
on db ip address flush dev eth0
names 'ARP: nobody answers for 10\.20\.0\.' web db
works dhcp db
whole web db
# a guard
works lan port set "$(port_of web id)" isolated=yes
works lan port set "$db_id" isolated=yes
names "guards: .*both isolated -> lanyard port set" web db
works lan port set "$db_id" isolated=no
whole web db
works lan port set "$(port_of web id)" isolated=no
# rules: networks are separate, an isolated one does not get out, a foreign firewall drops
names 'rules: networks lab and other are separate -> lanyard net set lab peers=other' web far
works lan net set lab peers=other
whole web far
works lan net set lab peers=
names 'rules: networks lab and other are separate' web far
names 'rules: network alone is isolated.*mode=nat' shut "$WORLD_NET4:80"
as_admin nft -f - <<'NFT' || fail "no foreign rules"
table inet foreign { chain forward { type filter hook forward priority 10; policy drop; }; }
NFT
names 'rules: table inet foreign, chain forward .policy drop. drops what network lab forwards' web "$WORLD_NET4:80"
names 'rules: (table inet foreign|br_netfilter gives IPv6)' web "[$WORLD_NET6]:80"
as_admin nft delete table inet foreign
as_admin nft -f - <<'NFT' || fail "no foreign rules"
table inet foreign { chain input { type filter hook input priority 10; policy accept; iifname "ly-lab" meta l4proto { tcp, icmp } drop; }; }
NFT
names 'rules|answer' web host
as_admin nft delete table inet foreign
whole web host
# route
as_admin ip route add unreachable 203.0.113.77/32
names 'route: there is no way to 203\.0\.113\.77' web 203.0.113.77:80
as_admin ip route del unreachable 203.0.113.77/32
as_admin ip -6 route add unreachable 2001:db8:fffe::77/128
names 'route: there is no way to 2001:db8:fffe::77' web "[2001:db8:fffe::77]:80"
as_admin ip -6 route del unreachable 2001:db8:fffe::77/128
# nobody there
names 'answer|route' web 198.51.100.77:80

# words
refused "no machine that is plugged in" lan why nobody.invalid web
refused "is no TCP port" lan why web db:0
refused "'webb' is no machine that is plugged in \(did you mean 'web'\?\), .*'lanyard doctor DNS-02'" lan why host webb
has "an address that nobody has" "lanyard net leases lab" "$(lan why host 10.20.0.77 2>&1)"
refused "begins at a machine" lan why "$WORLD_NET4" web
code=0
lan why web db:81 >/dev/null 2>&1 || code=$?
is "the exit code for a broken way" 1 $code
for pid in "${servers[@]}"; do pkill -P "$pid" 2>/dev/null; done
