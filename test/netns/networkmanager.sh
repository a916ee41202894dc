#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# The real NetworkManager, on a bus of its own: the NIC that it configures goes into a bridge and back, by hand, by the
# deadline and when all of ours has died; a confirmed bridge is NetworkManager's own and there after a restart of the
# computer; and interfaces of ours that somebody puts under it come back.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2034 # lib_networkmanager.sh reads it
nic=nic0
# shellcheck source=test/netns/lib_networkmanager.sh
. "$LANYARD_SOURCE/test/netns/lib_networkmanager.sh"
# read-only: without udev, as in a container
mount -t sysfs -o ro sysfs /sys || skip "cannot mount a private /sys"
cat >$profiles/cable.nmconnection <<'PROFILE'
# the cable to the LAN
[connection]
id=cable
uuid=0a5b3a0e-7d0c-4a58-9f2c-1f2b3c4d5e6f
type=ethernet
interface-name=nic0
zone=home

[ethernet]
wake-on-lan=64

[ipv4]
method=auto
route1=198.18.0.0/15,192.0.2.1

[ipv6]
method=auto
addr-gen-mode=stable-privacy
PROFILE
chmod 600 $profiles/cable.nmconnection
cp -p $profiles/cable.nmconnection cable.before

# ... and to the byte
as_before_exactly() {
	as_before "$1"
	is "$1: the very file" "" "$(cmp $profiles/cable.nmconnection cable.before; stat -c %y $profiles/cable.nmconnection | cmp - <(stat -c %y cable.before))"
}

start_networkmanager
look_at_first cable
start_instance
start_steward

# Everything of ours is dead: NetworkManager takes the NIC back itself
works lan uplink add nic0 --by-hand --confirm-within 5
kill_hard "$executor" "$broker" "$steward"
# (what systemd's timer does a second before, on a host with systemd: test/vm/uplink_networkmanager.py)
ip link del ly-lan
soon 40 "NetworkManager goes back by itself" has_state nic0 connected:cable
soon 15 "online without us" online
start_instance
start_steward
soon 10 "an empty plan" is_empty_plan
rm -f /run/NetworkManager/lanyard-nic0
as_before_exactly "after everything had died"

# A session through all of it
python3 "$LANYARD_SOURCE/test/netns/lib_traffic.py" serve 5001 >server.pid 2>server.log &
soon 5 "a server" test -s server.pid
host=$(sed -n 's/.*inet \([0-9.]*\).*/\1/p' addresses)
host6=$(sed -n 's/.*inet6 \(2001[^/]*\).*/\1/p' addresses)
mkfifo session.in session.out
on router python3 "$LANYARD_SOURCE/test/netns/lib_traffic.py" send 5001 "$host" "$host6" <session.in >session.out 2>session.log &
exec {session_in}>session.in {session_out}<session.out
read -r line <&"$session_out"
is "sessions begin" ok "$line"
session_lives() {
	echo moves >&"$session_in"
	read -r line <&"$session_out"
	is "the sessions $1" ok "$line"
}

# Let go in the window, and taken back when it was not confirmed
has "whose it is" "NetworkManager configures nic0" "$(lan uplink add nic0 --by-hand --confirm-within 5 2>&1)"
has_state nic0 unmanaged: || fail "NetworkManager still has nic0: $(nmcli device)"
is "a checkpoint" "ao 1" "$(checkpoints | cut -d' ' -f1,2)"
is "nothing persistent" "" "$(form | grep ^/etc)"
works online
session_lives "in the window"
as_before_exactly "not confirmed"
session_lives "after the way back"

# A profile that is no keyfile of an Ethernet NIC is refused before the first step
# (NetworkManager reads a profile again only when it is told)
cp -p $profiles/cable.nmconnection kept
sed -i 's/^type=ethernet/type=infiniband/' $profiles/cable.nmconnection
refused "the profile of 'nic0' is infiniband" lan uplink add nic0
cp -p kept $profiles/cable.nmconnection
as_before_exactly "refused"

# Confirmed, but nobody answers NetworkManager's DHCP: the bridge is ours alone, and the host does not lose its address
works lan uplink add nic0 --by-hand
stop_dhcp
works lan confirm
has "what happened" "the bridge is Lanyard's alone, and nobody renews what DHCP gave" "$(cat broker.log)"
soon 10 "the addresses on the bridge" is_same_on_bridge
soon 10 "online without NetworkManager" online
is "no form" "/etc/NetworkManager/lanyard-nic0" "$(form)"
serve_dhcp
works lan uplink remove nic0
as_before_exactly "after a bridge of ours alone"
session_lives "after a bridge of ours alone"

