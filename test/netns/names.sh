#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ways: system
# Two users with the same lab: each has a network 'lab' of their own, sees and changes that one alone, and nothing tells
# them of the other's; root sees both under their names in the model.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
lay_accounts alice:lanyard bob:lanyard
chmod 755 .
printf 'name: web\nnetworks:\n  lab: { mode: nat, peers: [side] }\n  side: {}\n' >lanyard.yaml
as() { setpriv --reuid="$1" --regid="$1" --init-groups env HOME=/tmp lanyard --system --instance "$instance" --no-color "${@:2}"; }
names() { as "$1" net list --json | python3 -c 'import json,sys; print(*sorted(n["name"] for n in json.load(sys.stdin)))'; }
field() { as "$1" net show lab --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2"; }
both() {
	is "alice's networks" "common lab side" "$(names alice)"
	is "bob's networks" "common lab side" "$(names bob)"
	is "bob's peers" "['side']" "$(field bob peers)"
	has "alice's domain" '^lab\.internal$' "$(field alice domain)"
	has "bob's domain" '^lab-bob\.internal$' "$(field bob domain)"
	for user in alice bob; do has "up again by $user" 'nothing was to do' "$(as $user up -f lanyard.yaml)"; done
}

printf 'name: other\nnetworks: { common: {} }\n' >other.yaml

start_instance
works lan net add common
# who comes first
works as alice up -f lanyard.yaml
has "can bob" '^yes$' "$(as bob can-i net add lab)"
is "asking has made nothing" "common" "$(names bob)"
works as bob up -f lanyard.yaml
both
is "root's sight" "common lab lab-bob side side-bob" "$(lan net list --json | python3 -c 'import json,sys; print(*sorted(n["name"] for n in json.load(sys.stdin)))')"
has "whose they are" '^lab-bob .* bob$' "$(lan net list)"
has "root's own" '^common .* root$' "$(lan net list)"
is "no word of owners to who sees their own" "" "$(as bob net list | grep OWNER)"
has "what bob calls it" '^called: +lab$' "$(lan net show lab-bob)"

machines=()
is_apart() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
# each plugs into theirs, changes theirs, reserves in theirs
for user in alice bob; do
	works as $user net set lab mtu=1400
	works as $user net reserve lab printer 02:00:00:00:00:07
	setpriv --reuid="$user" --regid="$user" --init-groups unshare -Urn sleep infinity &
	machines+=($!)
	soon 5 "a namespace of $user" is_apart $!
	works as $user port add lab --netns "$!" machine=web
	is "the port of $user" lab "$(as $user port list --json | python3 -c 'import json,sys; print(*(p["network"] for p in json.load(sys.stdin)))')"
	works as $user port set web down=false # theirs, of whoever else has one of this name
	is "the one port of $user's web" lab "$(as $user port show web --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["network"])')"
	is "no word of owners to $user" "" "$(as $user port list | grep OWNER)"
	works as $user net leases lab
	works as $user capture lab -w /dev/null --dry-run
	has "the check of $user" '^ok +lab: addresses' "$(as $user net check lab)"
done
for user in alice bob; do has "whose port it is" " web .* $user\$" "$(lan port list)"; done
refused "machine 'web' has 2 ports: .* on network 'lab.* and .* on network 'lab" lan port remove web
plugged() { bridge -j link show | python3 -c 'import json,sys; print(sum(p.get("master") == sys.argv[1] and not p["ifname"].startswith("lyc") for p in json.load(sys.stdin)))' "$1"; }
is "ports of the two bridges" "1 1" "$(plugged ly-lab) $(plugged ly-lab-bob)"
both
# sentences too call it as its owner does, and what somebody else has by no name
has "what bob is told" 'by hand.*: network lab: mtu, reservation printer$' "$(as bob up -f lanyard.yaml 2>&1 | head -n 1)"
refused "^lanyard: network 'lab' has no reservation 'web'" as bob net unreserve lab web
refused "^lanyard: network 'lab': .* overlaps with .* of another user's network;" as bob net set lab \
	"ipv4=$(field alice ipv4)"
refused "^lanyard: network 'lab-bob': .* overlaps with .* of network 'lab';" lan net set lab-bob "ipv4=$(field alice ipv4)"
refused "^lanyard: network 'lab-bob': 198.* overlaps with .* up0;" lan net set lab-bob ipv4=198.51.100.77/24
refused "'lab' is there already" as bob net add lab
refused "there is no network 'lab-alice'" as bob net show lab-alice
refused "there is no network 'lab-bob'" as alice net show lab-bob

# found again by the next broker
kill_hard "$broker"
supervise
both

# a name that they see is taken
refused "network 'common' is there already, and not yours" as bob up -f other.yaml
refused "'common' is there already" as bob net add common
kill "${machines[@]}"
gone() { [ "$(lan port list --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" = 0 ]; }
soon 10 "the end of the ports" gone
works as bob down web
is "alice's networks stay" "common lab side" "$(names alice)"
works as alice down web
works lan net remove common
nothing_left
