#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The README's demo: two real machines, and everybody reaches everybody. What it printed is checked line by line.
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
            [(me, to, how) for to in ("gateway", "outside") for how in ("ipv4", "ipv6")] + [("host", me, "tcp")]:
        assert rows.get(key) is True, key
PY
left=$(pgrep -u "$(id -u)" -l 'lanyard|qemu' || true)
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	[ -n "$left" ] || break
	sleep 0.5
	left=$(pgrep -u "$(id -u)" -l 'lanyard|qemu' || true)
done
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
