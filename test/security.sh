#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What systemd-analyze says of the units, of their files alone: nothing that it does not understand, and no more exposure than was
# promised (0 is none, 10 all). What remains is justified in each unit, line by line.
source=$(cd "${1:-$(dirname "$0")/..}" && pwd) || exit 1
command -v systemd-analyze >/dev/null || { echo "systemd-analyze is not installed"; exit 77; }
systemd-analyze --help | grep -q -- --offline || { echo "this systemd-analyze looks at no files (older than 250)"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
cp "$source"/systemd/*.socket "$work/"
for unit in "$source"/systemd/*.service.in; do
	# the programs need not be installed for this
	sed -E 's#^(ExecStart=)@[a-z]+@/[^ ]+#\1/bin/true#; s#@[a-z]+@#/usr/libexec#g' "$unit" >"$work/$(basename "$unit" .in)"
done
cd "$work" || exit 1
# limit UNIT EXPOSURE: at most
limit() {
	local figure
	figure=$(systemd-analyze security --offline=true --no-pager "./$1.service" | sed -nE 's/^.*: ([0-9]+\.[0-9]) .*$/\1/p' | tail -n 1)
	awk -v a="${figure:-10}" -v b="$2" 'BEGIN { exit !(a <= b) }' && return
	echo "$1.service: exposure ${figure:-unknown}, at most $2 was promised"
	failed=1
}
limit lanyardd 1.0
limit lanyard-executor 2.8
limit lanyard-publish@ 2.0
limit lanyard-steward 2.8
for unit in *.service *.socket; do
	[[ $unit != *@.* ]] || unit=${unit/@/@1}
	said=$(SYSTEMD_UNIT_PATH=$work: systemd-analyze verify --man=no --recursive-errors=no "./$unit" 2>&1 | grep -F "$work/")
	[ -z "$said" ] || { echo "$unit: $said"; failed=1; }
done
# each way out of the list stands beside its reason
for unit in "$source"/systemd/*.service.in; do
	for key in PrivateNetwork PrivateUsers; do
		grep -qE "^# Exception.*$key|^$key=yes" "$unit" || { echo "${unit##*/}: no word on $key="; failed=1; }
	done
done
exit $failed
