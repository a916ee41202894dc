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
[ ! -e /etc/apparmor.d/abi/4.0 ] || { render 4.0 userns, >"$work/lanyard"; parse "$work/lanyard"; }
grep -q "profile lanyard-holder /usr/libexec/lanyard/lanyard-holder" "$work/lanyard"
