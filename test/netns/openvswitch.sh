#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# An Open vSwitch bridge of the host's (the real ovsdb-server and ovs-vswitchd, with the userspace datapath): machines are
# plugged into it, its VLANs are seen, what somebody removes comes back, nothing of it is changed, and nothing is left.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
for program in ovsdb-server ovs-vswitchd ovs-vsctl ovsdb-tool; do
	command -v $program >/dev/null || skip "Open vSwitch is not installed ($program)"
done
schema=/usr/share/openvswitch/vswitch.ovsschema
[ -f $schema ] || skip "Open vSwitch has no $schema"
run=/run/openvswitch
made=
[ -d $run ] || { mkdir $run && made=1; }
mount -t tmpfs -o mode=750 tmpfs $run || skip "cannot mount a private $run"

db_pid='' switch_pid=''
start_db() {
	ovsdb-server "$folder/conf.db" --remote=punix:$run/db.sock --unixctl=$run/db.ctl -vconsole:off --log-file="$folder/ovsdb.txt" &
	db_pid=$!
	soon 10 "ovsdb-server" ovs-vsctl --no-wait --timeout=2 show
}
start_switch() {
	ovs-vswitchd unix:$run/db.sock --unixctl=$run/switch.ctl --disable-system -vconsole:off --log-file="$folder/vswitchd.txt" &
	switch_pid=$!
}
vsctl() { ovs-vsctl --timeout=10 "$@"; }
works ovsdb-tool create "$folder/conf.db" $schema
start_db
works vsctl --no-wait init
start_switch
works vsctl add-br ovsbr0 -- set bridge ovsbr0 datapath_type=netdev -- add-br ovsbr1 -- set bridge ovsbr1 datapath_type=netdev
ip link set ovsbr0 up
# the LAN: a namespace on a port of somebody else's, with a trunk beside it
space lan
ip link add theirs0 type veth peer name lan0
ip link add theirs1 type veth peer name other1
ip link set lan0 netns "$pid_lan"
ip link set theirs0 up
on lan ip link set lan0 up
on lan ip addr add 192.0.2.1/24 dev lan0
works vsctl add-port ovsbr0 theirs0 -- set port theirs0 external_ids:somebody=theirs -- \
	add-port ovsbr0 theirs1 -- set port theirs1 vlan_mode=native-untagged tag=10 trunks=20,30

# all that is not ours, as text
# rows TABLE COLUMNS: those of the database that are not ours, in an order of their own
rows() {
	vsctl --format=json --columns="$2" list "$1" |
		python3 -c 'import json, sys; print("\n".join(sorted(json.dumps(row) for row in json.load(sys.stdin)["data"] if not row[0].startswith("ly"))))'
}
theirs() {
	rows port name,tag,trunks,vlan_mode,external_ids,other_config,protected
	rows bridge name,external_ids,other_config,controller,fail_mode,datapath_type
}
tagged() { vsctl --bare --columns=name find port "external_ids:lanyard!=\"\"" | sort | tr '\n' ' '; }
bridge_of() { vsctl port-to-br "$1" 2>/dev/null; }
is_in() { [ "$(bridge_of "$1")" = ovsbr0 ]; }
is_out() { [ -z "$(bridge_of "$1")" ]; }
reaches() { on "$1" ping -c 5 -i 0.3 -W 2 "$2"; }
ifname_of() { lan port list --json | python3 -c 'import json,sys; print(*[p["ifname"] for p in json.load(sys.stdin) if p["machine"] == sys.argv[1]])' "$1"; }
missed() { lan net check lan | grep -q "no bridge 'ovsbr0'"; }
before=$(theirs)

start_instance --allow-name ovsbr0
refused "is no bridge" lan net add lan mode=bridged bridge=up0
refused "no bridge 'nix'" lan net add lan mode=bridged bridge=nix
# without a steward nobody can tell whose bridge it is, and that is said
refused "lanyard-steward" lan net add lan mode=bridged bridge=ovsbr0
start_steward --allow-name ovsbr0
works lan net add lan mode=bridged bridge=ovsbr0
has "whose bridge it is" '"openvswitch": true' "$(lan net show lan --json)"
is_empty_plan || fail "the plan is not empty: $(lan plan)"

