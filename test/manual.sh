#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The manual pages are well-formed and complete: every key of the schema tables is in lanyard.yaml(5), every verb of
# the verb tables in lanyard(1), every method of the interface in lanyard-varlink(7).
cd "${1:-$(dirname "$0")/..}" || exit 1
failed=0
mandoc -Tlint -W warning man/*.[1-8] || failed=1
need() {
	grep -qE -- "$1" "$2" && return
	echo "$2: nothing about $3"
	failed=1
}
while read -r key; do
	need "^\.It Cm $key\$" man/lanyard.yaml.5 "the key $key"
done < <(awk '/\.key = "/ { if (k) print k; match($0, /\.key = "[^"]*"/); k = substr($0, RSTART + 8, RLENGTH - 9) }
	/read_only = true/ { k = "" } END { if (k) print k }' src/model/machine.c src/model/*_schema.c | sort -u)
while read -r method; do
	need "(^\.It Cm|,) ?$method( |\$)|Cm $method( ,|\$)| , $method( |\$)" man/lanyard-varlink.7 "the method $method"
done < <(sed -n 's/^method \([A-Za-z]*\).*/\1/p' src/ipc/io.lanyard.varlink)
if [ -x "${LANYARD_BUILD:-}/lanyard" ]; then
	while read -r first second; do
		need "Cm (.* , )?$first( $second)?( |\$)" man/lanyard.1 "the verb $first $second"
	done < <("$LANYARD_BUILD/lanyard" help | awk '/^[A-Z]/ { on = /^(Labs|Machines|Networks|Ports|Reaching in|About)/ }
		on && /^  [a-z]/ { print $1, $2 ~ /^[a-z]+$/ && ($1 == "vm" || $1 == "net" || $1 == "port") ? $2 : "" }')
fi
exit $failed
