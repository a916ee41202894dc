#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every .c file is in one list of the build (src/LAYER/meson.build, or the tables of the top one), and
# every script of a suite can be run.
cd "${1:-$(dirname "$0")/..}" || exit 1
failed=0
complain() {
	echo "$1"
	failed=1
}
for file in src/*/*.c; do
	folder=${file%/*} name=${file##*/}
	if grep -q '^int main(' "$file"; then
		grep -q "'$file'" meson.build || complain "$file: has main() and is no program of meson.build"
	else
		[ "$(grep -c "'$name'" "$folder/meson.build")" = 1 ] || complain "$file: is not in $folder/meson.build"
	fi
done
for file in test/{unit,golden,netns,vm,fuzz}/*.c; do
	[ -f "$file" ] || continue
	suite=${file#test/} name=${file##*/}
	tr -d '\n' <meson.build | grep -qE "'${suite%%/*}': \\[[^]]*'${name%.c}'" || complain "$file: is not in the table of tests of meson.build"
done
for file in test/{unit,golden,netns,vm}/*; do
	case ${file##*/} in
	lib*) continue ;;
	esac
	[ -f "$file" ] && head -c 2 "$file" | grep -q '#!' && ! [ -x "$file" ] && complain "$file: is not executable"
done
exit $failed
