#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# Faults of hosts, provoked with the real thing: doctor finds each, says why, and finds it gone when its remedy line was
# executed as it stands.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

# A person's own world is changed by its owner; the remedies say `lanyard` and mean this one.
as_admin() {
	if [ $kind = --system ]; then "$@"; else lan exec --admin -- "$@"; fi
}
field() { # ID KEY: of the first finding of that id that is a warning or an error
	lan doctor --json --only "$1" 2>/dev/null | python3 -c '
import json, sys
found = [f for f in json.load(sys.stdin)["findings"] if f["id"] == sys.argv[1] and f["verdict"] in ("warning", "error")]
print(found[0][sys.argv[2]] if found else "")' "$1" "$2"
}
verdict() { field "$1" verdict; }
is_fine() { [ -z "$(verdict "$1")" ]; }
is_found() { [ -n "$(verdict "$1")" ]; }
# expect ID PATTERN: it is found, and says so
expect() {
	soon 5 "$1 is found" is_found "$1"
	has "$1 says what it saw" "$2" "$(field "$1" evidence)"
	[ -n "$(field "$1" remedy)" ] || fail "$1 names no remedy"
}
# The remedy of a finding, with this instance where it says `lanyard` alone (the system instance has a name here).
remedy_of() {
	local line
	line=$(field "$1" remedy)
	[ $kind = --user ] && line=${line//sudo /}
	sed -E "s/(^|&& )lanyard (net|port|up)/\1lanyard $kind --instance $instance \2/g" <<<"$line"
}
# mend ID: executes the remedy line literally; then the fault is gone
mend() {
	local line
	line=$(remedy_of "$1")
	bash -c "$line" >"$folder/remedy.out" 2>&1 || fail "$1: the remedy '$line' failed: $(cat "$folder/remedy.out")"
	soon 5 "$1 is gone after '$line'" is_fine "$1"
}

# maybe ID PATTERN: what we repair by ourselves, unless doctor sees it before that; gone afterwards in any case
maybe() {
	local said
	said=$(field "$1" evidence)
	if [ -n "$said" ]; then
		has "$1 says what it saw" "$2" "$said"
		[ -z "$(remedy_of "$1")" ] || mend "$1"
	fi
	soon 5 "$1 is gone" is_fine "$1"
}

cat >lanyard.yaml <<'YAML'
name: doctor
networks:
  lab: { ipv4: 10.20.0.1/24 }
YAML
start_instance
works lan up
guest web lab
guest db lab
works dhcp web
works dhcp db
bridge=ly-lab
port_of() { lan port list --json | python3 -c 'import json,sys; print([p[sys.argv[2]] for p in json.load(sys.stdin) if p["machine"] == sys.argv[1]][0])' "$1" "$2"; }
web_port=$(port_of web ifname)

# All is well: nothing but what the host itself lacks; unknown is never ok
all=$(lan doctor --json 2>/dev/null)
python3 - "$all" <<'PY' || fail "findings in a healthy instance: $all"
import json, sys
f = json.loads(sys.argv[1])["findings"]
bad = [x for x in f if x["verdict"] in ("warning", "error") and x["id"].split("-")[0] in ("FW", "IP", "BR", "DHCP", "SELF")]
ids = {x["id"] for x in f}
sys.exit(bool(bad) or len(ids) < 60)
PY

# FW-01, FW-07: the rules that Docker writes
docker_rules() {
	if command -v iptables >/dev/null; then
		local rule
		for rule in "-N DOCKER-USER" "-A DOCKER-USER -j RETURN" "-N DOCKER-FORWARD" "-A DOCKER-FORWARD -o docker0 -j DROP" \
			"-A FORWARD -j DOCKER-USER" "-A FORWARD -j DOCKER-FORWARD" "-P FORWARD DROP"; do
			# shellcheck disable=SC2086 # words
			as_admin iptables $rule || return
		done
		return
	fi
	as_admin nft -f - <<'NFT'
table ip filter {
	chain DOCKER-USER { counter packets 0 bytes 0 return; }
	chain DOCKER-FORWARD { oifname "docker0" counter packets 0 bytes 0 drop; }
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		counter packets 0 bytes 0 jump DOCKER-USER
		counter packets 0 bytes 0 jump DOCKER-FORWARD
	}
}
NFT
}
# Lanyard may mend what Docker breaks by itself; then there is nothing to be found.
outside() { on web wget -qO- -t 1 -T 2 "http://$WORLD_NET4/"; }
works outside
docker_rules || fail "no Docker-like rules"
if ! outside >/dev/null 2>&1; then
	expect FW-01 'table ip filter, chain FORWARD \(policy drop\) drops what network lab forwards'
	code=0
	lan doctor --only FW-01 >/dev/null 2>&1 || code=$?
	is "the exit code for an error" 2 $code
	mend FW-01
