#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs shellcheck over every shell script of the tree, found by its first line.
cd "${1:-$(dirname "$0")/..}" || exit 1
scripts=$(grep -rlE --exclude-dir=.git --exclude-dir=build '^#!/bin/(ba)?sh' . |
	while read -r f; do head -1 "$f" | grep -qE '^#!/bin/(ba)?sh' && echo "$f"; done)
# SC1090/SC1091: sourced files are checked by themselves; SC2086/SC2046: word splitting is used on purpose
# for lists of options; SC2154: variables that a sourced file sets; SC3043: `local` is in every shell that we run on; SC2317: functions that traps call.
# shellcheck disable=SC2086
exec shellcheck -S warning -e SC1090,SC1091,SC2086,SC2046,SC3043,SC2317,SC2154 $scripts
