#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the README says about the first ten minutes, and the EXAMPLES of the manual pages, as they are written: the
# commands are taken out of the texts, so that these cannot rot.
# shellcheck source=test/netns/lib.sh
. "${LANYARD_SOURCE:?run me by test/run}/test/netns/lib.sh"
folder=$PWD
# As a user has it: the default instance, a checkout with the programs in build/.
# shellcheck disable=SC2034 # lib.sh reads it
instance=default
export LANYARD_ACCEL=${LANYARD_ACCEL:-tcg}
trap 'lan down --force >/dev/null 2>&1' EXIT
mkdir checkout && cp -r "$LANYARD_SOURCE/doc" "$LANYARD_SOURCE/README.md" "$LANYARD_SOURCE/man" checkout/ &&
	ln -s "$LANYARD_BUILD" checkout/build && cd checkout || fail "no checkout"
checkout=$PWD
PATH=${PATH#"$LANYARD_BUILD:"}

# blocks TEXT: the fenced blocks of the first ten minutes, TEXT being what stands behind the fence
blocks() {
	awk -v kind="$1" '/^## /{ on = /first ten minutes/ } !on { next }
		/^```/ { if (!inside && $0 == "```" kind) { take = 1 } else { take = 0 } inside = !inside; next }
		take { print }' "$checkout/README.md"
}

# examples PAGE: the literal displays of a page's EXAMPLES
examples() {
	awk '/^\.Sh /{ on = /EXAMPLES/ } on && /^\.Bd/ { take = 1; next } /^\.Ed/ { take = 0 } take { gsub(/\\e/, "\\"); print }' "$1"
}

# Each line by itself, in one shell, nothing typed in. Says which line failed.
run_lines() {
	local line
	while IFS= read -r line <&9; do
		echo "\$ $line" >>"$folder/transcript"
		eval "$line" </dev/null >>"$folder/transcript" 2>&1 || fail "'$line' (exit $?)"
	done 9<<<"$1"
}
said() { grep -qE -- "$1" "$folder/transcript" || { cat "$folder/transcript"; fail "nothing like '$1' was said"; }; }
fail() {
	echo "FAILED: $*"
	[ ! -f "$folder/transcript" ] || tail -n 30 "$folder/transcript"
	exit 1
} >&2

commands=$(blocks sh)
[ "$(wc -l <<<"$commands")" -ge 15 ] || fail "the README's commands were not found"
run_lines "$(sed '/^echo .*>>lanyard.yaml/,$d' <<<"$commands")"
said 'web .*running'
said '1 packets transmitted, 1 packets received'
said 'I am web'
said 'I am db'
said '^ly-lab '
before=$(lanyard vm show web --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')

# The Tab key, as a user in the running instance.
completes() {
	local expected=$1 found
	shift
	found=$(lanyard complete-words $(($# - 1)) -- "$@" | paste -sd ' ')
	[ "$found" = "$expected" ] || fail "completion of '$*': '$found' instead of '$expected'"
}
completes 'db web' lanyard ssh ''
completes 'web' lanyard vm stop w
completes 'lab' lanyard net show ''
completes 'printer' lanyard net unreserve lab p
completes '8080' lanyard unpublish ''

# ssh by itself; it takes ~ from the account, the test's home is another.
blocks '' | sed -n '/^Host /,$p' | sed "s#~/#$HOME/#" >config
ssh -F config -o BatchMode=yes web hostname </dev/null >name 2>&1 || fail "ssh by the README's configuration: $(cat name)"
is "ssh by the README's configuration" web "$(tail -n 1 name | tr -d '\r')"

run_lines "$(sed -n '/^echo .*>>lanyard.yaml/,/--dry-run/p' <<<"$commands")"
said '\+.*mail|start.*mail|mail.*start'
run_lines "$(sed -n '/--dry-run/,/^lanyard up/p' <<<"$commands" | sed 1d)"
is "web's process" "$before" "$(lanyard vm show web --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')"
run_lines "$(sed -n '/^lanyard vm stop mail/,$p' <<<"$commands")"
is "machines in the end" '[]' "$(lanyard vm list --json)"

# QEMU by hand: the dots become the kernel of the tiny image.
image=${XDG_CACHE_HOME:-$HOME/.cache}/lanyard/images/tiny
# shellcheck disable=SC2034 # $append stands in what is put in place of the dots
append=$(cat "$image/append")
hand=$(blocks '' | sed '/^Host /,$d' | sed 's#\.\.\.#-machine q35,accel=tcg -kernel $image/kernel -initrd $image/initrd -append "$append"#')
[[ $hand == *qemu-system* ]] || fail "the README's QEMU was not found"
(eval "$hand") </dev/null >plain.log 2>&1 &
soon 60 "QEMU by the README has an address" grep -qa 'lanyard: ready .* 10\.' plain.log
pkill -P $! qemu-system || kill $!
soon 10 "the network can go" lanyard net remove lab

# The manual pages.
run_lines "$(examples "$checkout"/man/lanyard.1)"
# the first file brings machines up, the others are read
examples "$checkout"/man/lanyard.yaml.5 | awk '/^networks:/ { number++ } { print >("example" number ".yaml") }'
for example in example?.yaml; do
	has "lanyard.yaml(5)" 'machines:' "$(cat "$example")"
	works lanyard up --dry-run -f "$example"
done
is "examples of lanyard.yaml(5)" 2 "$(find . -name 'example?.yaml' | wc -l)"
mv example1.yaml lanyard.yaml
works lanyard up --wait
is "the address of lanyard.yaml(5)" 'ok' "$(lanyard ssh web 'ip -4 addr | grep -q "10.20.0.10/" && echo ok' </dev/null | tr -d '\r')"
works lanyard down
exit 0
