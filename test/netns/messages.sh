#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# What a person sees of a running instance: one sentence and the documented exit code for everything that goes
# wrong, nothing changed by it; one JSON value whatever happens; what is changed by hand in a lab's network.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

# says CODE PATTERN WORDS...: the exit code, one line on standard error, and the same as JSON.
says() {
	local code=$1 pattern=$2 said got json
	shift 2
	said=$(lan "$@" 2>&1 >/dev/null </dev/null)
	got=$?
	is "exit code of '$*' ($said)" "$code" "$got"
	is "lines said by '$*' ($said)" 1 "$(wc -l <<<"$said")"
	has "'$*'" "^lanyard: .*$pattern" "$said"
	json=$(lan --json "$@" 2>/dev/null </dev/null)
	printf '%s\0' "$*" "$code" "$said" "$json" >>"$folder/said"
}
# Each sentence was told as JSON too; looked at together, to be quick.
check_said() {
	python3 - "$folder/said" "$folder/values" <<'PYTHON' || fail "--json (above)"
import json, sys
fields = open(sys.argv[1]).read().split("\0")[:-1]
for words, code, said, text in zip(*[iter(fields)] * 4):
    errors = json.loads(text)["errors"]
    assert len(errors) == 1 and errors[0]["exit"] == int(code), (words, text)
    assert said == "lanyard: " + errors[0]["message"], (words, said, text)
fields = open(sys.argv[2]).read().split("\0")[:-1]
for words, text in zip(*[iter(fields)] * 2):
    try:
        json.loads(text)
    except ValueError as error:
        sys.exit(f"--json {words}: {error}: {text}")
PYTHON
}

# json WORDS...: succeeds, with exactly one value.
json() {
	local text
	text=$(lan --json "$@" 2>/dev/null) || fail "--json $*: exit $?"
	printf '%s\0' "$*" "$text" >>"$folder/values"
}

everything() { lan --json status | python3 -c 'import json, sys; d = json.load(sys.stdin); print({k: d[k] for k in ("networks", "ports", "machines", "published")})'; }

# Nothing runs yet.
if [ $kind = --system ]; then
	says 3 'no system instance answers .*as root.*--user' status
	says 3 'no system instance answers' net list
else
	has "status of nothing" 'not running; it starts by itself' "$(lan status)"
	has "its JSON" '"running": false' "$(lan --json status)"
	for words in 'capture web -w x.pcap' 'why web db' 'connect web 80' 'publish 8080 web:80' 'port set web down=true' \
		'port add lab --tap lytapx' 'net set lab mode=open' 'net remove lab'; do
		# shellcheck disable=SC2086 # words
		says 3 "instance '$instance' is not running; 'lanyard net add' or 'lanyard up' starts it" $words
	done
	is "none of it starts anything" "" "$(pids_of lanyardd)"
fi
start_instance
says 3 "there is no lab 'school'" down school
says 3 'there is no lanyard.yaml in this folder' up
works lan net list
has "an empty list says what to do" "net add NAME" "$(lan net list 2>&1)"

