#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# The policy of a system instance: what each may without a file, rules for users, groups and everyone, changed while
# it runs; what is somebody else's is neither seen nor used; refusals name their line; changes are told in the log;
# 64 users at once, one of whom takes all that he can get.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

export LANYARD_CONFIG_DIR=$folder/etc
policy=$LANYARD_CONFIG_DIR/policy.yaml
students=()
for number in $(seq 64); do students+=("student$number:lanyard"); done
lay_accounts "${students[@]}" teacher:lanyard stranger
first=59003
chmod 755 "$folder"
runtime=$(runtime_folder)
python=$(PATH=/usr/bin:/usr/local/bin:/bin command -v python3) || skip "no python3 that other users may run"

as() {
	local account=$1
	shift
	setpriv --reuid="$account" --regid="$account" --clear-groups -- env HOME=/nonexistent "$@"
}
theirs() { as "$1" lanyard --system --instance "$instance" --no-color "${@:2}"; }
alice() { theirs student1 "$@"; }
bob() { theirs student2 "$@"; }
teacher() { theirs teacher "$@"; }
# can EXIT PATTERN COMMAND...: the answer of can-i
can() {
	local code=$1 pattern=$2 output
	shift 2
	output=$("$@" 2>&1)
	is "exit code of $*: $output" "$code" $?
	has "$*" "$pattern" "$output"
}
# rule TEXT: another policy, in one step as editors do it
rule() {
	cat >"$LANYARD_CONFIG_DIR/new" && mv "$LANYARD_CONFIG_DIR/new" "$policy"
}
# holds USER KEY VALUE: what the policy gives; for soon
holds() { [ "$(theirs "$1" can-i --json | "$python" -c 'import json,sys; print(next(r["value"] for r in json.load(sys.stdin)["rights"] if r["key"] == sys.argv[1]))' "$2")" = "$3" ]; }
state_is() { [ "$(lan status --json | "$python" -c 'import json,sys; print(json.load(sys.stdin)["instance"]["policy"]["state"])')" = "$1" ]; }
logged() { grep -E -- "$1" "$folder/broker.log" >/dev/null; }

mkdir "$LANYARD_CONFIG_DIR.later"
for name in br8 br9; do ip link add $name type bridge; done
start_instance --allow-name 'tap*' --allow-name br9
works lan net add lab ipv4=10.20.0.1/24
works lan net add lan mode=nat ipv4=10.21.0.1/24

# without a file: members of the group, each with a little of their own
works state_is default
refused "stranger is not in group 'lanyard'" theirs stranger net list
has "root's limits" "no policy limits you" "$(lan can-i)"
has "the limits" 'networks +2 +0 +the default' "$(alice can-i)"
works alice net add alpha
works alice net add beta ipv6=none
refused "the default of 'networks': you may have 2 networks of your own and have 2" alice net add gamma
works bob net add alpha2
# what is alice's is not there for bob, and root's is not theirs to change
is "bob's networks" "alpha2 lab lan" "$(bob net list --json | "$python" -c 'import json,sys; print(*[n["name"] for n in json.load(sys.stdin)])')"
refused "there is no network 'beta'" bob net show beta
refused "there is no network 'beta'" bob net set beta mtu=1400
refused "there is no network 'beta'" bob net remove beta
refused "there is no network 'beta'" bob net leases beta
refused "there is no network 'beta'" bob net check beta
refused "there is no network 'beta'" bob port add beta --run -- true
refused "network 'lab' is root's; only root changes it" bob net set lab mtu=1400
refused "network 'lab' is root's; only root changes it" bob net remove lab
refused "network 'lab' is root's; only root changes it" bob net reserve lab web 10.20.0.10
refused "network 'beta' is student1's and cannot be a peer" bob net set alpha2 peers=beta
refused "the domain .* is that of somebody else" bob net set alpha2 domain=x.alpha.internal
refused "the domain .* lies outside of yours \(internal\)" bob net set alpha2 domain=example.org
refused "mode routed changes the host's routing" bob net set alpha2 mode=routed
refused "mode routed changes the host's routing" bob net set alpha2 mode=routed --after 1h
refused "a way out by 'via' changes the host's routing" bob net set alpha2 via=up0
refused "172.16.0.1/20 is too large; your IPv4 networks are at most /22" bob net set alpha2 ipv4=172.16.0.1/20
refused "lies outside of your prefixes" bob net set alpha2 ipv4=203.0.114.1/24
refused "only root changes what the host itself has" bob uplink add up0
works bob net set alpha2 mtu=1400
works lan net set beta mtu=1400
is "the owner after root's change" 59003 "$(lan net show beta --json | "$python" -c 'import json,sys; print(json.load(sys.stdin)["owner"])')"
# labs of the same name are two people's
printf 'name: exercise\nnetworks:\n  one%s: {}\n' a >a.yaml
printf 'name: exercise\nnetworks:\n  one%s: {}\n' b >b.yaml
printf 'name: many\nnetworks: { %s }\n' "$(seq -f 'n%g: {},' 500)" >many.yaml
refused "the lab has 500 networks, and you may have 2 of your own" alice up -f "$folder/many.yaml"
works alice net remove beta
works alice up -f "$folder/a.yaml"
works bob up -f "$folder/b.yaml"
has "alice's lab" onea "$(alice net list)"
works bob down exercise
has "alice's lab after bob's went" onea "$(alice net list)"
works alice down exercise

