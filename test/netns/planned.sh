#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user
# A change that is to come: until then leases are short, so that machines that see no carrier ask again soon after it;
# it comes even when the broker was killed meanwhile, and one that is not possible any more is forgotten.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
start_instance
works lan net add lab ipv4=10.20.0.1/24 ipv6=none
guest a lab
printf '#!/bin/sh\n[ "$1" != bound ] || echo "$ip $lease"\n' >"$folder/show"
chmod +x "$folder/show"
lease() { on a busybox udhcpc -i eth0 -s "$folder/show" -n -q -f -t 5 -T 1 2>/dev/null; }
key() { lan net show lab --json | python3 -c 'import json,sys; print(json.load(sys.stdin).get(sys.argv[1], ""))' "$1"; }
has "a lease" '^10\.20\.0\.[0-9]+ 3600$' "$(lease)"

refused 'no network' lan net set --after 1h lab peers=nobody
refused 'is not understood|write' lan net set --after soon lab mtu=1400
has "dry run" 'change service on ly-lab' "$(lan net set --dry-run --after 1h lab ipv4=10.30.0.1/24)"
is "nothing planned by a dry run" "" "$(key planned)"
output=$(lan net set --after 8s lab ipv4=10.30.0.1/24 2>&1)
has "what comes" 'network lab changes in 8 s; its leases are short until then' "$output"
has "what to know" 'an address for 1h ask again when half of it is over' "$output"
is "not yet" 10.20.0.1/24 "$(key ipv4)"
is "what is planned" '{"ipv4":"10.30.0.1/24"}' "$(key planned)"
has "a short lease" '^10\.20\.0\.[0-9]+ 120$' "$(lease)"
is_empty_plan || fail "the plan is not empty while a change is planned: $(lan plan)"
kill_hard "$(process broker)"
supervise
works lan net list
is_now() { [ "$(key ipv4)" = "$1" ]; }
soon 20 "the planned change" is_now 10.30.0.1/24
is "nothing is planned any more" "" "$(key planned)$(key planned_at)"
has "what is leaving" '10\.20\.0\.1/24 until' "$(key leaving)"
has "when, for people" '^leaving: +10\.20\.0\.1/24 until [0-9-]{10} [0-9:]{8}$' "$(lan net show lab)"
has "a lease of the usual length" '^10\.30\.0\.[0-9]+ 3600$' "$(lease)"

# a change at once takes its place; one that is not possible any more is forgotten
works lan net set --after 1h lab ipv4=10.40.0.1/24
works lan net set lab domain=school.internal
is "what was planned" "" "$(key planned)"
works lan net set --after 2s lab ipv4=10.50.0.1/24
works lan net add other ipv4=10.50.0.1/24 ipv6=none
is_forgotten() { [ -z "$(key planned)" ]; }
soon 15 "the end of a plan that cannot be" is_forgotten
is "as before" 10.30.0.1/24 "$(key ipv4)"
has "a lease of the usual length" '^10\.30\.0\.[0-9]+ 3600$' "$(lease)"
is_empty_plan || fail "the plan is not empty at the end: $(lan plan)"
kill "$pid_a"
works lan net remove --force lab other