fi
works outside
as_admin nft delete table ip filter

# FW-01, FW-04, FW-07 with ufw itself, on copies of its files
if [ $kind = --system ] && command -v ufw >/dev/null; then
	for place in /etc/ufw /etc/default /var/lib/ufw; do
		mkdir -p "ufw$place" "$place"
		cp -a "$place/." "ufw$place/"
		mount --bind "$folder/ufw$place" "$place" || fail "no copy of $place"
	done
	works ufw --force enable
	for id in FW-04 FW-01; do
		if is_found $id; then
			has "the remedy of $id" '^ufw ' "$(remedy_of $id)"
			mend $id
		fi
	done
	soon 5 "br_netfilter is harmless then" is_fine FW-07
	soon 5 "a new machine gets an address" is_fine SELF-05
	works dhcp web
	works outside
	works ufw --force disable
	nft flush ruleset
	soon 5 "our rules are there again" is_fine FW-06
	works outside
fi

# FW-04: an input chain that drops, written by hand
as_admin nft -f - <<'NFT' || fail "no input rules"
table inet host {
	chain input { type filter hook input priority filter; policy drop; ct state established accept; iifname "lo" accept; }
}
NFT
if ! on web busybox nslookup -type=a web.lab.internal 10.20.0.1 >/dev/null 2>&1; then
	expect FW-04 'table inet host, chain input .* DHCP'
	expect SELF-05 'gets no answer to its DHCP question'
	mend FW-04
	is_fine SELF-05 || fail "still no DHCP after the remedy"
fi
as_admin nft delete table inet host

# FW-05: firewalld's own shape of rules, without our interface
as_admin nft -f - <<'NFT' || fail "no firewalld rules"
table inet firewalld {
	chain filter_IN_public { accept; }
	chain filter_INPUT { type filter hook input priority filter + 10; policy accept; iifname "eth9" goto filter_IN_public; }
}
NFT
expect FW-05 "firewalld has $bridge in no zone"
as_admin nft insert rule inet firewalld filter_INPUT iifname $bridge goto filter_IN_public
soon 5 "FW-05 is gone when the zone has the interface" is_fine FW-05
as_admin nft delete table inet firewalld

# FW-08: forwarding off; Lanyard may switch it on again before we look
as_admin sysctl -qw net.ipv4.conf.$bridge.forwarding=0
maybe FW-08 "IPv4 packets that come in by $bridge"
# BR-01: spanning tree switched on
as_admin ip link set $bridge type bridge stp_state 1 forward_delay 1500
maybe BR-01 "$bridge: (spanning tree is on|ports wait)"

# IP-04: a port with a smaller MTU than its bridge, which we put right ourselves; an uplink with a smaller one
as_admin ip link set "$web_port" mtu 1280
maybe IP-04 "$web_port\) takes packets of 1280 bytes"
if [ $kind = --system ]; then
	ip link set up0 mtu 1400
	maybe IP-04 'an MTU of 1500, the uplink up0 one of 1400'
	ip link set up0 mtu 1500
fi

# IP-02: one prefix on a second, forgotten interface
as_admin ip link add stale0 type veth peer name stale0p
as_admin ip link set stale0p up
as_admin ip link set stale0 up
as_admin ip address add 10.20.0.77/24 dev stale0
expect IP-02 '10\.20\.0\.0/24 is on .*stale0'
mend IP-02
as_admin ip link delete stale0

# IP-01: a VPN comes up whose route overlaps
as_admin ip link add vpn0 type veth peer name vpn0p
as_admin ip link set vpn0p up
as_admin ip link set vpn0 up
as_admin ip route add 10.20.0.0/16 dev vpn0
expect IP-01 '10\.20\.0\.0/24, and the route to 10\.20\.0\.0/16 .* leads to vpn0'
mend IP-01
as_admin ip link delete vpn0
works lan net set lab ipv4=10.20.0.1/24
works dhcp web

# BR-06: a port taken off its bridge; put back by us within a second, or by the remedy
as_admin ip link set "$web_port" nomaster
maybe BR-06 'is not on the bridge of its network'