# the computer's instance is the one meant, by the group that the account has and the process has not
has "the instance that is meant" ' lab ' "$(as student1 lanyard --instance "$instance" --no-color status | tr '\n' ' ')"
is "the instance of a stranger" "[]" "$(as stranger env HOME="$folder/stranger" lanyard --instance "$instance" net list --json)"

# a network that leads into the LAN takes more than being there
works lan net add outside mode=bridged bridge=br9 ipv4=none ipv6=none
is "networks that alice sees" "alpha lab lan" "$(alice net list --json | "$python" -c 'import json,sys; print(*[n["name"] for n in json.load(sys.stdin)])')"
refused "the default of 'may-bridge': network 'outside' leads into the LAN, where student1 may not plug" alice port add outside --run -- true
refused "mode bridged leads into the LAN" alice net set alpha mode=bridged bridge=br8 ipv4=none ipv6=none

# ports: one's own are seen, held and removed
works alice net add beta
exec 3> >(alice port add lab --run -- sh -c 'read -r _')
soon 10 "alice's port" sh -c "[ \$(ls $runtime/ports | wc -l) = 1 ]"
id=$(lan port list --json | "$python" -c 'import json,sys; print(json.load(sys.stdin)[0]["id"])')
has "alice's port" "$id" "$(alice port list)"
is "bob's ports" "[]" "$(bob port list --json)"
refused "there is no port '$id'" bob port remove "$id"
refused "there is no port '$id'" bob port set "$id" down=true
works alice port set "$id" down=true
refused "may not choose the name 'tap2'.*interfaces: tap2" alice port add lab --tap tap2

# can-i: yes, no, and other mistakes
can 0 '^yes$' alice can-i port remove "$id"
can 0 '^yes$' bob can-i net set alpha2 mtu=1300
can 1 "^no: the default of 'networks': you may have 2" alice can-i net add gamma
can 1 "^no: network 'lab' is root's" bob can-i net remove lab
printf 'name: more\nnetworks:\n  more: {}\n' >c.yaml
can 1 "^no: the default of 'networks'" alice can-i up -f "$folder/c.yaml"
can 0 '^yes$' bob can-i up -f "$folder/c.yaml"
can 3 "there is no port" bob can-i port remove "$id"
can 2 "unknown verb" bob can-i nett add x
can 2 "can not be asked for" bob can-i ssh web
can 0 '^yes$' lan can-i net remove lan
# ... and by raw Varlink, as any client would ask
raw() {
	as student2 "$python" -c 'import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(sys.argv[2].encode() + b"\0")
print(client.recv(65536)[:-1].decode())' "$runtime/broker.sock" "{\"method\": \"io.lanyard.CanI\", \"parameters\": $1}"
}
has "CanI: yes" '"allowed": ?true' "$(raw '{"method": "AddPort", "parameters": {"port": {"network": "lab"}}}')"
has "CanI: no" '"allowed": ?false.*may not choose the name' "$(raw '{"method": "AddPort", "parameters": {"port": {"network": "lab", "kind": "tap-named", "ifname": "tap2"}}}')"
has "CanI: a method for root" '"allowed": ?false' "$(raw '{"method": "ConfirmUplink"}')"
has "CanI: a wrong parameter" 'InvalidArgument.*parameters.parameters' "$(raw '{"method": "AddPort", "parameters": {"prt": 1}}')"
has "CanI: no method" 'InvalidArgument' "$(raw '{"method": "CanI"}')"
is "ports after CanI" 1 "$(lan port list --json | "$python" -c 'import json,sys; print(len(json.load(sys.stdin)))')"
is "the network is still there" lan "$(lan net show lan --json | "$python" -c 'import json,sys; print(json.load(sys.stdin)["name"])')"
is "mtu after can-i" 1400 "$(bob net show alpha2 --json | "$python" -c 'import json,sys; print(json.load(sys.stdin)["mtu"])')"

