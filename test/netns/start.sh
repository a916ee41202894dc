#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: user nested
# A user instance starts by itself from anywhere and ends when nothing is left in it; two of them do not meet; where
# user namespaces are forbidden one sentence says so.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
runtime=$(runtime_folder)

# the first commands of a user come at once
for i in 1 2 3 4 5 6; do
	lan exec -- true >"list.$i" 2>&1 &
	lists[i]=$!
done
for i in 1 2 3 4 5 6; do wait "${lists[i]}" || fail "the first commands at once: $(cat "list.$i")"; done
nothing_left

# to look starts nothing
for verb in status "net list" "port list" "vm list" published plan "net check" "net leases"; do
	# shellcheck disable=SC2086 # two words
	works lan $verb
	is "processes after '$verb'" "" "$(pids_of lanyard-holder)"
done

# ends when the last thing goes, not before
works lan net add lab
works lan net add other
works lan net remove other
read -rt 1.5 _ </dev/zero # longer than an empty instance lives
[ -e "$runtime" ] || fail "the instance has ended with a network in it"
works lan net remove lab
nothing_left

# as from cron: no environment
bare() { env -i "$(command -v lanyard)" --user --instance "$instance" --no-color "$@"; }
account_home=$(getent passwd "$(id -u)" | cut -d: -f6)
if [ -w "$account_home" ]; then
	works bare net add lab
	works bare exec -- ip link show ly-lab
	works bare net remove lab
fi
home() { env -i HOME="$HOME" PATH=/usr/bin:/bin "$(command -v lanyard)" --user --instance "$instance" --no-color "$@"; }
works home net add lab
is "the same instance" "$(lan net list)" "$(home net list)"
works lan net remove lab

# with the session's folder
mkdir -m 700 session
XDG_RUNTIME_DIR=$folder/session works lan net add lab
[ -S "session/lanyard/$instance/broker.sock" ] || fail "not in XDG_RUNTIME_DIR: $(find session)"
XDG_RUNTIME_DIR=$folder/session works lan net remove lab
soon 15 "the end of the session's instance" test ! -e "session/lanyard/$instance"
# a session folder that is gone, as after su
XDG_RUNTIME_DIR=/run/user/no-such works lan net add lab
XDG_RUNTIME_DIR=/run/user/no-such works lan net remove lab

# a refused first command leaves nothing
nothing_left
printf 'networks:\n  lab: { ipv4: 10.20.0.1/24 }\n  clash: { ipv4: 10.20.0.1/16 }\n' >bad.yaml
refused 'overlap' lan up -f bad.yaml
refused 'no network' lan net show nobody
nothing_left

# a trap in the place of the runtime folder
rm -rf "/tmp/lanyard-$(id -u)"
mkdir trap
ln -s "$folder/trap" "/tmp/lanyard-$(id -u)"
refused "lanyard-$(id -u)" lan net list
is "nothing was written through the link" "" "$(ls trap)"
rm "/tmp/lanyard-$(id -u)"

# two instances side by side, the same names and addresses in both
mine=$instance
for instance in "$mine-a" "$mine-b"; do
	works lan net add lab ipv4=10.20.0.1/24
	guest "${instance##*-}" lab
	works on "${instance##*-}" ip addr add 10.20.0.50/24 dev eth0
	works on "${instance##*-}" ping -c 1 -W 3 10.20.0.1
done
instance=$mine-a
kill "$pid_a"
works lan net remove lab --force
soon 15 "the end of the first" test ! -e "$(runtime_folder)"
instance=$mine-b
works on b ping -c 1 -W 3 10.20.0.1
is_empty_plan || fail "the other instance's plan: $(lan plan)"
kill "$pid_b"
works lan net remove lab --force
nothing_left
instance=$mine

# forbidden user namespaces
forbidden() { unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' sh "$@"; }
if forbidden true 2>/dev/null; then
	output=$(forbidden lanyard --user --instance "$instance" --no-color net add lab 2>&1)
	is "the exit code of a refusal" 4 $?
	has "the remedy" '^lanyard: user namespaces.*sysctl .*max_user_namespaces' "$(head -n 1 <<<"$output")"
	nothing_left
fi
