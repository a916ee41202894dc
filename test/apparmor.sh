#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The AppArmor profiles as the parser that is here reads them. SOURCE: the tree.
source=$(cd "${1:-$(dirname "$0")/..}" && pwd) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
render() { # VERSION ABI USERNS
	sed -e "s#@abi@#abi <abi/$1>,#" -e "s#@userns@#$2#" -e 's#@libexecdir@#/usr/libexec/lanyard#' "$source/apparmor/lanyard.in"
}
parse() {
	apparmor_parser --skip-kernel-load --skip-cache --warn=all "$1" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}
[ -e /etc/apparmor.d/abi/3.0 ] || { echo "the rules of AppArmor's own files are not there"; exit 77; }
render 3.0 '' >"$work/lanyard"
parse "$work/lanyard"
if [ -e /etc/apparmor.d/abi/4.0 ]; then
	# for a kernel that mediates user namespaces, whatever this one does: the rule is in what it is given
	for rule in '' 'userns,'; do
		render 4.0 "$rule" >"$work/lanyard"
		parse "$work/lanyard"
		apparmor_parser --skip-kernel-load --skip-cache --kernel-features /etc/apparmor.d/abi/4.0 --stdout "$work/lanyard" >"$work/with-$rule"
	done
	! cmp -s "$work/with-" "$work/with-userns," || { echo "the rule for user namespaces says nothing"; exit 1; }
fi
grep -q "profile lanyard-holder /usr/libexec/lanyard/lanyard-holder" "$work/lanyard"
