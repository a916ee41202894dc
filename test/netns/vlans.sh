#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# VLANs of ports: what is asked for and cannot be is refused by a sentence, and nothing is left of it. Where the kernel's bridges
# know VLANs (those of the virtual machines do, see test/vm/vlans.py): a VLAN is a segment of its own, a trunk carries several.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
if [ $kind = --system ]; then
	lay_accounts student1:lanyard
	export LANYARD_CONFIG_DIR=$folder/etc
	mkdir "$LANYARD_CONFIG_DIR"
	echo 'everyone: { may-bridge: true }' >"$LANYARD_CONFIG_DIR/policy.yaml"
	chmod 755 "$folder" "$LANYARD_CONFIG_DIR"
fi
alice() { setpriv --reuid=59003 --regid=59003 --clear-groups -- env HOME=/nonexistent lanyard --system --instance "$instance" --no-color "$@"; }
start_instance
works lan net add plain
refused "network 'plain' keeps no VLANs apart; give it vlan_filtering: true" lan port add plain --tap lyv0 vlan=20
refused "network 'plain' keeps no VLANs apart" lan port add plain --tap lyv0 trunk=20-29
refused "vlan '4095' is no VLAN; write 1 to 4094, or none" lan port add plain --tap lyv0 vlan=4095
refused "vlan '0x10' is no VLAN" lan port add plain --tap lyv0 vlan=0x10
refused "'9-3' is neither a VLAN nor a range of them; write 1 to 4094, like 20-29, or none" lan port add plain --tap lyv0 trunk=9-3
refused "unknown key 'vlans' of a port .did you mean 'vlan'" lan port add plain --tap lyv0 vlans=3
is "no port of them" "[]" "$(lan port list --json)"
cat >"$folder/lab.yaml" <<-END
	networks: { seg: {} }
	machines: { a: { nics: [ { network: seg, vlan: 20 } ] } }
END
refused "lab.yaml:2:.*machine 'a': network 'seg' keeps no VLANs apart" lan up -f "$folder/lab.yaml"

if ! lan net add seg vlan_filtering=yes 2>"$folder/why"; then
	has "the kernel's reason" "this kernel's bridges know no VLANs .CONFIG_BRIDGE_VLAN_FILTERING." "$(cat "$folder/why")"
	is "no network of it" "" "$(lan net list --json | grep -o '"seg"')"
	is_empty_plan || fail "the plan is not empty: $(lan plan)"
	refused "know no VLANs" lan net set plain vlan_filtering=yes
	is_empty_plan || fail "the plan is not empty: $(lan plan)"
	echo "the kernel's bridges know no VLANs: what machines send in them is seen in test/vm/vlans.py"
	works lan net remove plain
	nothing_left
	exit
fi

reaches() { on "$1" ping -c 3 -i 0.3 -W 2 "$2"; }
apart() { on "$1" ping -c 2 -i 0.3 -W 1 "$2" >/dev/null && fail "$1 reaches $2"; }
port_of() { lan port list --json | python3 -c 'import json,sys; print(next(p for p in json.load(sys.stdin) if p.get("machine") == sys.argv[1]).get(sys.argv[2], ""))' "$1" "${2:-id}"; }
# tagged NAME VLAN ADDRESS: an interface for a VLAN in a guest on a trunk
tagged() {
	works on "$1" ip link add link eth0 name "v$2" type vlan id "$2"
	works on "$1" ip addr add "$3/24" dev "v$2"
	works on "$1" ip link set "v$2" up
}
mac_of() { on "$1" ip -o link show "$2" | sed -n 's/.*ether \([^ ]*\).*/\1/p'; }
no_lease() { on "$1" busybox udhcpc -i eth0 -s /bin/true -n -q -f -t 2 -T 1 >/dev/null 2>&1 && fail "$1 was given an address"; }
# listen FIFO: a machine of the office is $listener, who ends well when the first packet to port 69 comes and none has come to 68
listen() {
	mkfifo "$1"
	on office timeout 20 python3 -c '
import socket, sys
offers, others = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
offers.bind(("", 68))
others.bind(("", 69))
offers.setblocking(False)
open(sys.argv[1], "w").close()
others.recv(100)
try:
    sys.exit(f"came: {offers.recv(100)}")
except BlockingIOError:
    pass' "$1" &
	listener=$!
	read -r _ <"$1"
}
# carried INTERFACE: the VLANs of a port of the bridge as the kernel has them
carried() { within bridge -compressvlans -j vlan show dev "$1" | python3 -c 'import json,sys; print(*["%d-%d%s" % (v["vlan"], v.get("vlanEnd", v["vlan"]), "u" if "PVID" in v.get("flags", []) else "t") for v in json.load(sys.stdin)[0]["vlans"]])'; }
carries() { [ "$(carried "$1")" = "$2" ]; }