# BR-09: a machine that serves DHCP
printf 'interface eth0\nstart 10.20.0.200\nend 10.20.0.210\nlease_file %s\npidfile %s\n' "$folder/rogue.leases" "$folder/rogue.pid" >rogue.conf
: >rogue.leases
on db busybox udhcpd -f -a 10 rogue.conf >rogue.log 2>&1 &
rogue=$!
if soon_found() { soon 20 "the rogue server" is_found BR-09; } && kill -0 $rogue 2>/dev/null; then
	soon 5 "BR-09 is found" is_found BR-09
	has "BR-09 names the machine" 'addresses are offered by .*machine db' "$(field BR-09 evidence)"
	mend BR-09
	works lan port set "$(port_of db id)" down=no
fi
pkill -P $rogue 2>/dev/null
kill $rogue 2>/dev/null
wait $rogue 2>/dev/null
soon 5 "the rogue server is gone" is_fine BR-09

# BR-08: a machine with another one's MAC
mac=$(port_of db mac)
on web ip link set eth0 down
on web ip link set eth0 address "$mac"
on web ip link set eth0 up
on web ip address replace 10.20.0.90/24 dev eth0
heard() {
	on web ping -c 1 -W 1 10.20.0.1
	said=$(field BR-08 evidence)
	[ -n "$said" ]
}
soon 8 "the second use of a MAC" heard
has "BR-08" "the MAC $mac of .*db.* is used by .*web" "$said"
on web ip link set eth0 down
on web ip link set eth0 address "$(port_of web mac)"
on web ip link set eth0 up
calm() { on db ping -c 1 -W 1 10.20.0.1; is_fine BR-08; }
soon 8 "the MAC is at one port again" calm

# IP-05: a machine that takes the gateway's address
on web ip address flush dev eth0
on web ip address add 10.20.0.1/24 dev eth0
expect IP-05 "the gateway's address of network lab is used by a machine with the MAC"
on web ip address flush dev eth0
soon 5 "the gateway is alone again" is_fine IP-05

# DHCP-01: an empty pool
works lan net set lab 'dhcp={range: 10.20.0.100-10.20.0.101}'
works dhcp web
works dhcp db
expect DHCP-01 '2 of 2 addresses are handed out'
mend DHCP-01

# dnsmasq killed: back by itself; doctor has nothing to say about it
# shellcheck disable=SC2046
kill -9 $(dnsmasq_pids)
soon 10 "a new machine gets an address again" is_fine SELF-05

# Without rights: unknown, never ok
if [ $kind = --system ] && id lanyard-test >/dev/null 2>&1; then
	found=$(runuser -u lanyard-test -- env "PATH=$PATH" "HOME=/tmp/nobody" lanyard --system --instance "$instance" --json doctor 2>/dev/null |
		python3 -c 'import json,sys; print(*sorted({f["verdict"] for f in json.load(sys.stdin)["findings"] if f["id"] in ("FW-01", "FW-04")}))')
	is "firewall checks for a stranger" unknown "$found"
fi

# resolv.conf that leads nowhere: only where we may lay another one over it
if [ $kind = --system ] && [ -w /tmp/.world/resolv.conf ]; then
	cp /tmp/.world/resolv.conf keep
	: >/tmp/.world/resolv.conf
	expect DNS-02 'names no server'
	cat keep >/tmp/.world/resolv.conf
	soon 20 "DNS-02 is gone" is_fine DNS-02
fi

# HV-09: no tun device; the command that fails because of it says so
if [ $kind = --system ]; then
	mount -t tmpfs tmpfs /dev/net
	expect HV-09 '/dev/net/tun: No such file'
	said=$(lan port add lab --tap lyprobe0 2>&1)
	has "one line of explanation" '^HV-09: /dev/net/tun' "$(tail -n 1 <<<"$said")"
	is "lines after a failure" 2 "$(grep -c . <<<"$said")"
	umount /dev/net
	soon 20 "HV-09 is gone" is_fine HV-09
fi

# BR-02: a port that somebody has blocked
as_admin bridge link set dev "$web_port" state 4
maybe BR-02 "$web_port\) is blocking"

# FW-10: policy rules, and a strict filter for the way back
as_admin ip rule add pref 100 from 192.0.2.1 lookup 100
as_admin sysctl -qw net.ipv4.conf.$bridge.rp_filter=1
expect FW-10 "$bridge drops packets whose way back is another one"
mend FW-10
as_admin ip rule del pref 100

