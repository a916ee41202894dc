#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# A full disk under the runtime and the state folder: one sentence with file and reason, nothing is changed, and all
# works again when there is room.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
export LANYARD_RUNTIME_DIR=$WORLD_SMALL/run LANYARD_STATE_DIR=$WORLD_SMALL/state

fill() { cat /dev/zero >"$WORLD_SMALL/filler" 2>/dev/null; }
free() { rm -f "$WORLD_SMALL/filler"; }
full='^lanyard: .*(/small/(run|state)/[^ ]*).*No space left on device'

cat >lanyard.yaml <<'YAML'
name: disk
networks:
  one: { ipv4: 10.40.1.1/24 }
  two: { ipv4: 10.40.2.1/24, reservations: [ { name: web, mac: "ba:ad:ca:00:00:0a" } ] }
YAML
start_instance
works lan net add keep ipv4=10.40.0.1/24
guest a keep
works dhcp a
works lan seat add keep 1-9
# the kernel tells of a missing carrier when it likes
is_settled() { [ "$(meddle ip -o link | grep -E ' lytap' | grep -cE 'NO-CARRIER.* state DOWN')" = 9 ]; }
soon 5 "nine taps without carrier" is_settled
before=$(snapshot)
seats=$(lan seat list)
definition=$(cat "$LANYARD_STATE_DIR/$instance/networks/keep.yaml")

# unchanged WHAT
unchanged() {
	is "the kernel after $1" "$before" "$(snapshot)"
	is "the networks after $1" keep "$(lan net list --json | python3 -c 'import json,sys; print(*(n["name"] for n in json.load(sys.stdin)))')"
	is "the definition after $1" "$definition" "$(cat "$LANYARD_STATE_DIR/$instance/networks/keep.yaml")"
	is "the seats after $1" "$seats" "$(lan seat list)"
	is_empty_plan || fail "the plan is not empty after $1: $(lan plan)"
	works on a ping -c 1 -W 3 10.40.0.1
}

fill
refused "$full" lan net add more
unchanged "net add"
refused "$full" lan up
unchanged up
refused "$full" lan net set keep mtu=1400
unchanged "net set"
refused "$full" lan net reserve keep db 10.40.0.50
unchanged "net reserve"
refused "$full" lan port add keep --tap lyfull0
unchanged "port add"
refused "$full" lan port set lytap1 isolated=true
unchanged "port set"
refused "$full" lan seat add keep 10-20
unchanged "seat add"
refused "$full" lan publish 8080 "$(cat a.lease):80"
unchanged publish
is "nothing is published" "" "$(lan published)"

free
works lan net add more
works lan net set keep mtu=1400
works lan up
is_empty_plan || fail "the plan is not empty: $(lan plan)"

# what is there can be taken down without room, and the broker starts again
fill
works lan down
works lan net remove more
works lan port remove lytap1
works lan seat remove 2-8
kill_hard "$(process broker)"
supervise
works lan status
is "the seats that are left" 9 "$(lan seat list --json | python3 -c 'import json,sys; print(*(s["seat"] for s in json.load(sys.stdin)))')"
works lan seat remove 9
works on a ping -c 1 -W 3 10.40.0.1
free
works lan up
works lan down
kill "$pid_a"
gone() { [ "$(lan port list --json)" = "[]" ]; }
soon 10 "the end of the port" gone
works lan net remove keep
nothing_left

# room for what runs, none for the definitions: everything was made, and goes again
unset LANYARD_RUNTIME_DIR
instance=${instance}s
start_instance
works lan net add keep ipv4=10.40.0.1/24
before=$(snapshot)
definition=$(cat "$LANYARD_STATE_DIR/$instance/networks/keep.yaml")
fill
for verb in "net add more" up "net set keep mtu=1400" "net reserve keep db 10.40.0.50" "seat add keep 1-9" "port add keep --tap lyfull0"; do
	# shellcheck disable=SC2086
	refused '^lanyard: .*/small/state/.*No space left on device' lan $verb
	is "the kernel after $verb" "$before" "$(snapshot)"
	is "the definition after $verb" "$definition" "$(cat "$LANYARD_STATE_DIR/$instance/networks/keep.yaml")"
	is_empty_plan || fail "the plan is not empty after $verb: $(lan plan)"
done
free
works lan net add more
works lan net remove more
works lan net remove keep
nothing_left
