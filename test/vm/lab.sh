#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A lab's life with real machines: up twice, an edit with machines running, one machine that cannot start, two
# commands at once, Ctrl-C, bad input.
# shellcheck source=test/netns/lib.sh
. "${LANYARD_SOURCE:?run me by test/run}/test/netns/lib.sh"
trap 'lan down --force >/dev/null 2>&1; rm -rf "$folder"' EXIT

lab() {
	cat >lanyard.yaml <<-YAML
		name: vmlab
		networks:
		  lab: { mode: nat }
		  quiet: { mode: isolated }
		machines:
		$(printf '  %s\n' "$@")
	YAML
}
web='web: { image: tiny, memory: 96M, nics: [ { network: lab } ] }'
db='db: { image: tiny, memory: 96M, nics: [ { network: lab } ] }'
pid_of() { lan vm show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin).get("pid", 0))'; }
has_ports() { [ "$(lan port list --json | grep -c '"id"')" = "$1" ]; }
state_of() { lan vm show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["state"])'; }

# Bad input is named before anything is changed.
lab "$web" 'db: { image: /nowhere.qcow2, nics: [ { network: lab } ] }'
refused "machine 'db': image /nowhere.qcow2: No such file" lan up
lab "$web" 'db: { image: tiny, memory: 32M, nics: [ { network: lab } ] }'
refused 'lanyard.yaml:[0-9]+:[0-9]+: .*64' lan up
lab "$web" 'db: { image: tiny, nics: [ { network: lob } ] }'
refused 'lanyard.yaml:[0-9]+:[0-9]+: .*lob' lan up
is "machines after bad input" '[]' "$(lan vm list --json)"

# Up, and up again.
lab "$web" "$db"
works lan up --wait
first=$(pid_of web)
has "second up" 'nothing was to do' "$(lan up 2>&1)"
is "web's process after the second up" "$first" "$(pid_of web)"
refused 'runs already' lan vm start web
lan vm start web 2>/dev/null
is "exit code of a second start" 5 $?

# An edit: db goes, extra comes, web stays as it is; more memory takes effect by a restart.
lab "$web" 'extra: { image: tiny, memory: 96M, nics: [ { network: lab }, { network: quiet, rate_out: 20mbit } ] }'
works lan up --wait
is "rates of extra's ports" "lab None, quiet 20mbit" "$(lan port list --json | python3 -c 'import json,sys; print(*sorted(p["network"] + " " + str(p.get("rate_out")) for p in json.load(sys.stdin) if p["machine"] == "extra"), sep=", ")')"
is "web's process after the edit" "$first" "$(pid_of web)"
refused "there is no machine 'db'" lan vm show db
lab "${web/96M/112M}" 'extra: { image: tiny, memory: 96M, nics: [ { network: lab }, { network: quiet, rate_out: 20mbit } ] }'
has "a changed machine" "takes effect after 'lanyard vm restart web'" "$(lan up 2>&1)"
is "web's state" changed "$(state_of web)"
works lan vm restart web --wait
is "web's state after the restart" running "$(state_of web)"
is "vm stop for scripts" 'stop extra True' "$(lan vm stop extra --json | python3 -c 'import json,sys; d = json.load(sys.stdin); print(d["operation"], d["machine"], d["changed"])')"
is "extra's state" stopped "$(state_of extra)"

# One that fails does not stop the others, and is named.
lab "$web" "$db" 'bad: { image: tiny, nics: [ { network: lab } ], arguments: [ "-nonsense" ] }'
output=$(lan up 2>&1)
is "exit code with a machine that fails" 1 $?
has "the reason" "machine 'bad': QEMU: .*nonsense" "$output"
is "db beside it" running "$(state_of db)"

# Two at once: the second waits, and has nothing to do.
lab "$web" "$db"
works lan down
lan up >first.log 2>&1 &
lan up >second.log 2>&1 || fail "the second up: $(cat second.log)"
wait $! || fail "the first up: $(cat first.log)"
grep -q 'waiting for another lanyard' first.log second.log || fail "neither waited: $(cat first.log second.log)"
has "the one that waited" 'nothing was to do' "$(cat first.log second.log)"

# Ctrl-C anywhere: what is there is whole, and the next command goes on.
for delay in 0.02 0.08 0.3; do
	works lan down --force
	timeout -s INT "$delay" lanyard $kind --instance "$instance" --json up >up.json 2>/dev/null
	[ ! -s up.json ] || python3 -m json.tool up.json >/dev/null || fail "no JSON after Ctrl-C at $delay s: $(cat up.json)"
	works lan up
	is_empty_plan || fail "the plan is not empty after Ctrl-C at $delay s: $(lan plan)"
	is "web after Ctrl-C at $delay s" running "$(state_of web)"
	has_ports 2 || fail "ports after Ctrl-C at $delay s: $(lan port list)"
done

# Nothing is left.
works lan down
is "machines after down" '[]' "$(lan vm list --json)"
[ -z "$(pgrep -u "$(id -u)" -f "guest=web" || true)" ] || fail "QEMU is left behind"
exit 0
