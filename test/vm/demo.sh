#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The README's demo: two real machines, and everybody reaches everybody. What it printed is checked line by line;
# so is what it says, and leaves, when it is interrupted or comes to nothing.
set -u
source=${LANYARD_SOURCE:?run me by test/run}
output=$("$source/share/demo/run" --json --build "$LANYARD_BUILD")
rc=$?
echo "$output"
[ $rc = 0 ] || exit 1
python3 - "$output" <<'PY' || exit 1
import json, sys
answer = json.loads(sys.argv[1])
assert answer["ok"] is True, answer
assert answer["seconds"] > 0 and answer["accel"] in ("kvm", "tcg"), answer
rows = {(r["from"], r["to"], r["how"]): r["ok"] for r in answer["reach"]}
for me, other in (("web", "db"), ("db", "web")):
    for key in [(me, other, how) for how in ("ipv4", "ipv6", "name", "tcp")] + \
            [(me, to, how) for to in ("gateway", "outside") for how in ("ipv4", "ipv6")] + \
            [(me, "gateway", "name"), ("host", me, "tcp")]:
        assert rows.get(key) is True, key
PY
gone() {
	for _ in $(seq 30); do
		left=$(for name in lanyard qemu dnsmasq pasta; do pgrep -u "$(id -u)" -l $name; done)
		[ -n "$left" ] || return 0
		sleep 0.5
	done
	echo "left behind $1: $left"
	exit 1
}
gone "after the demo"

# Ctrl-C, to all of it as a terminal does, while the machines boot.
log=$(mktemp)
set -m
"$source/share/demo/run" --json --keep --build "$LANYARD_BUILD" >"$log.out" 2>"$log" &
demo=$!
set +m
for _ in $(seq 300); do
	! grep -q 'Both machines are started' "$log" || break
	sleep 0.1
done
kill -INT -$demo
wait $demo
rc=$?
[ $rc = 130 ] || { echo "exit code after Ctrl-C: $rc"; cat "$log"; exit 1; }
is_failure() {
	python3 - "$1" "$(cat "$log.out")" <<-'PY'
		import json, sys
		answer = json.loads(sys.argv[2])
		assert answer["ok"] is False and answer["reach"] == [] and sys.argv[1] in answer["error"], answer
	PY
}
is_failure interrupted || exit 1
gone "after Ctrl-C"

# What cannot come to anything: one object all the same, and exit code 1.
printf 'networks: { lab: { mode: nonsense } }\n' >"$log.yaml"
"$source/share/demo/run" --json --build "$LANYARD_BUILD" --lab "$log.yaml" >"$log.out" 2>"$log" && { echo "a bad lab went well"; exit 1; }
is_failure "lanyard up failed" || { cat "$log"; exit 1; }
gone "after a failure"
rm -f "$log" "$log".*
exit 0
