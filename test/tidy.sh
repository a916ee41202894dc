#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# clang-tidy over src/ with the checks of .clang-tidy. SOURCE [BUILD]: BUILD has the compile commands of SOURCE.
cd "${1:-$(dirname "$0")/..}" || exit 1
build=${2:-${LANYARD_BUILD:-build}}
[ -f "$build/compile_commands.json" ] || { echo "$build: no compile_commands.json (a build folder of meson)"; exit 77; }
clang-tidy -p "$build" --quiet --dump-config >/dev/null || exit 1
# gcc's own options in a build by gcc; the count of suppressed warnings is no news
printf '%s\0' src/*/*.c | xargs -0 -P "$(nproc)" -n 4 clang-tidy -p "$build" --quiet \
	--extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument \
	2> >(grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header-filter|^\[[0-9]+/[0-9]+\] Processing' >&2)