# Networks, reservations and ports.
works lan net add lab ipv4=10.20.0.1/24
before=$(everything)
says 5 "network 'lab' is there already; 'lanyard net set' changes it" net add lab
says 2 "'L b' is no name for a network; write lowercase" net add 'L b'
says 2 "at most 63" net add "$(printf 'a%.0s' {1..5000})"
says 2 "network 'x': mode 'natt' is unknown; did you mean 'nat'\?" net add x mode=natt
says 2 "network 'x': unknown key 'mod' of a network \(did you mean 'mode'\?\)" net add x mod=nat
says 2 "network 'x': 'id' of a network cannot be set" net add x id=7
says 2 "network 'x': mtu 1 is too small; at least 576" net add x mtu=1
says 2 'has a prefix length that no network can use; it is from /8 to /30' net add x ipv4=10.0.0.1/31
says 2 "is the network's own address; write the gateway's, like 10.0.0.1/24" net add x ipv4=10.0.0.0/24
says 2 'lies in the prefix for loopback' net add x ipv4=127.0.0.1/8
says 2 'lies in the prefix for multicast' net add x ipv4=224.0.0.1/24
says 2 "ends in 'local'" net add x domain=school.local
says 2 "overlaps with 10.20.0.1/24 of network 'lab'; choose another prefix, or auto" net add x ipv4=10.20.0.129/25
[ $kind = --user ] || says 2 "interface 'up0' is no bridge; 'lanyard uplink add up0'" net add x mode=bridged bridge=up0
[ $kind = --user ] || says 3 "the host has no bridge 'nix'" net add x mode=bridged bridge=nix
[ $kind = --user ] || says 2 'names are the host.s' exec --network lab -- true
[ $kind = --user ] || says 2 'which the host reaches by up0; choose another prefix' net add x ipv4=198.51.100.77/24
says 3 "there is no network 'la'.*did you mean 'lab'" net set la mode=nat
says 3 "there is no network 'la'.*did you mean 'lab'" net show la
says 3 "there is no network 'la'" net leases la
says 3 "there is no network 'nowhere'; 'lanyard net list' lists" net remove nowhere
says 3 "there is no network 'nowhere'; 'lanyard net list' lists" net show nowhere
says 3 "there is no network 'nowhere'" net check nowhere
printf 'machines:\n  web: { nics: [ { network: nowhere } ] }\n' >elsewhere.yaml
says 3 "elsewhere.yaml:2:29: machine 'web': there is no network 'nowhere'; define it under 'networks'" up -f elsewhere.yaml
rm elsewhere.yaml
says 2 'needs a MAC or an address' net reserve lab web
says 2 'is a group address' net reserve lab web ff:ff:ff:ff:ff:ff
says 2 'address 10.21.0.10 is outside 10.20.0.0/24' net reserve lab web 10.21.0.10
says 2 "address 10.20.0.1 is the gateway's" net reserve lab web 10.20.0.1
says 3 "network 'lab' has no reservation 'web'" net unreserve lab web
says 2 "network 'lab': 'guard: false' is for mode 'bridged'" net set lab guard=false
[ $kind = --system ] ||
	says 3 "bridge 'br0' does not exist in your own instance" net set lab mode=bridged bridge=br0 ipv4=auto ipv6=auto
says 3 "there is no port 'x9'" port show x9
says 3 "there is no port 'x9'" port remove x9
says 3 "network namespace '99999999': there is no such process" port add lab --netns 99999999
says 2 'is no network namespace; name a process' port add lab --netns /etc/passwd
says 2 'at most 15 bytes' port add lab --tap thisnameistoolong
says 2 'one of the names kept' port add lab --tap ly-lab
[ $kind = --system ] || says 4 'outside of your instance.*lanyard exec -- unshare' port add lab --netns $$
says 3 "no machine called 'web' has an address" publish 8080 web:80
says 3 'port 8080 of 127.0.0.1 is not published; .*published. lists' unpublish 8080
says 2 "'nowhere' is not an IP address; write one" publish nowhere:8080 web:80
is "nothing was changed by all that" "$before" "$(everything)"

works lan net reserve lab web ba:ad:ca:00:00:01
says 5 "is reserved for 'web' already" net reserve lab db ba:ad:ca:00:00:01
works lan net reserve lab web 10.20.0.9
has "what is not said anew stays" 'ba:ad:ca:00:00:01 address=10.20.0.9' "$(lan net show lab)"
works lan port add lab --tap lytapm mac=ba:ad:ca:00:00:02 machine=web
works lan port set web down=true
has "a port by its machine's name" '^state: +down$' "$(lan port show web)"
works lan port set lytapm down=false
works lan port add lab --tap lytaps machine=web
says 2 "machine 'web' has 2 ports: [a-z0-9]+ on network 'lab' and [a-z0-9]+ on network 'lab'; name one of them" port remove web
says 2 "machine 'web' has 2 ports" port show web
works lan port remove lytaps
says 5 'MAC ba:ad:ca:00:00:02 is on network .lab. already' port add lab --tap lytapn mac=ba:ad:ca:00:00:02
says 5 'interface lytapm is port .* already' port add lab --tap lytapm
says 5 "network 'lab' has 1 port plugged in; stop the machines first, or use --force" net remove lab

# A dry run of every changing verb says something and does nothing.
before=$(everything)
for words in 'net add dry' 'net set lab mode=open' 'net remove lab --force' 'net reserve lab cam 10.20.0.7' \
	'net unreserve lab web' 'port add lab --tap lytapd' 'port set lytapm down=true' 'port remove lytapm'; do
	# shellcheck disable=SC2086 # words
	[ -n "$(lan --dry-run $words)" ] || fail "--dry-run $words says nothing"
	# shellcheck disable=SC2086
	json --dry-run $words
