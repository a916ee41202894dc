#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line without an instance: every usage error with its sentence and exit code (cli.cases: exit code,
# words, sentence, with tabs between), the help texts (cli.help), the completion. With --write the help texts are
# written anew.
set -u
here=$(cd "$(dirname "$0")" && pwd)
lanyard=${LANYARD_BUILD:?run me by test/run}/lanyard
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export LANYARD_RUNTIME_DIR=$work/run LANYARD_STATE_DIR=$work/state XDG_CACHE_HOME=$work/cache
unset LANYARD_ACCEL
failed=0
complain() {
	echo "$*"
	failed=1
}

# is_json CONDITION TEXT ARGUMENT...: the text is exactly one JSON value, for which this is true.
is_json() {
	python3 -c 'import json, sys; value = json.loads(sys.argv[2]); sys.exit(not eval(sys.argv[1]))' "$@" 2>/dev/null
}

helps() {
	local verb
	"$lanyard" help
	for verb in up down status plan net port seat vm ssh exec connect publish unpublish published \
		help version completion setup "net add" "net list" "net show" "net set" "net remove" \
		"net leases" "net reserve" "net unreserve" "net check" "port add" "port list" \
		"port show" "port set" "port remove" "seat add" "seat list" "seat show" "seat remove" "vm list" "vm show" "vm start" "vm stop" \
		"vm restart" "vm console" "vm ssh" "vm remove" can-i doctor why; do
		echo "--- help $verb"
		# shellcheck disable=SC2086 # two words
		"$lanyard" help $verb
	done
}

if [ "${1:-}" = --write ]; then
	helps >"$here/cli.help"
	exit
fi

mkdir "$work/empty" && cd "$work/empty" || exit 1
while IFS=$'\t' read -r code words sentence; do
	case $code in '' | '#'*) continue ;; esac
	# shellcheck disable=SC2086 # words
	said=$(eval "$lanyard --user $words" 2>&1 >/dev/null </dev/null)
	got=$?
	[ "$got" = "$code" ] || complain "lanyard $words: exit code $got, expected $code"
	[ "$said" = "lanyard: $sentence" ] || complain "lanyard $words:
  said     $said
  expected lanyard: $sentence"
	# shellcheck disable=SC2086
	json=$(eval "$lanyard --user --json $words" 2>/dev/null </dev/null)
	printf '%s\0' "$words" "$code" "$sentence" "$json" >>"$work/json"
done <"$here/cli.cases"

# All of them as JSON, at once.
python3 - "$work/json" <<'PYTHON' || complain "--json (above)"
import json, sys
fields, bad = open(sys.argv[1]).read().split("\0")[:-1], 0
for words, code, sentence, text in zip(*[iter(fields)] * 4):
    try:
        assert json.loads(text) == {"errors": [{"exit": int(code), "message": sentence}]}
    except (AssertionError, ValueError):
        print(f"lanyard --json {words}:", text)
        bad = 1
sys.exit(bad)
PYTHON

# Also where --json comes after the mistake.
is_json 'value["errors"][0]["exit"] == 2' "$("$lanyard" --user frobnicate --json 2>/dev/null)" || complain "a late --json"
is_json 'len(value["verbs"]) > 5' "$("$lanyard" --user help net --json)" || complain "help --json"
is_json 'value["script"].startswith("# SPDX")' "$("$lanyard" completion --json)" || complain "completion --json"
[ "$("$lanyard" --system --instance none status 2>&1 >/dev/null; echo $?)" = "lanyard: no system instance answers on \
$LANYARD_RUNTIME_DIR/none/broker.sock; start it as root (lanyardd(8)), or use --user
3" ] || complain "a system instance that is not there"

helps >"$work/help"
diff -u "$here/cli.help" "$work/help" || complain "the help texts differ (test/golden/cli.sh --write)"

# Every verb that help lists explains itself, by both ways.
while read -r verb; do
	# shellcheck disable=SC2086
	[ "$("$lanyard" $verb --help)" = "$("$lanyard" help $verb)" ] || complain "$verb: --help is not help"
done < <(sed -n 's/^--- help //p' "$here/cli.help")

[ "$("$lanyard" completion)" = "$("$lanyard" completion bash)" ] || complain "bash is not the default of completion"
for shell in bash zsh fish; do
	"$lanyard" completion $shell | diff -u "$here/../../completion/lanyard.$shell" - || complain "completion $shell differs"
done

# What bash would offer at the end of a line (test/netns/completion.py does it by a real one).
complete_line() {
	local -a COMPREPLY=()
	local COMP_LINE="$*"
	local COMP_POINT=${#COMP_LINE}
	_lanyard
	echo "${COMPREPLY[*]}"
}
# shellcheck disable=SC2317 # called by the completion
compopt() { :; }
# shellcheck disable=SC1091
. "$here/../../completion/lanyard.bash"
expect() {
	local expected=$1 got
	shift
	got=$(complete_line "$lanyard" "$@")
	[ "$got" = "$expected" ] || complain "completing '$*': '$got', expected '$expected'"
}
expect "net" ne
expect "up uplink unpublish" u
expect "show start stop ssh" vm s
expect "--force" vm stop --fo
expect "mode=" net add lab mo
expect "nat" net set lab mode=na
expect "--system" --sys
expect "" net list x
touch lanyard.yaml
expect "lanyard.yaml" up -f la
expect "" vm start ""
expect "bash zsh fish" completion ""
expect "--class" setup --cl

# Messages are one line without an escape in them; nothing was started or written.
for folder in "$work/run" "$work/state" "$work/cache"; do
	[ ! -e "$folder" ] || complain "files were made: $(find "$folder")"
done
[ "$("$lanyard" --version)" = "$("$lanyard" version)" ] || complain "--version is not version"
"$lanyard" help >/dev/full 2>/dev/null && complain "a full disk is no success"
exit $failed
