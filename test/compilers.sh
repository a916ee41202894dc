#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Everything compiles as a release with gcc and with clang, warnings as errors. SOURCE [FOLDER]: the builds are kept
# in FOLDER and go on from there the next time.
source=$(cd "${1:-$(dirname "$0")/..}" && pwd) || exit 1
folder=${2:-$(mktemp -d /var/tmp/lanyard-compilers.XXXXXX)}
[ -n "${2:-}" ] || trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder" || exit 1
lacking=''
for compiler in gcc clang; do
	command -v $compiler >/dev/null || { lacking=$compiler; continue; }
	build=$folder/$compiler
	CC=$compiler meson setup $([ -f "$build/build.ninja" ] && echo --reconfigure) "$build" "$source" \
		-Dbuildtype=release -Dwerror=true >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
	ninja -k 0 -C "$build" >"$folder/log" 2>&1 || { grep -vE '^\[[0-9]+/' "$folder/log"; exit 1; }
done
[ -z "$lacking" ] || { echo "no $lacking here"; exit 77; }