# DNS-01: a server on port 53 of all addresses
mkfifo listening
as_admin python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 53))
print("listening", file=open(sys.argv[1], "w"), flush=True)
time.sleep(60)' "$folder/listening" &
server=$!
read -r _ <listening
expect DNS-01 'holds udp port 53 of all addresses'
pkill -P $server 2>/dev/null
kill $server 2>/dev/null
wait $server 2>/dev/null
soon 5 "DNS-01 is gone" is_fine DNS-01

# What concerns the host itself
if [ $kind = --system ]; then
	# IP-03: the default route came from a router, forwarding makes the kernel deaf to it
	ip -6 route replace default via 2001:db8:100::1 dev up0 proto ra
	sysctl -qw net.ipv6.conf.up0.accept_ra=1 net.ipv6.conf.up0.forwarding=1
	maybe IP-03 'up0 forwards IPv6 and no longer listens to its router'
	ip -6 route replace default via 2001:db8:100::1 dev up0 proto boot
	# FW-02: the tables that nft does not show
	if command -v iptables-legacy >/dev/null && iptables-legacy -P FORWARD DROP 2>/dev/null; then
		expect FW-02 'drops what network lab forwards'
		mend FW-02
		works outside
		iptables-legacy -P FORWARD ACCEPT
		iptables-legacy -F FORWARD
	fi
	# IP-06
	ip route del default
	ip -6 route del default
	expect IP-06 'the host has no default route'
	ip route add default via 198.51.100.1
	ip -6 route add default via 2001:db8:100::1 dev up0
	soon 5 "IP-06 is gone" is_fine IP-06
	# FW-09: a tunnel, and rules with marks, as VPN clients make them
	ip tuntap add tun7 mode tun
	ip rule add pref 90 fwmark 0x77 lookup 77
	expect FW-09 'tun7 is a VPN tunnel'
	ip rule del pref 90
	ip link delete tun7
	soon 5 "FW-09 is gone" is_fine FW-09
	# BR-03: with the /sys of this world the MAC is seen to be pinned
	mount -t sysfs sysfs /sys
	is "the bridge's MAC is pinned" ok "$(lan doctor --json --only BR-03 | python3 -c 'import json,sys; print(json.load(sys.stdin)["findings"][0]["verdict"])')"
	umount /sys
	# NIC-02
	has "the session" 'your SSH session comes in by up0' "$(SSH_CONNECTION="192.0.2.9 1 $WORLD_HOST4 22" lan doctor --only NIC-02)"
	# DNS-02: a dangling link
	mkdir etc
	cp -a /etc/. etc/
	rm -f etc/resolv.conf
	ln -s /run/nowhere/resolv.conf etc/resolv.conf
	mount --bind etc /etc
	expect DNS-02 'is a link that leads nowhere'
	umount /etc
	soon 5 "DNS-02 is gone" is_fine DNS-02
fi

# DHCP-02: two clones, which elsewhere would get one address
for name in web db; do
	LEASE_FILE=$folder/clone.$name on $name busybox udhcpc -i eth0 -s "$folder/udhcpc" -x 0x3d:ff00112233 -n -q -f -t 5 -T 1 >/dev/null 2>&1
done
[ "$(cat clone.web)" != "$(cat clone.db)" ] || fail "two clones have the address $(cat clone.web)"
is_fine DHCP-02 || fail "$(field DHCP-02 evidence)"

# --fix mends by itself, --dry-run only says so, and one id can be meant
as_admin ip link add stale1 type veth peer name stale1p
as_admin ip link set stale1p up
as_admin ip link set stale1 up
as_admin ip address add 10.20.0.78/24 dev stale1
has "what --fix would do" "IP-02: .*ip address flush dev stale1" "$(lan doctor --fix IP-02 --dry-run)"
is_found IP-02 || fail "--dry-run has mended IP-02"
works lan doctor --fix IP-02
is_fine IP-02 || fail "--fix has not mended IP-02"
as_admin ip link delete stale1

# The one line after another command's failure: fast, and silent when there is nothing to say
has "a plain error" '^lanyard: .*nothing listens|refused' "$(lan connect web 81 2>&1 </dev/null)"
is "no hint where none is needed" 1 "$(lan connect web 81 2>&1 </dev/null | grep -c .)"
refused "unknown check|no check begins" lan doctor --only XX
is "one check" 1 "$(lan doctor SELF-01 --json | python3 -c 'import json, sys; print(len({f["id"] for f in json.load(sys.stdin)["findings"]}))')"
