#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# How the host reaches machines: connect and publish, both protocols, through the deaths of their processes, and
# with a machine that comes back with another address.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

cat >lanyard.yaml <<'YAML'
name: publish
networks:
  lab: { ipv4: 10.20.0.1/24, domain: lab.internal }
YAML
start_instance
works lan up
guest web lab
web4=$(dhcp web)
soon 10 "IPv6 on web" has_global web
web6=$(address6 web)

cat >answer.py <<'PYTHON'
import os, socket, sys, threading
def talk(connection):
    with connection, connection.makefile("rw") as stream:
        for line in stream:
            stream.write(sys.argv[1] + " " + line)
            stream.flush()
listener = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
print(os.getpid(), flush=True)
while True:
    threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
PYTHON
# serve NAME TEXT: a server in a guest that answers every line with TEXT and the line; its pid is in $server
serve() {
	rm -f server.pid
	mkfifo server.pid
	on "$1" python3 answer.py "$2" >server.pid 2>server.log &
	read -r server <server.pid || fail "no server in guest $1: $(cat server.log)"
}
# ask HOST PORT: one line there and back
ask() {
	python3 -c '
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as connection, connection.makefile("rw") as stream:
    stream.write("hello\n")
    stream.flush()
    print(stream.readline(), end="")' "$@"
}
answers() { [ "$(ask "$1" "$2" 2>/dev/null)" = "$3 hello" ]; }
serve web one
# dnsmasq has asked for this neighbour while its address was tentative: a moment until the kernel asks again
soon 10 "the first packet over IPv6" within ping -c 1 -W 1 "$web6"

# connect: names and addresses of both protocols, a byte stream on standard input and output
for name in web web.lab.internal "$web4" "$web6"; do
	is "connect $name" "one hello" "$(lan connect "$name" 80 < <(echo hello))"
done
refused 'did you mean .web' lan connect wep 80
refused 'refused' lan connect web 81
refused '65535' lan connect web 70000

works lan publish 8080 web:80
works lan publish "[::1]:8080" web:80
works lan publish 8081 "[$web6]:80"
is "published over IPv4" "one hello" "$(ask 127.0.0.1 8080)"
is "published over IPv6" "one hello" "$(ask ::1 8080)"
is "published to IPv6" "one hello" "$(ask 127.0.0.1 8081)"
is "the list" 3 "$(lan published | wc -l)"
refused 'published already, to web:80; ' lan publish 8080 web:80
has "with brackets" '^\[::1\]:8080 leads to web:80$' "$(lan published)"
refused '203\.0\.113\.99 is no address of this computer' lan publish 203.0.113.99:8080 web:80
refused 'port 80 of 127\.0\.0\.1 is one that the kernel keeps for root; .*port_start=80$' lan publish 80 web:80
refused 'no machine called' lan publish 8082 nobody:80
mkfifo taken.pid
python3 -c 'import os,signal,socket; s = socket.create_server(("127.0.0.1", 8084)); print(os.getpid(), flush=True); signal.pause()' >taken.pid &
read -r taken <taken.pid
refused '^lanyard: port 8084 of 127\.0\.0\.1 is taken by another program; choose another one$' lan publish 8084 web:80
lan publish 8084 web:80 2>/dev/null
is "the exit code of what is taken" 5 $?
# a dry run asks all of this
refused '^lanyard: port 8084 of 127\.0\.0\.1 is taken by another program' lan publish 8084 web:80 --dry-run
kill "$taken"
refused 'published already, to web:80; ' lan publish 8080 web:80 --dry-run
refused 'port 80 of 127\.0\.0\.1 is one that the kernel keeps for root' lan publish 80 web:80 --dry-run
refused 'no machine called' lan publish 8082 nobody:80 --dry-run
refused 'port 8085 of 127\.0\.0\.1 is not published' lan unpublish 8085 --dry-run
is "what would be published" "publish 127.0.0.1:8085 to web:80" "$(lan publish 8085 web:80 --dry-run)"
is "what would be ended" "unpublish 127.0.0.1:8080" "$(lan unpublish 8080 --dry-run)"
is "nothing of the refused ones" 3 "$(lan published | wc -l)"

# a connection that lives through what follows
exec {live}<>/dev/tcp/127.0.0.1/8080
talk() {
	local line
	echo "$1" >&"$live"
	read -rt 10 line <&"$live"
	is "the connection $2" "one $1" "$line"
}
talk a "at first"

kill_hard "$(process broker)"
talk b "without its broker"
supervise
works lan status
soon 10 "published again over IPv4" answers 127.0.0.1 8080 one
soon 10 "published again over IPv6" answers ::1 8080 one
talk c "after the broker's death"
for role in executor holder; do
	pid=$(process $role)
	[ -n "$pid" ] || continue
	kill_hard "$pid"
	supervise
	works lan status
	soon 10 "published after the death of the $role" answers 127.0.0.1 8080 one
done
[ $kind = --system ] && talk d "after the executor's death"

# lanyard-publish itself: its connections end, the port comes back
# shellcheck disable=SC2046
kill_hard $(pgrep -x lanyard-publish)
soon 10 "published after the death of its process" answers 127.0.0.1 8080 one

# unpublish: no new connections, the port is free for others, those that exist go on
exec {live}>&-
exec {live}<>/dev/tcp/127.0.0.1/8080
talk e "before unpublish"
works lan unpublish 8080
ask 127.0.0.1 8080 >/dev/null 2>&1 && fail "the port still answers after unpublish"
talk f "after unpublish"
works lan publish 8080 web:80
talk g "after another publish"
exec {live}>&-
is "the new one" "one hello" "$(ask 127.0.0.1 8080)"

# the machine comes back with another address: the port follows its name
kill -9 "$server"
kill "$pid_web"
gone() { [ "$(lan port list --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" = 0 ]; }
soon 10 "the end of the port" gone
guest keeper lab # takes the address that is free now
on keeper ip addr add "$web4/24" dev eth0
works lan net reserve lab web ba:ad:ca:00:00:77 10.20.0.77
guest web lab mac=ba:ad:ca:00:00:77
is "the other address" 10.20.0.77 "$(dhcp web)"
serve web two
soon 5 "the port leads to the new address" answers 127.0.0.1 8080 two
soon 5 "over IPv6 too" answers ::1 8080 two

for port in 8080 "[::1]:8080" 8081; do works lan unpublish "$port"; done
is "nothing is published" "" "$(lan published)"
kill -9 "$server"
kill "$pid_web" "$pid_keeper"
works lan down
nothing_left
