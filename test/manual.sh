#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The manual pages are well-formed and complete: every key of the schema tables is in lanyard.yaml(5), those of the
# policy in lanyard-policy.yaml(5), every verb of the verb tables and its options in lanyard(1), every method of the
# interface in lanyard-varlink(7); every program and page has its place. (EXAMPLES are run by test/netns/manual.py and
# test/vm/readme.sh.)
cd "${1:-$(dirname "$0")/..}" || exit 1
failed=0
mandoc -Tlint -W warning man/*.[1-8] || failed=1
need() {
	grep -qE -- "$1" "$2" && return
	echo "$2: nothing about $3"
	failed=1
}
while read -r program; do
	[ -f "man/$program.1" ] || [ -f "man/$program.8" ] || need "^\.Nm $program( ,)?\$" man/lanyardd.8 "the program $program"
done < <(sed -n "/^programs = /,/^]/s/^  \['\([a-z-]*\)', 'src.*/\1/p" meson.build)
for page in man/*.[1-8]; do
	grep -q "'$page'" meson.build || { echo "$page is not installed"; failed=1; }
	grep -q '^\.Sh EXAMPLES' "$page" || { echo "$page: no EXAMPLES"; failed=1; }
done
# keys PAGE FILE...
keys() {
	local page=$1 key
	shift
	while read -r key; do
		need "^\.It Cm $key\$" "$page" "the key $key"
	done < <(awk '/\.key = "/ { if (k) print k; match($0, /\.key = "[^"]*"/); k = substr($0, RSTART + 8, RLENGTH - 9) }
		/read_only = true/ { k = "" } END { if (k) print k }' "$@" | sort -u)
}
keys man/lanyard-policy.yaml.5 src/model/policy_schema.c
mapfile -t labs < <(printf '%s\n' src/model/{lab,machine,proxy}.c src/model/*_schema.c | grep -v policy_schema)
keys man/lanyard.yaml.5 "${labs[@]}"
while read -r method; do
	need "(^\.It Cm|,) ?$method( |\$)|Cm $method( ,|\$)| , $method( |\$)" man/lanyard-varlink.7 "the method $method"
done < <(sed -n 's/^method \([A-Za-z]*\).*/\1/p' src/ipc/io.lanyard.varlink)
# every check of doctor, whether it may be mended, and no other
checks=$(tr '\n' ' ' < <(cat src/diagnosis/doctor_*.c) | grep -oE '\{"[A-Z]+-[0-9]+",([^{}]*)\}' |
	sed -nE 's/^\{"([A-Z]+-[0-9]+)",.*[,[:space:]](true|false),[[:space:]]*(true|false),[^,]*\}$/\1 \2/p' | sed 's/ true/ No (mendable)/; s/ false//' | sort)
diff <(sed -nE 's/^\.It Cm ([A-Z]+-[0-9]+)/\1/p' man/lanyard-doctor.8 | sort) <(echo "$checks") || {
	echo "man/lanyard-doctor.8: not the checks of doctor"
	failed=1
}
if [ -x "${LANYARD_BUILD:-}/lanyard" ]; then
	while read -r first second; do
		need "Cm (.* , )?$first( $second)?( |\$)" man/lanyard.1 "the verb $first $second"
	done < <("$LANYARD_BUILD/lanyard" help | awk '/^[A-Z]/ { on = !/^(Plugs|Options|Exit codes)/ }
		on && /^  [a-z]/ { print $1, $2 ~ /^[a-z]+$/ && ($1 == "vm" || $1 == "net" || $1 == "port" || $1 == "seat" || $1 == "uplink") ? $2 : "" }')
	# every option of every verb, in that verb's line of the page
	# shellcheck disable=SC2086 # a verb is one word or two
	while read -r verb; do
		line=$(grep -E "^\.It Cm $verb( |\$)" man/lanyard.1)
		while read -r letter word; do
			[[ $line == *"Fl Fl $word"* || ( -n $letter && $line == *"Fl ${letter#-}"* ) ]] || {
				echo "man/lanyard.1: '$verb' without --$word"
				failed=1
			}
		done < <("$LANYARD_BUILD/lanyard" help $verb </dev/null |
			sed -nE 's/^ +(-[a-z])?,? *--([a-z-]+).*/\1 \2/p' | sed 's/^ /- /')
	done < <(sed -nE 's/^\.It Cm (([a-z]+)( [a-z]+)?)( .*)?$/\1/p' man/lanyard.1 | sort -u)
fi
exit $failed