# switched on while machines run
guest here plain
dhcp here >/dev/null
works lan net set plain vlan_filtering=yes
works reaches here "$(within ip -4 -o addr show dev ly-plain | sed -n 's/.*inet \([^/]*\).*/\1/p')"
is_empty_plan || fail "the plan is not empty: $(lan plan)"

# a VLAN is a segment: two machines in it, one in the network itself, one on a trunk
guest left seg vlan=20
guest right seg vlan=20
guest other seg
guest router seg trunk=20,30-39
left=$(port_of left ifname) router=$(port_of router ifname)
is "an access port" "20-20u" "$(carried "$left")"
is "a trunk" "1-1u 20-20t 30-39t" "$(carried "$router")"
on left ip addr add 192.0.2.1/24 dev eth0
on right ip addr add 192.0.2.2/24 dev eth0
tagged router 20 192.0.2.254
tagged router 30 198.51.100.254
works reaches left 192.0.2.2
works reaches router 192.0.2.1
other=$(dhcp other)
dhcp router >/dev/null
works reaches router "$other"
no_lease left
on other ip addr add 192.0.2.3/24 dev eth0
apart other 192.0.2.1
apart left 192.0.2.3
refused "VLAN 1 is the network 'seg' itself" lan port set "$(port_of left)" vlan=1
refused "VLAN 1 is the network 'seg' itself" lan port set "$(port_of left)" trunk=1-5
refused "port .*: network 'seg' keeps no VLANs apart" lan net set seg vlan_filtering=no
is_empty_plan || fail "the plan is not empty with VLANs: $(lan plan)"
has "show" '"vlan": 20' "$(lan port show left --json)"
has "show" "trunk: +20, ?30-39" "$(lan port show router)"

# changed while the machine runs: another VLAN, the network itself, and back
on left ip addr add 198.51.100.1/24 dev eth0
works lan port set left vlan=30
works reaches left 198.51.100.254
apart left 192.0.2.2
works lan port set left vlan=none
is "none any more" "1-1u" "$(carried "$left")"
dhcp left >/dev/null
on left ip addr add 192.0.2.1/24 dev eth0
works lan port set left vlan=20
works reaches left 192.0.2.2
no_lease left

# somebody meddles, or kills: it is as wanted again
works meddle bridge vlan add dev "$left" vid 30 pvid untagged
soon 10 "VLANs put back" carries "$left" "20-20u"
works meddle bridge vlan del dev "$router" vid 35
soon 10 "a trunk put back" carries "$router" "1-1u 20-20t 30-39t"
filters() { within ip -d link show ly-seg | grep -q 'vlan_filtering 1'; }
works meddle bridge vlan add dev "$router" vid 20 untagged
keeps_tags() { ! within bridge vlan show dev "$router" | grep -v PVID | grep -q Untagged; }
soon 10 "a trunk that keeps its tags" keeps_tags
is "the trunk" "1-1u 20-20t 30-39t" "$(carried "$router")"
works meddle ip link set ly-seg type bridge vlan_filtering 0
soon 10 "a bridge that filters again" filters
soon 10 "nothing to do" is_empty_plan
works reaches left 192.0.2.2
kill_hard "$(process broker)" "$(process executor)"
supervise
soon 10 "nothing to do after a kill" is_empty_plan
works reaches left 192.0.2.2
apart left 192.0.2.3
# ... and what somebody sets on a port that has none of ours is theirs
works meddle bridge vlan add dev "$(port_of other ifname)" vid 77
is_empty_plan || fail "VLANs of somebody's are undone: $(lan plan)"

cat >"$folder/lab.yaml" <<-END
	networks: { vl: { vlan_filtering: true } }
	machines: { a: { nics: [ { network: vl, vlan: 20, address: 10.1.2.3 } ] } }
END
refused "lab.yaml:2:.*machine 'a': in VLAN 20 nobody gives out addresses of network 'vl'" lan up -f "$folder/lab.yaml"

