#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# `up` of many networks cut off at many moments by the death of its broker, its executor or itself, and two at once:
# afterwards there is the old or the new state, never half of one, and the next `up` goes through.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

lab() { # FIRST LAST: networks n1, nFIRST..nLAST
	printf 'name: many\nnetworks:\n  n1: { ipv4: 10.30.1.1/24 }\n'
	local i
	for ((i = $1; i <= $2; i++)); do printf '  n%d: { ipv4: 10.30.%d.1/24, reservations: [ { name: web, mac: "ba:ad:ca:00:00:0a" } ] }\n' "$i" "$i"; done
}
lab 2 3 >old.yaml
lab 4 13 >new.yaml
names() { lan net list --json | python3 -c 'import json,sys; d = json.load(sys.stdin); print(*sorted(n["name"] for n in d))'; }

start_instance
works lan up -f new.yaml
new=$(names)
begin=${EPOCHREALTIME/./}
works lan up -f old.yaml
old=$(names)
[ "$old" = "n1 n2 n3" ] || fail "the old state is '$old'"
begin=${EPOCHREALTIME/./}
works lan up -f new.yaml
whole=$((${EPOCHREALTIME/./} - begin))
works lan up -f old.yaml
guest a n1
guest b n1
works dhcp a
stream_start a b "$(dhcp b)"

is_settled() { # either state, and nothing to repair
	local now
	now=$(names) && [[ $now == "$old" || $now == "$new" ]] && is_empty_plan
}
other() { [ "$1" = old ] && echo new || echo old; }
state=old
# cut MOMENT WHO: goes to the other state, and after MOMENT microseconds WHO dies
cut() {
	local victim rest code target
	target=$(other $state)
	case $2 in
	broker | executor) victim=$(process "$2") ;;
	esac
	lan up -f $target.yaml >up.out 2>&1 &
	up=$!
	read -rt "$(printf '%d.%06d' $(($1 / 1000000)) $(($1 % 1000000)))" rest </dev/zero
	case $2 in
	broker | executor) kill_hard "$victim" ;;
	# a function of ours in a process of its own: the program is its child
	interrupt) pkill -INT -P $up 2>/dev/null ;;
	client) pkill -KILL -P $up 2>/dev/null ;;
	esac
	wait $up 2>/dev/null
	code=$?
	[ $code = 0 ] || [ "$2" = client ] || [ "$2" = interrupt ] || has "one sentence" '^lanyard: .+' "$(tail -n 1 up.out)"
	supervise
	soon 30 "the old or the new state after the end of the $2 at $1 us" is_settled
	[ $code != 0 ] || is "what up has reported" "${!target}" "$(names)"
	works lan up -f $target.yaml
	is "all is there" "${!target}" "$(names)"
	is_empty_plan || fail "plan after the second up: $(lan plan)"
	state=$target
}
read -rt 0.001 _ </dev/zero
parts="1 4 8"
[ "$WORLD_WAY" != nested ] || parts=4 # the same code as for a user's instance
for who in broker executor interrupt client; do
	for part in $parts; do
		cut $((whole * part / 12 + RANDOM % (whole / 4))) $who
	done
	stream_moves "while the $who was killed"
done

# two at once, the same and different ones
for pair in "new.yaml new.yaml" "old.yaml new.yaml"; do
	read -r one other <<<"$pair"
	lan up -f "$one" >one.out 2>&1 &
	first=$!
	lan up -f "$other" >other.out 2>&1 &
	second=$!
	wait $first || fail "up of $one beside $other: $(cat one.out)"
	wait $second || fail "up of $other beside $one: $(cat other.out)"
	is_settled || fail "neither: $(names), $(lan plan)"
done
stream_end
kill "$pid_a" "$pid_b"
works lan down many
nothing_left

# what a broker that is killed while it writes definitions leaves is a note of all of them: the next one goes on by it
if [ $kind = --user ]; then
	networks=${XDG_STATE_HOME:-$HOME/.local/state}/lanyard/$instance/networks
	works lan net add one
	works lan net add two
	python3 -c 'import json, sys
print(json.dumps({"write": {n: open(f"{sys.argv[1]}/{n}.yaml").read() for n in ("one", "two")}, "remove": ["three"]}))' "$networks" >note
	works lan net remove one two
	nothing_left
	mkdir -p "$networks"
	cp note "$networks/all.yaml.change"
	echo half >"$networks/all.yaml.change.x1y2z3"
	is "the networks of the note" "one two" "$(names)"
	is "files after it" "one.yaml two.yaml" "$(cd "$networks" && echo *)"
	works lan net remove one two
	nothing_left
fi
