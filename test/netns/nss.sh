#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# The host knows its machines by name without any resolver: libnss_lanyard in the host's own nsswitch.conf, asked by the
# host's own programs; leases of a real DHCP client, reservations, both families, and what must not be answered.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
[ -f "$LANYARD_BUILD/libnss_lanyard.so.2" ] || skip "libnss_lanyard.so.2 was not built"
sed 's/^hosts:.*/hosts: files lanyard dns/' /etc/nsswitch.conf >"$folder/nsswitch.conf"
chmod 644 "$folder/nsswitch.conf"
mount --bind "$folder/nsswitch.conf" /etc/nsswitch.conf || skip "cannot replace nsswitch.conf in a private mount namespace"
# asked by name of the library alone, as the dynamic linker finds it once it is installed
cp "$LANYARD_BUILD/libnss_lanyard.so.2" "$folder/"
chmod 755 "$folder"
export LD_LIBRARY_PATH=$folder
# no process of its own has the tests' sanitizers
host() { env -u LD_PRELOAD "$@"; }
hosts() { host getent ahosts "$1" | awk '$2 == "STREAM" {print $1}' | sort | tr '\n' ' '; }
name_of() { host getent hosts "$1" | awk '{print $2}'; }
knows() { host getent ahosts "$1" >/dev/null; }
unknown() { knows "$1" && fail "$1 is answered: $(host getent ahosts "$1")"; return 0; }

unknown web
is "other names" "$WORLD_NET4" "$(host getent ahostsv4 "$WORLD_NAME" | awk 'NR == 1 {print $1}')"
start_instance
works lan net add lab ipv4=10.20.0.1/24 ipv6=fd20::1/64
works lan net reserve lab web ba:ad:ca:00:00:0a 10.20.0.10 fd20::10
works lan net reserve lab printer 10.20.0.40
guest web lab mac=ba:ad:ca:00:00:0a
guest db lab
is "the reserved address" 10.20.0.10 "$(dhcp web)"
db4=$(dhcp db)

# forward, by both names, both families; reservations before their machine is there
is "web" "10.20.0.10 fd20::10 " "$(hosts web)"
is "web.lab.internal" "10.20.0.10 fd20::10 " "$(hosts Web.Lab.Internal)"
is "by IPv6 alone" "fd20::10" "$(host getent ahostsv6 web | awk 'NR == 1 {print $1}')"
is "a record" "10.20.0.40 " "$(hosts printer)"
is "a lease" "$db4 " "$(hosts db)"
is "its full name" "$db4 " "$(hosts db.lab.internal)"
is "the gateway" "10.20.0.1 fd20::1 " "$(hosts gateway.lab.internal)"
# back
is "of a reservation" web.lab.internal "$(name_of 10.20.0.10)"
is "of its IPv6 address" web.lab.internal "$(name_of fd20::10)"
is "of a lease" db.lab.internal "$(name_of "$db4")"
# what people do with it
works host ping -4 -c 1 -W 5 db
works host ping -4 -c 1 -W 5 web.lab.internal
on web ip -6 addr replace fd20::10/64 dev eth0 nodad
works host ping -6 -c 1 -W 5 web
on db busybox nc -l -p 2222 -e echo hello >/dev/null 2>&1 &
soon 5 "a server on db" on db sh -c 'grep -q ":08AE " /proc/net/tcp /proc/net/tcp6'
is "a connection by name" hello "$(host python3 -c 'import socket; print(socket.create_connection(("db", 2222), 5).recv(9).decode().strip())')"
# anybody's programs
works setpriv --reuid=65534 --regid=65534 --clear-groups env LD_LIBRARY_PATH="$folder" getent hosts db
works setpriv --reuid=65534 --regid=65534 --clear-groups env LD_LIBRARY_PATH="$folder" getent hosts "$db4"

# other names are still the resolver's, and none of ours is asked of it
is "other names" "$WORLD_NET4" "$(host getent ahostsv4 "$WORLD_NAME" | awk 'NR == 1 {print $1}')"
unknown nobody
unknown nobody.lab.internal
unknown gateway
# a machine that calls itself as the host, or as what every browser asks for
for bad in "$(hostname)" wpad localhost; do
	LEASE_FILE=$folder/bad.lease on db busybox udhcpc -i eth0 -s "$folder/udhcpc" -x "hostname:$bad" -n -q -f -t 5 -T 1 >/dev/null 2>&1 || fail "no lease as $bad"
	host getent ahosts "$bad" | grep -q "$db4" && fail "a machine was answered for $bad"
done
dhcp db >/dev/null
is "its own name again" "$db4 " "$(hosts db)"

# two networks: records before leases, then by the network's name; full names always their own
works lan net add aux ipv4=10.30.0.1/24
guest web2 aux
LEASE_FILE=$folder/web2.lease on web2 busybox udhcpc -i eth0 -s "$folder/udhcpc" -x hostname:web -n -q -f -t 5 -T 1 >/dev/null 2>&1 || fail "no lease for web2"
is "a lease does not hide a record" "10.20.0.10 fd20::10 " "$(hosts web)"
is "its full name" "$(cat "$folder/web2.lease") " "$(hosts web.aux.internal)"
works lan net reserve aux printer 10.30.0.40
is "the first by the network's name" "10.30.0.40 " "$(hosts printer)"

# a domain of the world is not answered, whatever somebody calls a network
works lan net add world ipv4=10.40.0.1/24 domain=internet.test.example.com
works lan net reserve world www 10.40.0.10
unknown www.internet.test.example.com
is "its short name" "10.40.0.10 " "$(hosts www)"

# expired: the same file with a time that is over
leases=$(grep -l " db " /run/lanyard/"$instance"/services/*/leases)
[ -n "$leases" ] || fail "no lease file"
sed 's/^[0-9]* \([^ ]* [^ ]* db \)/1 \1/' "$leases" >"$folder/leases"
cat "$folder/leases" >"$leases"
unknown db
is "an expired address" "" "$(name_of "$db4")"
works on db ip link set eth0 up
# dnsmasq writes nothing for a lease that ends in the same second as before
renewed() { dhcp db >/dev/null && [ "$(hosts db)" = "$db4 " ]; }
soon 10 "the renewed address" renewed

# at once: a record that comes and goes, a network that goes; without daemons the files still answer
works lan net reserve lab late 10.20.0.60
is "a new record" "10.20.0.60 " "$(hosts late)"
works lan net unreserve lab late
unknown late
kill "$broker"
soon 5 "the end of the broker" is_dead "$broker"
is "without the broker" "10.20.0.10 fd20::10 " "$(hosts web)"
start_broker
soon 10 "the broker" lan net list
works lan net remove lab --force
unknown printer.lab.internal
unknown db
is "that of the other network" "$(cat "$folder/web2.lease") " "$(hosts web)"
