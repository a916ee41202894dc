#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# Other firewalls of the host drop what is not theirs: each gets our rules in its own form, keeps them
# over its reload, and has none of them when the network is gone.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

command -v iptables >/dev/null || skip "no iptables"

# These programs write below /etc: a copy of it, for this test alone.
mkdir etc
cp -a /etc/. etc/
mount --bind etc /etc || skip "no private mounts here"

reaches() {
	on web wget -qO- -t 1 -T 3 http://203.0.113.1/ >/dev/null &&
		on web wget -qO- -t 1 -T 3 "http://[2001:db8:fffe::1]/" >/dev/null
}
rules() { iptables -S; ip6tables -S; }
ours() { rules | grep -c "lanyard:$instance:"; }
# repaired NAME COMMAND...: true again. "Within a second" is what bench/run shows of an idle computer; here it is only not forgotten.
longest=0
repaired() {
	local what=$1 begin=${EPOCHREALTIME/./} took
	shift
	soon 20 "$what repaired" "$@"
	took=$(((${EPOCHREALTIME/./} - begin) / 1000))
	[ $took -le $longest ] || longest=$took
}

# Docker

# As dockerd 20.10 to 27 write it (iptables-save of a host with one bridge network), reduced to the
# filter table; since 28 the jumps from FORWARD are in DOCKER-FORWARD, the policy and DOCKER-USER the same.
dockers_rules() {
	cat <<-'RULES'
		*filter
		:INPUT ACCEPT [0:0]
		:FORWARD DROP [0:0]
		:OUTPUT ACCEPT [0:0]
		:DOCKER - [0:0]
		:DOCKER-ISOLATION-STAGE-1 - [0:0]
		:DOCKER-ISOLATION-STAGE-2 - [0:0]
		:DOCKER-USER - [0:0]
		-A FORWARD -j DOCKER-USER
		-A FORWARD -j DOCKER-ISOLATION-STAGE-1
		-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		-A FORWARD -o docker0 -j DOCKER
		-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
		-A FORWARD -i docker0 -o docker0 -j ACCEPT
		-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
		-A DOCKER-ISOLATION-STAGE-1 -j RETURN
		-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
		-A DOCKER-ISOLATION-STAGE-2 -j RETURN
		-A DOCKER-USER -j RETURN
		COMMIT
	RULES
}
docker_starts() {
	dockers_rules | iptables-restore
	dockers_rules | ip6tables-restore
}
docker_goes() {
	for program in iptables ip6tables; do
		$program -P FORWARD ACCEPT
		$program -F && $program -X
	done
}
has_four() { [ "$(ours)" = 4 ]; }
no_rules() { [ "$(ours)" = 0 ]; }
has_table() { nft list table inet "lanyard_$instance" >/dev/null 2>&1; }

start_instance --allow-name 'br*'
works lan net add lab
guest web lab
dhcp web >/dev/null
soon 10 "an address by RA" has_global web
soon 10 "the outside" reaches
is "rules of ours in nobody's chains" 0 "$(ours)"

docker_starts
repaired "Docker's start" has_four
works reaches
has "rules that iptables shows whole" "^-A DOCKER-USER -i ly-lab -m comment --comment \"lanyard:$instance:[0-9]+\" -j ACCEPT" "$(iptables -S)"
has "where, in the status" 'Docker lets ly-lab pass: chain DOCKER-USER of iptables' "$(lan status)"
is "the last rule" "-A DOCKER-USER -j RETURN" "$(iptables -S DOCKER-USER | tail -n 1)"
is_empty_plan || fail "the plan is not empty: $(lan plan)"
has "the check" 'permits of other firewalls' "$(lan net check lab)"
has "a line in the log" 'permit of Docker for ly-lab' "$(cat executor.log)"
lan doctor 2>&1 | grep -q 'drops what network' && fail "doctor: $(lan doctor)"

# br_netfilter shows bridged packets to the same chain
filtered=/proc/sys/net/bridge/bridge-nf-call-iptables
if [ -e $filtered ]; then
	echo 1 >$filtered
	guest two lab
	works on web ping -c 1 -W 3 "$(dhcp two)"
	ip link add br0 type bridge
	ip link set br0 up
	works lan net add lan mode=bridged bridge=br0
	has "a bridge of the host" "^-A DOCKER-USER -i br0 -o br0 -m comment" "$(iptables -S)"
	has "and no more than that" '^1$' "$(iptables -S | grep -c br0)"
	guest three lan
	guest four lan
	on three ip addr add 192.0.2.3/24 dev eth0
	on four ip addr add 192.0.2.4/24 dev eth0
	works on three ping -c 1 -W 3 192.0.2.4
	kill "$pid_two" "$pid_three" "$pid_four"
	works lan net remove --force lan
	ip link del br0
	is "ours without it" 4 "$(ours)"
	echo 0 >$filtered
fi

# what the administrator put there comes first, and stays
iptables -I DOCKER-USER -s 192.0.2.99 -j DROP
iptables -S DOCKER-USER | grep -q '^-A DOCKER-USER -s 192.0.2.99' || fail "the administrator's rule is gone"
is "ours after an edit" 4 "$(ours)"

# iptables-save and -restore keep what they mean (a comment of nft's becomes one of iptables')
iptables-save | iptables-restore
sleep 0.3
is "ours after save and restore" 4 "$(ours)"
is_empty_plan || fail "after save and restore: $(lan plan)"