# a policy appears, folder and all, and counts at once
mv "$LANYARD_CONFIG_DIR.later" "$LANYARD_CONFIG_DIR"
rule <<'POLICY'
users:
  student1:
    networks: 3
    interfaces: [ "tap*" ]
    may-bridge: true
    plug: "*"
groups:
  class-5b:
    may-see-others: true
    use: true
  lanyard:
    use: true
    ports: 2
everyone:
  use: false
  plug: lab
  networks: 1
  published: 1
  rate: 20mbit
  vlans: [ 20-25, 26-29, 40 ]
POLICY
soon 10 "the policy" holds student1 networks 3
works state_is file
logged "policy.yaml:[0-9]*: there is no group 'class-5b'" || fail "nothing about the group class-5b"
works alice net add gamma
works alice port add outside --run -- true
works alice net show outside
refused "there is no network 'outside'" bob net show outside
refused "^lanyard: $policy:3: you may have 3 networks of your own and have 3; 'lanyard net remove" alice net add delta
can 1 "^no: $policy:17: you may have 1 network of your own and have 1" bob can-i net add delta
is "JSON of can-i" "False $policy:17" "$(bob can-i --json net add delta | "$python" -c 'import json,sys; d = json.load(sys.stdin); print(d["allowed"], d["rule"])')"
refused "^lanyard: $policy:16: student2 may not plug into network 'lan'; ask root for a rule with 'plug: lan'" bob port add lan --run -- true
works alice port add lab --tap tapme
refused "^lanyard: $policy:13: you may have 2 ports and have 2" alice port add lab --run -- true
# the ceiling of rates: what a port does not say, and what its user takes away, is as much; above it is refused
rates() { lan port show "$1" --json | "$python" -c 'import json,sys; port = json.load(sys.stdin); print(port.get("rate_in"), port.get("rate_out"))'; }
is "rates of a new port" "20mbit 20mbit" "$(rates tapme)"
has "the rate in can-i" "rate +20mbit .*$policy:19" "$(alice can-i)"
refused "^lanyard: $policy:19: rate_in of a port of yours is 20mbit at most" alice port set tapme rate_in=21mbit
can 1 "^no: $policy:19: rate_out of a port of yours is 20mbit at most" alice can-i port set tapme rate_out=1gbit
works alice port set tapme rate_in=5mbit
is "a smaller rate" "5mbit 20mbit" "$(rates tapme)"
works alice port set tapme rate_in=none
is "a rate of none" "20mbit 20mbit" "$(rates tapme)"
works lan port set tapme rate_in=1gbit
works alice port set tapme down=true
is "a rate that root gave" "1gbit 20mbit" "$(rates tapme)"
is "rates of a port from before" "None None" "$(rates "$id")"
refused "^lanyard: $policy:19: rate_in of a port of yours" alice port set "$id" rate_in=1gbit
works alice port remove tapme
refused "^lanyard: $policy:19: rate_out of a port of yours is 20mbit at most" alice port add lab rate_out=1gbit --run -- true
# VLANs: on root's networks those of the rule, on their own ones any; whether the network has some is another question
refused "^lanyard: $policy:20: vlan 30 is none of the VLANs that you may choose here .20-25, 26-29, 40.; ask root for a rule with 'vlans: 30'" \
	alice port add lab vlan=30 --run -- true