if [ $kind = --system ]; then
	works lan port add seg --tap lyv0 vlan=20 trunk=30
	is "a tap's" "20-20u 30-30t" "$(carried lyv0)"
	works lan port add seg --veth lyq0 vlan=20 machine=quiet
	is "a veth's" "20-20u" "$(carried "$(port_of quiet ifname)")"
	works lan net add bare
	refused "network 'bare' keeps no VLANs apart" lan port set lyv0 network=bare
	works lan port set lyv0 network=bare vlan=none trunk=none
	works lan port set lyv0 network=seg
	is "a tap's without" "1-1u" "$(carried lyv0)"
	has "net show" "name=$left mode=access tag=20" "$(lan net show seg)"
	has "why" "BROKEN VLAN: left is in VLAN 20 of ly-seg, other in VLAN 1" "$(lan why left other 2>&1)"
	has "why the gateway" "BROKEN VLAN: left is in VLAN 20 of ly-seg, the gateway in VLAN 1" "$(lan why left "$WORLD_NET4" 2>&1)"

	# a bridge of the host's has to keep them apart itself, and nothing of it is changed
	works ip link add br0 up type bridge
	kill_hard "$executor"
	start_executor --allow-name br0
	soon 10 "a network on br0" lan net add lan mode=bridged bridge=br0
	refused "bridge br0 does not keep VLANs apart; 'ip link set br0 type bridge vlan_filtering 1'" lan port add lan --tap lyb0 vlan=20
	is "no half of a port" "" "$(ip -br link | grep lyb0)"
	refused "keeps VLANs apart or not as who made it has set it" lan net set lan vlan_filtering=yes
	works ip link set br0 type bridge vlan_filtering 1 vlan_default_pvid 5
	refused "VLAN 5 is the one that bridge br0 gives to all" lan port add lan --tap lyb0 vlan=5
	guest one lan vlan=20
	guest two lan vlan=1
	guest trunk lan trunk=20,21
	on one ip addr add 203.0.113.1/24 dev eth0
	on two ip addr add 203.0.113.2/24 dev eth0
	tagged trunk 20 203.0.113.3
	works reaches trunk 203.0.113.1
	apart one 203.0.113.2
	is "the bridge's own" "5-5u" "$(carried br0)"
	is_empty_plan || fail "the plan is not empty on br0: $(lan plan)"
	# what a guarded machine must not play, it must not by a tag either
	space office # of the LAN, in the same VLAN
	works ip link add theirs type veth peer name lan0
	works ip link set lan0 netns "$pid_office"
	works ip link set theirs up master br0
	works bridge vlan add dev theirs vid 20 pvid untagged
	on office ip addr add 203.0.113.5/24 dev lan0
	works on office ip link set lan0 up
	works reaches trunk 203.0.113.5
	listen "$folder/listens"
	works on trunk python3 -c '
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("203.0.113.3", 67))
for port in (68, 69):
    server.sendto(b"offer", ("203.0.113.5", port))'
	wait "$listener" || fail "a DHCP answer came by a tag"
	# ... nor behind a second one, which switches take off at different places
	listen "$folder/again"
	works on trunk python3 - "$(mac_of office lan0)" "$(mac_of trunk eth0)" <<-'END'
		import socket, struct, sys
		sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
		sender.bind(("eth0", 0))
		def words(data): return sum(struct.unpack(f"!{len(data) // 2}H", data))
		def frame(tags, port):
		    udp = struct.pack("!4H", 67, port, 13, 0) + b"offer"
		    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton("203.0.113.3"), socket.inet_aton("203.0.113.5"))
		    total = words(head)
		    total = ~((total & 0xffff) + (total >> 16)) & 0xffff
		    head = head[:10] + struct.pack("!H", total) + head[12:]
		    to, own = (bytes.fromhex(mac.replace(":", "")) for mac in sys.argv[1:])
		    tagged = b"".join(struct.pack("!HH", 0x8100, tag) for tag in tags)
		    return to + own + tagged + b"\x08\x00" + head + udp
		sender.send(frame([20, 0], 68))
		sender.send(frame([20], 69))
	END
	wait "$listener" || fail "a DHCP answer came by two tags"
	# the bridge's owner changes its mind: who is plugged in stays, nobody else is kept from anything, and it is told
	works ip link set br0 type bridge vlan_default_pvid 20
	works lan net add elsewhere
	works lan net remove elsewhere
	is_empty_plan && fail "a VLAN that cannot be told from the bridge's own is not told of"
	works ip link set br0 type bridge vlan_default_pvid 5
	works ip link set br0 type bridge vlan_filtering 0
	is_empty_plan && fail "a bridge that keeps no VLANs apart any more is not told of"
	works lan net add elsewhere
	works lan net remove elsewhere
	works ip link set br0 type bridge vlan_filtering 1
	works lan net add elsewhere # the next change puts it right
	works lan net remove elsewhere
	is_empty_plan || fail "the plan is not empty when it does again: $(lan plan)"
	works reaches trunk 203.0.113.1
	works lan net remove --force lan

	# what a user may choose on a network of their own does not come along into the LAN
	works alice net add mine vlan_filtering=yes
	alice port add mine machine=held vlan=666 --run -- sleep infinity &
	held=$!
	soon 10 "a port of a user's" port_of held
	refused "policy.yaml says nothing about 'vlans': vlan 666 is none of the VLANs that you may choose here" \
		alice net set mine mode=bridged bridge=br0 vlan_filtering=no
	works alice port remove held
	kill "$held"
	refused "change its mode at once, or ask root to plan it" alice net set mine mode=bridged bridge=br0 vlan_filtering=no --after 1h
	works alice net remove mine
	works ip link del br0
fi

kill "$pid_left"
gone() { ! lan port list | grep -q left; }
soon 10 "a port goes with its machine" gone
for network in plain seg; do works lan net remove --force $network; done
[ $kind != --system ] || works lan net remove bare
nothing_left
