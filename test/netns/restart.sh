#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# The broker under a service manager: however it ends, nobody is refused until the next one is there, neither who calls it
# nor who connects to a published port, and connections that exist go on. (test/vm/units.py: the same with systemd's own units.)
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

start_executor
mkfifo manager
python3 "$LANYARD_SOURCE/test/netns/lib_manager.py" "$(runtime_folder)" "$LANYARD_BUILD/lanyardd" --system --instance "$instance" \
	<manager 2>broker.log &
manager=$!
exec {manager_in}>manager
soon 10 "the system instance" lan net list
works lan net add lab ipv4=10.20.0.1/24 domain=lab.internal
guest web lab
works dhcp web
on web python3 "$LANYARD_SOURCE/test/netns/lib_traffic.py" serve 5001 >server 2>server.log &
soon 10 "the server" test -s server
for port in 8080 80 "[::1]:8080"; do works lan publish "$port" web:5001; done
is "made by the manager" "$manager" "$(ps -o ppid= -C lanyard-publish | sort -u | tr -d ' ')"

# begin NAME COMMAND...: it is spoken to by ${NAME}_in and ${NAME}_out
begin() {
	local name=$1 line
	shift
	mkfifo "$name.in" "$name.out"
	"$@" <"$name.in" >"$name.out" 2>"$name.log" &
	exec {input}>"$name.in" {output}<"$name.out"
	declare -g "${name}_in=$input" "${name}_out=$output"
	read -rt 20 line <&"$output"
	has "$name begins" '^(ok|ready)$' "$line"
}
# tell NAME WORD: prints the answer
tell() {
	local input=$1_in output=$1_out line
	echo "$2" >&"${!input}"
	read -rt 60 line <&"${!output}"
	echo "$line"
}
begin through python3 "$LANYARD_SOURCE/test/netns/lib_traffic.py" send 8080 127.0.0.1
begin knock python3 "$LANYARD_SOURCE/test/netns/lib_knock.py" 8080
begin low python3 "$LANYARD_SOURCE/test/netns/lib_knock.py" 80
# there_are NUMBER: publishers
there_are() { [ "$(pgrep -cx lanyard-publish)" = "$1" ]; }
publishers=$(pgrep -x lanyard-publish | sort | xargs)

for signal in KILL TERM KILL TERM KILL; do
	broker=$(process broker)
	kill "-$signal" "$broker"
	works lan net list # refused by nobody, answered by the next one
	soon 10 "the end of process $broker" is_dead "$broker"
	is "another broker after $signal" yes "$([ "$(process broker)" != "$broker" ] && echo yes)"
	is "the connection through the port after $signal" ok "$(tell through moves)"
done
is "the published ports" 3 "$(lan published | wc -l)"
is "who forwards them" "$publishers" "$(pgrep -x lanyard-publish | sort | xargs)"
has "port 80" 'failed: none$' "$(tell low end)"

# the executor's death stops no connection either
kill_hard "$executor"
start_executor
is "the connection through the port after the executor's death" ok "$(tell through moves)"
soon 10 "the executor" lan plan
has "port 8080" 'failed: none$' "$(tell knock end)"
is "the connection" "nothing lost" "$(tell through end)"

# what is no longer published is not taken up by the next one; what dies is made anew
works lan unpublish 80
works lan publish "[::1]:80" web:5001
# shellcheck disable=SC2046
kill_hard $(pgrep -x lanyard-publish | head -n 1)
soon 10 "three publishers" there_are 3
kill_hard "$(process broker)"
works lan net list
is "published after all" 3 "$(lan published | wc -l)"
python3 -c 'import socket; socket.create_connection(("127.0.0.1", 80))' 2>refused && fail "port 80 is still published"
has "port 80" 'refused' "$(cat refused)"

# without a broker for good: its end is the end of the listening
works lan unpublish "[::1]:80" # which a broker started by hand has no right to
echo end >&"$manager_in"
wait "$manager"
soon 10 "the end of the publishers" there_are 0
start_broker
soon 10 "the published ports by a broker started by hand" there_are 2
for port in 8080 "[::1]:8080"; do works lan unpublish "$port"; done
kill "$pid_web"
works lan net remove lab --force
nothing_left