refused "^lanyard: $policy:20: trunk 28-30 is none of" alice port add lab vlan=20 trunk=28-30 --run -- true
can 1 "^no: $policy:20: vlan 4000 is none of" alice can-i port add lab vlan=4000 --tap tap4
refused "network 'lab' keeps no VLANs apart" alice port add lab vlan=20 trunk=21-29,40 --run -- true
refused "network 'alpha' keeps no VLANs apart" alice port add alpha vlan=4000 --run -- true
refused "^lanyard: $policy:15: stranger may not use the system instance" theirs stranger net list

# a group without a new login: the process has none, the accounts' database counts
refused "there is no network 'beta'" teacher net show beta
echo "class-5b:x:65000:teacher,stranger" >>"$folder/group"
works teacher net show beta
works theirs stranger net show beta
has "all ports" "$id" "$(teacher port list)"
refused "network 'beta' is student1's; only student1 and root change it" teacher net remove beta
refused "network 'beta' is student1's, and nobody else plugs into it" teacher port add beta --run -- true

# a bad file changes nothing and is told
echo 'everyone: { port: 3 }' | rule
soon 10 "the problem" state_is old
has "the problem in status" "$policy:1:13: unknown key 'port' of a rule; did you mean 'ports'\?" "$(lan status 2>&1)"
has "the problem in doctor" "$policy:1:13: unknown key" "$(lan doctor 2>&1)"
logged "unknown key 'port' of a rule.*the policy that was in force stays" || fail "nothing in the log"
works holds student1 networks 3
# machines, however many ports each has; a port that names none is one of its own
rule <<'POLICY'
groups:
  lanyard: { use: true, interfaces: "tap*", machines: 3 }
POLICY
soon 10 "the limit of machines" holds student1 machines 3
works alice port add lab --tap tapa machine=web
works alice port add lab --tap tapb machine=web
works alice port add lab --tap tapc
has "what is used" 'machines +3 +3 ' "$(alice can-i)"
refused "^lanyard: $policy:2: you may have 3 machines plugged in and have 3" alice port add lab --tap tapd machine=db
refused "^lanyard: $policy:2: you may have 3 machines plugged in and have 3" alice port set tapb machine=db
works alice port add lab --tap tapd machine=web
works alice port set tapc machine=web
works alice port set tapb machine=db
works alice port remove tapa tapb tapc tapd
rule </dev/null
soon 10 "the empty policy" state_is file
works holds student1 networks 2
chmod 666 "$policy"
soon 10 "a file that others can write" state_is old
has "what helps" "chown root:root" "$(lan status 2>&1)"
chmod 644 "$policy"
soon 10 "the file again" state_is file
mv "$policy" "$policy.away"
soon 10 "the defaults" state_is default
ln -s "$folder/elsewhere.yaml" "$policy"
echo 'everyone: { networks: 7 }' >"$folder/elsewhere.yaml" # not seen by the folder
kill -HUP "$(process broker)"
soon 10 "SIGHUP" holds student1 networks 7
rm "$policy"
soon 10 "the defaults again" state_is default
# a rule for nobody is told where root looks
echo 'users: { studemt1: { networks: 7 } }' | rule
soon 10 "the file with a slip" state_is file
has "the slip" "^policy: $policy:1: there is no user 'studemt1'$" "$(lan status)"
is "others are not told" "" "$(alice status | grep studemt1)"
rm "$policy"
soon 10 "the defaults once more" state_is default
# at the start a bad one closes
echo 'everyone: { port: 3 }' | rule
kill_hard "$(process broker)"
supervise
works state_is closed
refused "nobody but root may use the system instance until its policy is mended: $policy:1:13" alice net list
works lan net list
rm "$policy"
soon 10 "open again" state_is default
works alice net list