done
is "nothing was changed by dry runs" "$before" "$(everything)"
for words in status plan 'net list' 'net show lab' 'net leases' 'net check' 'port list' 'port show lytapm' 'vm list' \
	published version help 'help net' 'help net add' completion; do
	# shellcheck disable=SC2086
	json $words
done

# Several at once: one that fails does not stop the others, 1 says so, JSON has one result each.
json net add x
out=$(lan --json net remove nowhere x 2>/dev/null)
is "a part failed" 1 $?
python3 -c 'import json, sys; d = json.loads(sys.argv[1]); assert len(d["results"]) == 1 and d["errors"][0]["exit"] == 3' "$out" ||
	fail "results and errors: $out"

# Who reads: nobody, a full disk, one who has had enough.
lan net list >/dev/full 2>/dev/null
is "a full disk" 1 $?
lan net list >&- 2>/dev/null
is "closed standard output" 1 $?
lan net list | true
is "a reader who is gone" 0 "${PIPESTATUS[0]}"
lan net show nowhere 2>&-
is "closed standard error" 3 $?
is "no colours but for a terminal" "" "$(lan status | tr -d -c '\033')"
is "quiet" "" "$(lan -q net set lab mode=open 2>&1)"
has "changed to what it is" 'was like this already' "$(lan net set lab mode=open)"
works lan port remove lytapm
works lan net remove lab

# Labs are called like their folder, by whatever path or link they are read.
mkdir -p one/school two/school other
echo 'networks: { lab: { ipv4: 10.20.0.1/24, reservations: [ { name: printer, address: 10.20.0.9 } ] } }' >one/school/lanyard.yaml
(cd one/school && works lan up) || exit 1
has "the folder's name" '"lab": "school"' "$(lan --json net show lab)"
ln -s ../one/school/lanyard.yaml other/link.yaml
has "by a link" 'school is up; nothing was to do' "$(lan up -f other/link.yaml)"
has "from standard input" 'nothing was to do' "$(cd one/school && lan up -f - <lanyard.yaml)"
cp one/school/lanyard.yaml two/school
says 5 "a lab 'school' is up already, of .*/one/school/lanyard.yaml" up -f two/school/lanyard.yaml
says 5 "a lab 'school' is up already" down -f two/school/lanyard.yaml
echo 'networks: { lab: {} }' >other/lanyard.yaml
says 5 "network 'lab' is there already, of lab 'school'; call this one differently, or remove that: lanyard down school" up -f other/lanyard.yaml
mv one/school/lanyard.yaml one/school/lab.yaml
has "the file was renamed" 'nothing was to do' "$(lan up -f one/school/lab.yaml)"
says 3 "there is no lab 'schol' \(did you mean 'school'\?\)" down schol

# What was changed by hand goes on while the file says the same, and is told.
cd one/school || exit 1
works lan net set lab mtu=1400 mode=isolated
works lan net reserve lab cam 10.20.0.44
works lan net reserve lab printer 10.20.0.19
out=$(lan up -f lab.yaml 2>&1)
has "up tells what is kept" 'changed by hand, .*--reset.*: network lab: mode, mtu, reservation cam, reservation printer' "$out"
has "and did nothing" 'nothing was to do' "$out"
shown() { lan --json net show lab | python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["mode"], d.get("mtu"), *sorted(r["name"] + "=" + r["address"] for r in d.get("reservations", [])))'; }
is "by hand" "isolated 1400 cam=10.20.0.44 printer=10.20.0.19" "$(shown)"
sed -i 's/lab: {/lab: { mode: open,/; s/10\.20\.0\.9 /10.20.0.8 /' lab.yaml
works lan up -f lab.yaml
is "what the file says anew is the file's" "open 1400 cam=10.20.0.44 printer=10.20.0.8" "$(shown)"
works lan net unreserve lab printer
works lan net unreserve lab cam
works lan up -f lab.yaml
is "ended by hand" "open 1400" "$(shown)"
works lan up -f lab.yaml --reset
is "by the file" "open None printer=10.20.0.8" "$(shown)"
is "nothing left of it" "" "$(lan up -f lab.yaml 2>&1 | grep 'by hand')"
works lan net set lab mtu=1400 dns=true
has "set to what the file says" 'by hand.*: network lab: mtu$' "$(lan up -f lab.yaml 2>&1 | head -n 1)"
works lan net set lab mtu=
is "set back" "" "$(lan up -f lab.yaml 2>&1 | grep 'by hand')"
works lan net set lab mtu=1400
works lan net remove lab
works lan up -f lab.yaml
is "gone with its network" "open None printer=10.20.0.8" "$(shown)"