# two machines: one in a namespace, one on a tap with a name
guest a lan
guest b lan
on a ip addr add 192.0.2.11/24 dev eth0
on b ip addr add 192.0.2.12/24 dev eth0
a=$(ifname_of a) b=$(ifname_of b)
is "a's bridge" ovsbr0 "$(bridge_of "$a")"
is "a's tag of ours" 0 "$(vsctl get port "$a" external_ids:lanyard | grep -qE "^\"?$instance:[0-9]+\"?$"; echo $?)"
works reaches a 192.0.2.12
works reaches b 192.0.2.1
works reaches lan 192.0.2.11
is_empty_plan || fail "the plan is not empty with ports: $(lan plan)"
has "check" 'Open vSwitch: 2 as wanted' "$(lan net check lan)"
works lan port add lan --tap lytap0 machine=named
is "a tap's bridge" ovsbr0 "$(bridge_of lytap0)"
works lan port add lan --veth lyv0 machine=quiet isolated=yes
quiet=$(ifname_of quiet)
is "isolated" true "$(vsctl get port "$quiet" protected)"
is "the veth's bridge" ovsbr0 "$(bridge_of "$quiet")"

# modes and tags are read from it
works vsctl set port "$b" tag=20
shown() { lan net show lan --json | python3 -c 'import json,sys; print(*[json.dumps(p, sort_keys=True) for p in json.load(sys.stdin)["bridge_ports"] if p["name"] == sys.argv[1]])' "$1"; }
has "a tagged port" '"mode": "access".*"port": "[a-z0-9]+".*"tag": 20' "$(shown "$b")"
is "a trunk" '{"mode": "native_untagged", "name": "theirs1", "tag": 10, "trunks": [20, 30]}' "$(shown theirs1)"
is "all VLANs" '{"mode": "trunk", "name": "theirs0"}' "$(shown theirs0)"
has "as text" "mode=access tag=20" "$(lan net show lan)"
on b ping -c 1 -W 1 192.0.2.1 >/dev/null && fail "a port of VLAN 20 reaches the others"
has "why" "Open vSwitch bridge ovsbr0 \(access, VLAN 20\)" "$(lan why b a 2>&1)"
has "why not" "BROKEN VLAN: b is in VLAN 20 of ovsbr0, a in no VLAN" "$(lan why b a 2>&1)"
works vsctl set port "$a" tag=20
has "why again" "ok +VLAN: both are in VLAN 20 of ovsbr0" "$(lan why b a 2>&1)"
works vsctl clear port "$a" tag
is_empty_plan || fail "a tag of somebody's is undone: $(lan plan)"
works vsctl clear port "$b" tag
works reaches b 192.0.2.1

# asked for on ports of ours: changed live, put back when somebody changes or removes them, gone when they are not asked for
vlans() { vsctl --bare --columns=vlan_mode,tag,trunks list port "$1" | tr '\n' ' ' | sed -E 's/ +/ /g; s/ $//'; }
has_vlans() { [ "$(vlans "$1")" = "$2" ]; }
works lan port set b vlan=20
is "an access port" "access 20" "$(vlans "$b")"
on b ping -c 1 -W 1 192.0.2.1 >/dev/null && fail "b reaches the others from VLAN 20"
works lan port set b vlan=none trunk=20,30-32
is "a trunk" "trunk 0 20 30 31 32" "$(vlans "$b")"
works reaches b 192.0.2.1
works lan port set b vlan=20 trunk=30
is "a trunk with a native VLAN" "native-untagged 20 30" "$(vlans "$b")"
works vsctl set port "$b" tag=21
soon 10 "the VLAN is put back" has_vlans "$b" "native-untagged 20 30"
works vsctl del-port "$b"
soon 10 "$b is put back with its VLANs" has_vlans "$b" "native-untagged 20 30"
is_empty_plan || fail "the plan is not empty with VLANs: $(lan plan)"
works lan port set b vlan=none trunk=none
is "none any more" "" "$(vlans "$b")"
is "and no sign of them" "" "$(vsctl --if-exists get port "$b" external_ids:lanyard-vlans)"
works lan port add lan --tap lytap8 vlan=7
is "a tap's" "access 7" "$(vlans lytap8)"
works lan port remove lytap8
soon 10 "frames without a tag" reaches b 192.0.2.1