# published ports: one's own machines, on one's own host alone
has "a port that is not published" "no machine called 'web'" "$(alice publish 8080 web:80 2>&1)"
refused "you may not publish on 0.0.0.0" alice publish 0.0.0.0:8080 web:80
refused "you may not publish port 80 of the host" alice publish 80 web:80
guest web lab
dhcp web >/dev/null
refused "'web' on network 'lab' is no machine of yours" alice publish 8080 web:80
works lan publish 8080 web:80
is "alice's published ports" "[]" "$(alice published --json)"
refused "was published by somebody else" alice unpublish 8080
works lan unpublish 8080
works lan net reserve beta box 02:00:00:00:00:0b
works lan publish 8082 box:80
refused "was published by somebody else; choose another one" alice publish 8082 box:80
works lan unpublish 8082
can 0 '^yes$' alice can-i publish 8081 box:80
is "nothing is published" "[]" "$(lan published --json)"
works alice publish 8081 box:80
has "alice's published ports" 8081 "$(alice published)"
refused "was published by somebody else" bob unpublish 8081
kill_hard "$(process broker)"
supervise
has "alice's published ports with the next broker" 8081 "$(alice published)"
works alice unpublish 8081

# the log says who changed what, and who was refused
works alice port remove "$id"
logged 'audit: root \(uid 0, pid [0-9]+\): AddNetwork network lab: done' || fail "nothing about root's network"
logged 'audit: student1 \(uid 59003, pid [0-9]+\): AddPort network lab, port '"$id"': done' || fail "nothing about alice's port"
logged "audit: student2 .*: SetNetwork network lab: refused: network 'lab' is root's" || fail "nothing about the refusal"
logged ': CanI |dry.run' && fail "questions are in the audit"

# all at once, one of them without measure
rule <<'POLICY'
everyone: { ports: 4 }
POLICY
soon 10 "the policy for all" holds student1 ports 4
for number in 1 2; do
	"$python" "$LANYARD_SOURCE/test/netns/lib_users.py" "$runtime/broker.sock" lan 4 $first 64 || fail "64 users at once"
	no_ports() { [ "$(lan port list --json | "$python" -c 'import json,sys; print(sum(p["network"] == "lan" for p in json.load(sys.stdin)))')" = 0 ]; }
	soon 30 "the end of all ports" no_ports
done

# fields for the journal, where standard error leads there
mkdir -p /run/systemd && mount -t tmpfs -o mode=755 tmpfs /run/systemd
mkdir /run/systemd/journal /run/systemd/users /run/systemd/sessions
printf 'STATE=active\nONLINE_SESSIONS=7\n' >/run/systemd/users/59003 # as logind writes them
printf 'UID=59003\nREMOTE=1\nREMOTE_HOST=192.0.2.9\nSTATE=active\n' >/run/systemd/sessions/7
"$python" -c '
import os, socket, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind("/run/systemd/journal/socket")
os.chmod("/run/systemd/journal/socket", 0o666)
print("ready", flush=True)
while True:
    message = server.recv(65536).decode()
    with open(sys.argv[1], "a") as file:
        file.write(message + "\n--\n")' "$folder/journal" >"$folder/journal.ready" &
soon 10 "the journal" test -s "$folder/journal.ready"
kill_hard "$(process broker)"
touch "$folder/stderr"
stream=$(stat -c %d:%i "$folder/stderr")
JOURNAL_STREAM=$stream lanyardd --system --instance "$instance" 2>>"$folder/stderr" &
# shellcheck disable=SC2034 # lib.sh uses it
broker=$!
soon 10 "the broker" lan net list
works alice net set beta mtu=1300
refused "is root's" alice net set lab mtu=1300
for field in USER=student1 CALLER_FROM=192.0.2.9 CALLER_UID=59003 METHOD=SetNetwork NETWORK=beta RESULT=done NETWORK=lab RESULT=refused SYSLOG_IDENTIFIER=lanyardd PRIORITY=5; do
	soon 5 "$field" grep -x "$field" "$folder/journal"
done
has "the line for people" '^MESSAGE=audit: student1 .*SetNetwork network beta: done' "$(cat "$folder/journal")"

kill "$pid_web"
rm "$policy"
for name in alpha alpha2 beta gamma lab lan outside; do lan net remove --force $name >/dev/null || fail "$name"; done
nothing_left
