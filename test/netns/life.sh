#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# One network's life with two guests: leases, names, both protocols, the world outside, live edits, nothing left.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

cat >lanyard.yaml <<'YAML'
name: life
networks:
  lab:
    mode: nat
    ipv4: 10.20.0.1/24
    domain: lab.internal
    reservations:
      - { name: web, mac: "ba:ad:ca:00:00:0a", address: 10.20.0.10 }
YAML
start_instance
works lan up
has "second up" 'nothing was to do' "$(lan up 2>&1)"
is_empty_plan || fail "the plan is not empty after up: $(lan plan)"

guest web lab
guest db lab
# the reservation is for this MAC
on web ip link set eth0 down
on web ip link set eth0 address ba:ad:ca:00:00:0a
on web ip link set eth0 up
is "the reserved address" 10.20.0.10 "$(dhcp web)"
db4=$(dhcp db)
has "a leased address" '^10\.20\.0\.' "$db4"
is "domain by DHCP" lab.internal "$(cat "$folder/web.lease.domain")"
soon 10 "IPv6 by router advertisement on web" has_global web
soon 10 "IPv6 by router advertisement on db" has_global db

works on web ping -c 1 -W 3 "$db4"
works on web ping -c 1 -W 3 10.20.0.1
works on web ping -c 1 -W 3 "$(address6 db)"
works within ping -c 1 -W 3 10.20.0.10

resolve() { on "$1" busybox nslookup "$2" 10.20.0.1; }
has "bare name" '10\.20\.0\.10' "$(resolve db web.lab.internal)"
has "reverse" 'web' "$(resolve db 10.20.0.10)"
has "leases" "$db4" "$(lan net leases lab)"

# the world outside, both protocols, through the uplink
soon 20 "the world outside" on web wget -qO- -t 1 -T 5 "http://$WORLD_NET4/"
works on web wget -qO- -t 1 -T 20 "http://[$WORLD_NET6]/"
has "a name of the world outside" "${WORLD_NET4//./\\.}" "$(resolve web "$WORLD_NAME")"

# a reservation restarts nothing
before=$(within pgrep -x dnsmasq || pgrep -x dnsmasq)
works lan net reserve lab cache 10.20.0.30
has "a new name, at once" '10\.20\.0\.30' "$(resolve db cache.lab.internal)"
if [ $kind = --user ]; then
	has "a bare name, inside" '10\.20\.0\.30' "$(within getent ahostsv4 cache)"
	has "a full name, inside" '10\.20\.0\.10' "$(within getent ahostsv4 web.lab.internal)"
	has "reverse, inside" web.lab.internal "$(within getent hosts 10.20.0.10)"
	has "the world outside, inside" "$WORLD_NAME" "$(within getent ahostsv4 "$WORLD_NAME")"
	refused "no network 'none'" lan exec --network none -- true
	is "the host's own file" "$WORLD_NET4" "$(sed 's/nameserver //' /etc/resolv.conf)"
fi
is "dnsmasq goes on" "$before" "$(within pgrep -x dnsmasq || pgrep -x dnsmasq)"
works lan net unreserve lab cache

# a live edit does not detach machines
works lan net set lab domain=school.internal
works on web ping -c 1 -W 3 "$db4"
has "the new domain" '10\.20\.0\.10' "$(resolve db web.school.internal)"
is_empty_plan || fail "the plan is not empty after an edit: $(lan plan)"

kill "$pid_web" "$pid_db"
works lan down
is_gone() { [ -z "$(pids_of lanyard-holder)" ]; }
[ $kind = --system ] || soon 10 "the instance ends with its last network" is_gone
if [ $kind = --system ]; then
	is "links left" "" "$(ip -br link | grep -E '^ly')"
	is "rules left" "" "$(nft list tables | grep lanyard)"
	is "forwarding" 0 "$(cat /proc/sys/net/ipv4/conf/up0/forwarding)"
fi