# what has no sense there is refused with its reason
refused 'there are no rates of ours' lan port add lan --tap lytap1 rate_in=1mbit
refused 'ovs-vsctl can mirror' lan capture --network lan --count 1
has "the guard" '"guard": false' "$(lan net show lan --json)"
refused "needs --allow-name ovsbr1" lan net set lan bridge=ovsbr1
is_in "$a" || fail "a refused change moved $a to $(bridge_of "$a")"
has "doctor" 'BR-06' "$(lan doctor --only BR-06 2>&1)"
lan doctor --only BR 2>&1 | grep -E "(ERROR|error).*(ovsbr0|$a|$b)" && fail "doctor complains"

# somebody removes our ports: they come back
works vsctl del-port "$a"
soon 10 "$a is put back" is_in "$a"
works vsctl del-port ovsbr0 lytap0 -- del-port ovsbr0 "$quiet"
soon 10 "lytap0 is put back" is_in lytap0
soon 10 "$quiet is put back" is_in "$quiet"
works reaches a 192.0.2.1
# an interface that is made again is plugged in again, in the VLAN that somebody gave it, and carries frames
works vsctl set port "$quiet" tag=30
ip link del "$quiet"
soon 10 "$quiet is made again" ip link show "$quiet"
soon 10 "$quiet is plugged in again" is_in "$quiet"
index_is() { [ "$(vsctl get interface "$quiet" ifindex)" = "$(ip -o link show "$quiet" | cut -d: -f1)" ]; }
soon 10 "Open vSwitch knows the new $quiet" index_is
is "its VLAN" 30 "$(vsctl get port "$quiet" tag)"
works vsctl clear port "$quiet" tag
space inside
soon 5 "the quiet end" ip link show lyv0
ip link set lyv0 netns "$pid_inside"
on inside ip link set lyv0 arp on up
on inside ip addr add 192.0.2.14/24 dev lyv0
soon 5 "frames of the new interface" reaches inside 192.0.2.1
is "not ours" "$before" "$(theirs)"

# the steward's process that listens is killed with it: the next one listens again
kill -9 "$steward" "$(pgrep -f "lanyard-steward .*--instance $instance " | grep -vx "$steward")" 2>/dev/null
start_steward --allow-name ovsbr0
works reaches a 192.0.2.1
listens() { [ "$(pgrep -fc "lanyard-steward .*--instance $instance ")" = 2 ]; }
soon 20 "a steward that listens" listens
works vsctl del-port "$a"
soon 10 "$a is put back again" is_in "$a"

# a tap that is handed over: its port is there for as long as it is held
lanyard --system --instance "$instance" port add --run lan machine=held -- sleep infinity &
holder=$!
held() { [ -n "$(ifname_of held)" ]; }
soon 10 "a port that is held" held
held=$(ifname_of held)
is_in "$held" || fail "$held is not plugged in"
kill "$holder"
soon 10 "$held goes with its holder" is_out "$held"

# a port whose holder ends goes from there too; so does one that is removed
kill "$pid_b"
soon 10 "$b goes with its guest" is_out "$b"
works lan port remove "$(lan port list --json | python3 -c 'import json,sys; print(*[p["id"] for p in json.load(sys.stdin) if p["machine"] == "quiet"])')"
is "a removed port" "" "$(bridge_of "$quiet")"

# killed in the middle, and rows of a boot before: left-overs go
kill_hard "$broker" "$executor"
works vsctl --no-wait add-port ovsbr0 lydead -- set port lydead external_ids:lanyard="$instance:99" tag=7
works vsctl --no-wait add-port ovsbr0 lyforeign -- set port lyforeign external_ids:lanyard="other:1"
start_executor --allow-name ovsbr0
start_broker
soon 10 "the broker" lan net list
soon 10 "a dead port of ours goes" is_out lydead
is_in lyforeign || fail "another instance's port went"
is_in "$a" || fail "$a went at a restart"
is_in lytap0 || fail "lytap0 went at a restart"
works reaches a 192.0.2.1
works vsctl del-port lyforeign