docker_starts # restart: its chains are written anew
repaired "a restart of Docker" has_four
works reaches
nft flush ruleset
repaired "our own table after a flush" has_table
docker_starts
repaired "Docker's rules after a flush" has_four
works reaches
iptables -D DOCKER-USER -i ly-lab -m comment --comment "$(iptables -S | grep -o "lanyard:$instance:[0-9]*" | head -n 1)" -j ACCEPT
repaired "a removed rule" has_four

# a second network, one that forwards nothing, and hands off
works lan net add other
is "rules for two networks" 8 "$(ours)"
works lan net remove other
works lan net add quiet mode=isolated
is "an isolated network forwards nothing" 4 "$(ours)"
works lan net remove quiet
mkdir -p /etc/lanyard
echo 'firewall: hands-off' >"/etc/lanyard/$instance.yaml"
works lan net set lab dns=true
works lan net set lab mtu=1400
is "ours with hands off" 0 "$(ours)"
reaches && fail "Docker's drop is not final here"
has "advice" 'left alone.*hands-off' "$(cat broker.log)"
has "advice in the status" 'Docker drops .*left alone' "$(lan status)"
lan doctor 2>&1 | grep -q 'iptables -I DOCKER-USER' || fail "doctor advises nothing: $(lan doctor 2>&1)"
rm "/etc/lanyard/$instance.yaml"
works lan net set lab mtu=
is "ours again" 4 "$(ours)"
works reaches
docker_goes
repaired "the end of Docker" no_rules
soon 20 "no Docker, no rules" is_empty_plan
works reaches

# ufw, the real one

ufw_installed() { [ -x /usr/sbin/ufw ]; }
users_rules() { ufw show added | grep -c "lanyard:$instance:"; }
has_three() { [ "$(users_rules)" = 3 ]; }
no_users() { [ "$(users_rules)" = 0 ]; }
if ufw_installed; then
	sed -i 's/^ENABLED=.*/ENABLED=no/; s/^LOGLEVEL=.*/LOGLEVEL=off/' /etc/ufw/ufw.conf
	start_steward
	works ufw --force enable
	soon 20 "ufw's rules" has_three
	works reaches
	dhcp web >/dev/null
	works on web busybox nslookup -type=a "$WORLD_NAME" "$(on web ip route | sed -n 's/default via \([^ ]*\).*/\1/p')"
	lan doctor 2>&1 | grep -q 'drops what network' && fail "doctor: $(lan doctor 2>&1)"
	is_empty_plan || fail "the plan is not empty: $(lan plan)"
	works ufw reload
	repaired "a reload of ufw" reaches
	nft flush ruleset
	repaired "our table after a flush under ufw" has_table
	works ufw reload
	repaired "a reload of ufw after the flush" reaches
	works ufw allow in on ly-lab to any port 22
	works ufw --force delete allow in on ly-lab
	soon 20 "ufw's rules after somebody removed one" has_three
	works ufw --force delete allow in on ly-lab to any port 22
	works lan net add quiet mode=isolated
	is "rules with an isolated network, which only asks" 4 "$(users_rules)"
	works lan net remove quiet
	is "rules again" 3 "$(users_rules)"
	# behind our back, and then off
	works ufw disable
	soon 20 "no ufw, no rules" no_users
	works reaches
	works ufw --force enable
	soon 20 "ufw's rules" has_three
fi

# firewalld, the real one, on a bus of its own

zone=ly-${instance:0:10}
start_firewalld() {
	mkdir -p /run/dbus
	mount -t tmpfs tmpfs /run/dbus
	dbus-daemon --system --nofork --nopidfile 2>dbus.log &
	soon 5 "a bus" test -S /run/dbus/system_bus_socket
	firewalld --nofork --nopid >firewalld.log 2>&1 &
	firewalld=$!
	soon 20 "firewalld" firewall-cmd --state
}
in_zone() { [ "$(firewall-cmd --get-zone-of-interface=ly-lab 2>/dev/null)" = "$zone" ]; }
if ufw_installed; then
	works ufw disable
	soon 20 "no ufw, no rules" no_users
	is "files of ufw without us" "" "$(grep -l ly-lab /etc/ufw/user*.rules)"
fi
if [ -x /usr/sbin/firewalld ] && [ -n "${steward:-}" ]; then
	start_firewalld
	soon 30 "our zone" in_zone
	works reaches
	dhcp web >/dev/null
	has "where, in the status" "firewalld lets .*ly-lab.* pass: zone $zone" "$(lan status)"
	has "the tag" "lanyard:$instance" "$(firewall-cmd --permanent --info-zone="$zone"; cat "/etc/firewalld/zones/$zone.xml")"
	lan doctor 2>&1 | grep -qE 'drops what network|in no zone' && fail "doctor: $(lan doctor 2>&1)"
	is_empty_plan || fail "the plan is not empty: $(lan plan)"
	works firewall-cmd --reload
	works in_zone
	repaired "a reload of firewalld" reaches
	works firewall-cmd --permanent --zone="$zone" --remove-interface=ly-lab
	works firewall-cmd --reload
	soon 20 "our zone after somebody emptied it" in_zone
	works lan net add other
	is "the second network's zone" "$zone" "$(firewall-cmd --get-zone-of-interface=ly-other)"
	works lan net remove other
	is "its zone afterwards" "" "$(firewall-cmd --permanent --zone="$zone" --list-interfaces | grep -o other)"
fi
kill "$pid_web"
works lan net remove --force lab
[ -z "${firewalld:-}" ] || is "zones and policies left" "" "$(find /etc/firewalld -name 'ly-*')"
[ -z "${firewalld:-}" ] || is "chains of it left" "" "$(nft list ruleset | grep -o "$zone")"
is "rules left" 0 "$(ours)"
nothing_left
echo "repaired within $longest ms each"
