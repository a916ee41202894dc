#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# kill -9 of every process under running traffic: it does not stop, the instance is found again and repaired, and
# nothing is left after down.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

cat >lanyard.yaml <<'YAML'
name: faults
networks:
  lab: { ipv4: 10.20.0.1/24 }
YAML
start_instance
works lan up
guest a lab
guest b lab
works dhcp a
b4=$(dhcp b)
soon 10 "IPv6 on a" has_global a
soon 10 "IPv6 on b" has_global b
stream_start a b "$b4" "$(address6 b)"
outside() { on a wget -qO- -t 1 -T 2 "http://$WORLD_NET4/"; }
works outside

# healthy WHEN
healthy() {
	stream_moves "$1"
	soon 10 "an empty plan $1" is_empty_plan
	works dhcp b
	is "the address $1" "$b4" "$(cat "$folder/b.lease")"
}
# replaced ROLE OLD: another one has taken its place
replaced() {
	local now
	now=$(process "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}
answers() { on b busybox nslookup b.lab.internal 10.20.0.1; }
other_dnsmasq() {
	local now
	now=$(dnsmasq_pids)
	[ -n "$now" ] && [ "$now" != "$1" ]
}

for role in broker executor holder pasta; do
	pid=$(process $role)
	if [ -z "$pid" ]; then
		[ $kind = --system ] || [ $role = pasta ] || fail "no $role"
		continue
	fi
	kill_hard "$pid"
	stream_moves "without its $role"
	supervise
	works lan status # by hand or by itself: somebody finds the instance
	soon 10 "another $role" replaced $role "$pid"
	healthy "after the death of its $role"
	soon 10 "the world outside after the death of the $role" outside
done

# dnsmasq: back soon (within a second on an idle computer)
for _ in 1 2 3; do
	old=$(dnsmasq_pids)
	# shellcheck disable=SC2086
	kill_hard $old
	soon 5 "another dnsmasq" other_dnsmasq "$old"
	soon 5 "an answer of it" answers
done
healthy "after the death of its dnsmasq"

# broker and executor together
# shellcheck disable=SC2046
kill_hard $(process broker) $(process executor)
supervise
works lan status
healthy "after the death of broker and executor"

stream_end
kill "$pid_a" "$pid_b"
works lan down
nothing_left