# Confirmed: NetworkManager's own
lines=$(grep -c repaired: broker.log)
works lan uplink add nic0
is_bridged "confirmed"
no_checkpoint() { [ "$(checkpoints)" = "ao 0" ]; }
soon 15 "no checkpoint is left" no_checkpoint
session_lives "when NetworkManager has taken over"
has "its metric" "default via 192.0.2.1 dev ly-lan proto dhcp .*metric 100" "$(ip route show default)"
has "its routes" "198.18.0.0/15 via 192.0.2.1 dev ly-lan" "$(ip route)"
has "its zone" "^zone=home" "$(cat $profiles/lanyard-ly-lan.nmconnection)"
has "the port's own" "^wake-on-lan=64" "$(cat $profiles/lanyard-port-nic0.nmconnection)"
is "for root alone" "600 600 600" "$(stat -c %a $profiles/lanyard-* /etc/NetworkManager/lanyard-nic0 | xargs)"
is "the very profile" "" "$(cmp $profiles/cable.nmconnection cable.before)"
soon 10 "an empty plan" is_empty_plan
works lan doctor --only BR-04
has "the list" "nic0 +lan +ly-lan +up" "$(lan uplink list)"
is "lines about repairs" "$lines" "$(grep -c repaired: broker.log)"
guest one lan
on one ip addr add 192.0.2.77/24 dev eth0
works on one ping -c 1 -W 2 192.0.2.1
# a change of the profile by its owner, as any other
works nmcli connection modify ly-lan ipv4.dns 192.0.2.53

restart_computer
is_bridged "without Lanyard"
has "the NIC is its port" "master ly-lan" "$(ip -o link show nic0)"
start_instance
start_steward
soon 10 "an empty plan after the restart" is_empty_plan
has "the list" "nic0 +lan +ly-lan +up" "$(lan uplink list)"
works online

# Away again
works lan uplink remove nic0 --force
as_before_exactly "removed"
# ... where the profile was deleted meanwhile
works lan uplink add nic0
soon 15 "the NIC is its port" has_state nic0 "connected:ly-lan port nic0"
works nmcli connection delete cable
works lan uplink remove nic0
restored() { has_state nic0 connected:cable && cmp $profiles/cable.nmconnection cable.before; }
soon 15 "the profile is there again" restored
touch -r cable.before $profiles/cable.nmconnection
as_before_exactly "removed, with a profile that had been deleted"

# Self-repair: the packages' word holds ...
works lan net add lab ipv4=10.77.0.1/24
guest two lab
address=$(dhcp two)
port=$(lan port list --json | grep -o '"ifname": *"[^"]*"' | cut -d'"' -f4)
has_state ly-lab unmanaged: || fail "NetworkManager has ly-lab: $(nmcli device)"
nmcli device set ly-lab managed yes >/dev/null 2>&1
has_state ly-lab unmanaged: || fail "NetworkManager has ly-lab: $(nmcli device)"
# ... and where somebody has overruled it, the steward's
printf '[keyfile]\nunmanaged-devices=interface-name:up0\n' >/etc/NetworkManager/conf.d/99-mine.conf
works nmcli general reload conf
no_claim() { ! nmcli -t -f DEVICE,STATE device | grep '^ly' | grep -v ':unmanaged$'; }
soon 10 "all are out of it" no_claim
for name in ly-lab "$port"; do
	lines=$(grep -c "repaired: NetworkManager leaves $name alone" steward.log)
	begin=$(date +%s%3N)
	works nmcli device set "$name" managed yes
	soon 5 "$name is out of it again" has_state "$name" unmanaged:
	echo "$name was NetworkManager's for $(($(date +%s%3N) - begin)) ms"
	[ $(($(date +%s%3N) - begin)) -le 1000 ] || fail "$name was NetworkManager's for $(($(date +%s%3N) - begin)) ms"
	is "lines about $name" $((lines + 1)) "$(grep -c "repaired: NetworkManager leaves $name alone" steward.log)"
done
soon 5 "doctor agrees" lan doctor --only BR-04
# ... and without the steward doctor's
kill_hard "$steward"
works nmcli device set ly-lab managed yes
soon 5 "it is said" grep -q "NetworkManager has taken ly-lab" broker.log
has "doctor" "NetworkManager manages ly-lab" "$(lan doctor --only BR-04)"
works lan doctor --fix BR-04
has_state ly-lab unmanaged: || fail "NetworkManager has ly-lab: $(nmcli device)"
works on two ping -c 1 -W 2 10.77.0.1
is "the address" "$address" "$(dhcp two)"

session_lives "to the end"
kill_hard "$networkmanager" "$(cat server.pid)"