# Bad files: place, what, what would be right; nothing changed.
mkdir ../bad && cd ../bad || exit 1
before=$(everything)
bad() {
	printf "$3" >bad.yaml
	says "$1" "$2" up -f bad.yaml
}
bad 2 'bad.yaml:1:1: unknown key .network. of a lab; did you mean .networks.\?' 'network: {}\n'
bad 2 'bad.yaml:2:1: not YAML: a tab stands here' 'networks:\n\tlab: {}\n'
bad 2 'bad.yaml:3:3: .a. is there twice; the first one is at bad.yaml:2:3' 'networks:\n  a: {}\n  a: {}\n'
bad 2 'bad.yaml:3:13: 10.9.0.1/25 overlaps with' 'networks:\n  a: {ipv4: 10.9.0.1/24}\n  b: {ipv4: 10.9.0.1/25}\n'
bad 2 'bad.yaml:1:11: anchors' 'networks: &n {lab: {}}\nmachines: *n\n'
bad 2 'bad.yaml:2:18: machine .web.: the lab has several networks' 'networks: { a: {}, b: {} }\nmachines: { web: {} }\n'
bad 2 'bad.yaml:2:27: memory 32M is too small; at least 64M' 'networks: { a: {} }\nmachines: { web: {memory: 32M} }\n'
bad 3 'bad.yaml:2:27: machine .web.: image .*/nope.qcow2: No such file' 'networks: { a: {} }\nmachines: { web: { image: nope.qcow2 } }\n'
bad 2 'bad.yaml:1:1: the file is empty' ''
bad 2 'bad.yaml:1:1: not YAML: control characters' '\001'
says 2 '. is a folder; name the file in it' up -f .
says 3 'nowhere.yaml: No such file' up -f nowhere.yaml
head -c 10000000 /dev/zero | tr '\0' '[' >bad.yaml
says 2 'bad.yaml is no lab: it has more than 4 MiB' up -f bad.yaml
head -c 4000000 bad.yaml >deep.yaml
says 2 'deep.yaml:1:17: nested too deeply' up -f deep.yaml
is "nothing was changed by all that" "$before" "$(everything)"
has "down" 'lab school is down' "$(lan down school)"

# Several at once, and interrupted ones.
python3 -c 'print("name: many\nnetworks:"); [print(f"  n{i}: {{}}") for i in range(30)]' >many.yaml
lan up -f many.yaml >first 2>&1 &
one=$!
lan up -f many.yaml >second 2>&1 &
wait $! || fail "the second up: $(cat second)"
wait $one || fail "the first up: $(cat first)"
is "one did it, the other had nothing to do" 1 "$(cat first second | grep -c 'nothing was to do')"
works lan down many
lan -v up -f many.yaml >first 2>progress &
one=$!
begun() { grep -q 'create bridge' progress; }
soon 10 "progress is told" begun
kill -INT $one
wait $one
has "interrupted, or done already" '^(130|0)$' "$?"
works lan up -f many.yaml
is_empty_plan || fail "the plan is not empty after an interrupted up: $(lan plan)"
works lan down many

# A broker that was killed: the next command finds everything.
works lan net add last
if [ $kind = --user ]; then
	kill -9 "$(lan --json version | python3 -c 'import json, sys; print(json.load(sys.stdin)["broker"]["pid"])')"
	has "the network is there" '^last ' "$(lan -q net list)"
else
	# Root may have a world of their own too, by mistake or not.
	own() { HOME=$folder lanyard --user --instance "own$instance" "$@"; }
	leads_out() { has "root's own uplink" 'uplink pasta$' "$(own status | head -n 1)"; }
	works own net add x
	soon 10 "root's own uplink" own exec -- ip link show ly-up
	leads_out
	works own net remove x
	# Somebody else than root: refused, with what to do instead.
	out=$(setpriv --reuid=65534 --regid=65534 --clear-groups lanyard --system --instance "$instance" net add x 2>&1)
	is "refused to nobody" 4 $?
	has "and why" "is not in group 'lanyard'.*, or use 'lanyard --user'" "$out"
fi
works lan net remove last
check_said