# the database is down: one sentence, and what is plugged in is left alone; back: all is as wanted
kill "$db_pid"
wait "$db_pid"
refused "Open vSwitch does not answer .*systemctl start openvswitch-switch" lan port add lan --tap lytap2
has "check" "BAD.*does not answer" "$(lan net check lan 2>&1)"
has "show" "does not answer" "$(lan net show lan 2>&1)"
has "doctor" "Open vSwitch does not answer" "$(lan doctor --only BR-06 2>&1)"
is "no half of a port" "" "$(ip -br link | grep lytap2)"
start_db
works reaches a 192.0.2.1
plugs() { lan port add lan --tap lytap2; }
soon 20 "Open vSwitch is there again" plugs
is_in lytap2 || fail "lytap2 is not plugged in"
# ovs-vswitchd is down: the same
kill "$switch_pid"
wait "$switch_pid"
refused "ovs-vswitchd does not look at it" lan port add lan --tap lytap3
is "no half of a port in the database" "" "$(bridge_of lytap3)"
start_switch
soon 10 "ovs-vswitchd is there again" vsctl set bridge ovsbr0 external_ids:x=y
works vsctl remove bridge ovsbr0 external_ids x
ip link set ovsbr0 up

# the bridge itself goes: that keeps nothing else from being done, is said, and ports are there again when it is
works vsctl del-br ovsbr0
has "check" "no bridge 'ovsbr0'" "$(soon 10 "a bridge that is missed" missed; lan net check lan)"
works lan net add other ipv4=10.99.0.1/24 ipv6=none
works lan net remove other
works vsctl add-br ovsbr0 -- set bridge ovsbr0 datapath_type=netdev -- \
	add-port ovsbr0 theirs0 -- set port theirs0 external_ids:somebody=theirs -- \
	add-port ovsbr0 theirs1 -- set port theirs1 vlan_mode=native-untagged tag=10 trunks=20,30
soon 10 "$a in the new bridge" is_in "$a"
soon 10 "lytap0 in the new bridge" is_in lytap0
ip link set ovsbr0 up
works reaches a 192.0.2.1
soon 10 "a plan that is empty" is_empty_plan
lan net check lan | grep BAD && fail "check finds faults"

# removed with its ports, nothing is left, nothing else changed
works lan net remove --force lan
is "rows of ours" "" "$(tagged)"
is "not ours" "$before" "$(theirs)"

# a bridge of Linux that filters VLANs tells them too
if ip link add br0 up type bridge vlan_filtering 1 2>/dev/null; then
	kill_hard "$executor"
	start_executor --allow-name ovsbr0 --allow-name br0
	soon 10 "a network on br0" lan net add plain mode=bridged bridge=br0
	works lan port add plain --tap lyplain
	works bridge vlan add dev lyplain vid 40-41
	is "its VLANs" '{"mode": "native_untagged", "name": "lyplain", "tag": 1, "trunks": [40, 41]}' \
		"$(lan net show plain --json | python3 -c 'import json,sys; [print(json.dumps({k: v for k, v in p.items() if k != "port"}, sort_keys=True)) for p in json.load(sys.stdin)["bridge_ports"]]')"
	works ip link set br0 type bridge vlan_filtering 0
	is "VLANs of a bridge without" "" "$(lan net show plain --json | grep bridge_ports)"
	works lan net remove --force plain
fi

# the same by a lab's file
cat >lanyard.yaml <<'YAML'
name: switched
networks:
  lan: { mode: bridged, bridge: ovsbr0 }
YAML
works lan up
guest c lan
on c ip addr add 192.0.2.13/24 dev eth0
works reaches c 192.0.2.1
has "second up" 'nothing was to do' "$(lan up 2>&1)"
c=$(ifname_of c)
is_in "$c" || fail "c is not plugged in"
works lan down --force
is "rows of ours after down" "" "$(tagged)"
is "not ours after down" "$before" "$(theirs)"
nothing_left
kill "$switch_pid" "$db_pid"
umount -l $run
[ -z "$made" ] || rmdir $run
