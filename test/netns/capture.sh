#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system user nested
# lanyard capture: frames of a port and of a whole network, live and as a file, read by tcpdump; what the process that
# holds the packet socket can do; each way in which a capture ends, and nothing left of it; in a system instance whose
# frames are whose, and what the policy says.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
command -v tcpdump >/dev/null || skip "tcpdump is not installed"
export LANYARD_CONFIG_DIR=$folder/etc
mkdir "$LANYARD_CONFIG_DIR"
policy=$LANYARD_CONFIG_DIR/policy.yaml
if [ $kind = --system ]; then
	lay_accounts alice:lanyard bob:lanyard
	chmod 755 "$folder"
fi
# as ACCOUNT COMMAND...
as() {
	local account=$1
	shift
	setpriv --reuid="$account" --regid="$account" --clear-groups -- env HOME=/nonexistent "$@"
}
theirs() { as "$1" lanyard --system --instance "$instance" --no-color "${@:2}"; }
# in the background it is the process itself, for signals
capture() { exec lanyard $kind --instance "$instance" --no-color capture "$@"; }
# those of this instance: children of its executor
captures() {
	local pid
	for pid in $(pgrep -x lanyard-capture); do
		[ "$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)" = "$(process executor)" ] && echo "$pid"
	done
	return 0
}
no_capture() { [ -z "$(captures)" ]; }
one_capture() { [ "$(captures | wc -l)" = 1 ]; }
# read_pcap FILE [FILTER]...: as tcpdump shows it, which must find nothing wrong
read_pcap() { tcpdump -n -e -v -r "$1" "${@:2}" 2>"$folder/tcpdump.err" || fail "tcpdump: $(cat "$folder/tcpdump.err")"; }
has_echo() { tcpdump -n -r "$1" icmp 2>/dev/null | grep -q 'echo request'; }
# begin FILE OPTION...: a capture in the background that has begun; its pid is in $capture
begin() {
	capture "${@:2}" -w "$1" 2>"$folder/capture.log" &
	capture=$!
	soon 10 "a capture" test -s "$1"
}

cat >lanyard.yaml <<'YAML'
name: capture
networks:
  lab: { ipv4: 10.20.0.1/24 }
YAML
[ $kind = --user ] || ip link add br9 type bridge
start_instance --allow-name br9
works lan up
works lan net add other ipv4=10.21.0.1/24
guest web lab
guest db lab
web4=$(dhcp web)
db4=$(dhcp db)
works on web ping -c 1 -W 5 "$db4" # neighbours are known from here on

# one port: live through a pipe, its own frames with all their bytes, to the count
mkfifo live
stdbuf -oL tcpdump -n -l -v -r live icmp >live.txt 2>live.err &
capture web >live 2>/dev/null &
capture=$!
exec {hold}>live # ... both ends are open; tcpdump ends by us alone
soon 10 "a capture" one_capture
works on web ping -c 3 -i 0.2 -s 1000 -p 6c616e79 "$db4"
soon 10 "six echoes, live" sh -c "[ \$(grep -c 'ICMP echo' '$folder/live.txt') = 6 ]"
has "an echo" 'length 1028' "$(cat live.txt)"
has "an echo" "$web4 > $db4: ICMP echo request" "$(cat live.txt)"

# what the process may: no capability, no new privileges, a filter; its caller holds a pipe and no socket of that kind
holder=$(captures)
status=$(cat "/proc/$holder/status")
is "its capabilities" 0000000000000000 "$(sed -n 's/^CapEff:[[:space:]]*//p' <<<"$status")"
is "its capabilities that others give" "0000000000000000 0000000000000000" "$(sed -nE 's/^Cap(Prm|Amb):[[:space:]]*//p' <<<"$status" | paste -sd ' ')"
has "its privileges" '^NoNewPrivs:[[:space:]]*1' "$status"
case $(uname -m) in x86_64 | aarch64 | riscv64) has "its filter" '^Seccomp:[[:space:]]*2' "$status" ;; esac
# how many packet sockets of the world a process holds
packet_sockets() {
	python3 - "$1" <<-'PYTHON'
		import os, sys
		process = "/proc/" + sys.argv[1]
		packets = {"socket:[%s]" % line.split()[-1] for line in open(process + "/net/packet")}
		print(sum(os.readlink(process + "/fd/" + fd) in packets for fd in os.listdir(process + "/fd")))
	PYTHON
}
is "packet sockets of the process" 1 "$(packet_sockets "$holder")"
is "packet sockets of its caller" 0 "$(packet_sockets "$capture")"
kinds=$(for fd in /proc/"$capture"/fd/*; do readlink "$fd"; done)
is "sockets of its caller" 1 "$(grep -c socket: <<<"$kinds")" # to the broker

# the reader goes: tcpdump, while not a frame passes
exec {hold}>&-
kill "$capture" && wait "$capture"
is "the end by SIGTERM" 0 $?
soon 10 "the end of the process" no_capture
mkfifo silent
cat silent >/dev/null &
reader=$!
capture web >silent 2>/dev/null &
capture=$!
soon 10 "a capture" one_capture
kill "$reader"
wait "$capture"
is "the end with its reader" 0 $?
soon 10 "the end of the process" no_capture

# a file, to the count, and no more of each frame than asked for; a tag, which the kernel keeps apart, is there again
begin tagged.pcap web --snap 60
works on web python3 -c '
import socket
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
out.send(bytes.fromhex("ffffffffffff bad0ca000077 8100 6007 88b5") + bytes(40))
out.send(bytes.fromhex("ffffffffffff bad0ca000077 88b5") + bytes(400))'
kill -INT "$capture"
wait "$capture"
is "the end by Ctrl-C" 0 $?
has "what it says" '^[0-9]+ frames captured$' "$(cat capture.log)"
has "a tag" 'ethertype 802.1Q \(0x8100\), length 58: vlan 7, p 3,' "$(read_pcap tagged.pcap 'vlan 7')"
has "a long frame" 'length 414:' "$(read_pcap tagged.pcap 'ether proto 0x88b5')"
is "its bytes" 1 "$(read_pcap tagged.pcap -xx 'ether proto 0x88b5' | grep -c '0x0030:.*')"
is "bytes behind them" 0 "$(read_pcap tagged.pcap -xx 'ether proto 0x88b5' | grep -c '0x0040:.*')"
soon 10 "the end of the process" no_capture
on web ping -c 20 -i 0.2 "$db4" >/dev/null &
is "JSON" "2 0 counted" "$(lan capture web -c 2 -w json.pcap --json 2>/dev/null | python3 -c 'import json,sys; d = json.load(sys.stdin); print(d["frames"], d["lost"], d["end"])')"
is "frames" 2 "$(read_pcap json.pcap | grep -c '^[0-9]')"

# a whole network sees what passes between two others
begin network.pcap lab
works on web ping -c 2 -i 0.2 "$db4"
kill -INT "$capture"
wait "$capture"
has "between two machines" "$web4 > $db4: ICMP echo request" "$(read_pcap network.pcap icmp)"
soon 10 "the end of the process" no_capture
has "the bridge afterwards" 'promiscuity 0 ' "$(within ip -d link show ly-lab)"

# a port that is down for a moment is not gone
id=$(lan port list --json | python3 -c 'import json,sys; print(next(p["id"] for p in json.load(sys.stdin) if p["machine"] == "web"))')
begin down.pcap "$id"
works lan port set "$id" down=true
works lan port set "$id" down=false
soon 10 "the port is up again" on web ping -c 1 -W 1 "$db4"
kill -INT "$capture"
wait "$capture"
has "after it was down" "$web4 > $db4: ICMP echo request" "$(read_pcap down.pcap icmp)"

# what is named
refused "there is no machine, port or network 'wep'" lan capture wep -w x.pcap
refused 'say of what' lan capture -w x.pcap
works lan port add other --netns "$pid_db" peer=eth1 machine=db
refused "machine 'db' has 2 ports: .* on network 'lab' and .* on network 'other'; name one of them" lan capture db -w x.pcap
is "one of two, by the network" "capture from" "$(lan capture db -n other --dry-run | cut -d' ' -f1-2)"
is "a network alone" "capture from ly-other" "$(lan capture -n other --dry-run)"
works lan port add other --netns "$pid_db" peer=eth2 machine=lab
refused "'lab' is a machine and a network" lan capture lab -w x.pcap
works lan net remove other --force
refused 'not a number from 1 on' lan capture web -c 0 -w x.pcap
refused 'between 1 and 262144' lan capture web -s 999999 -w x.pcap
refused 'with --json' lan capture web --json
refused 'not for a terminal' script -qec "lanyard $kind --instance $instance capture web" /dev/null
[ ! -e x.pcap ] || fail "a refused capture made a file"
refused 'No space|no space' sh -c "lanyard $kind --instance $instance capture web -w /dev/full"
soon 10 "the end of the process" no_capture

# ... and by raw Varlink: nothing but the write end of a pipe
cat >raw.py <<'PYTHON'
import array, json, os, socket, sys
def call(fds, **parameters):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(sys.argv[1])
    message = json.dumps({"method": "io.lanyard.Capture", "parameters": parameters, "more": True}).encode() + b"\0"
    client.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
    data, ancillary, flags, address = socket.recv_fds(client, 65536, 8)
    assert not ancillary, "a descriptor came back"
    return client, json.loads(data.split(b"\0")[0])
def refused(word, fds, **parameters):
    answer = call(fds, **parameters)[1]
    assert word in answer.get("error", "") + answer.get("parameters", {}).get("message", ""), answer
reader, writer = os.pipe()
refused("write end", [], of="web")
refused("write end", [reader], of="web", descriptor=0)
refused("write end", [os.open("/dev/null", os.O_WRONLY)], of="web", descriptor=0)
refused("write end", [socket.socket(socket.AF_UNIX).fileno()], of="web", descriptor=0)
refused("snap", [writer], of="web", descriptor=0, snap=0)
# a limit for each, also where nobody reads; a caller who goes takes the capture along
kept = [call([writer], of="web", descriptor=0) for i in range(8)]
assert all(answer["parameters"]["interface"] for client, answer in kept), kept
refused("under way", [writer], of="web", descriptor=0)
for client, answer in kept:
    client.close()
PYTHON
works python3 raw.py "$(runtime_folder)/broker.sock"
soon 10 "the end of all" no_capture

# a reader that reads nothing loses frames, is told, and holds nobody up
mkfifo slow
exec {hold}<>slow
capture web >slow 2>slow.log &
capture=$!
soon 10 "a capture" one_capture
before=$(ps -o rss= -p "$(captures)")
works on web python3 - "$db4" <<-'PYTHON'
	import socket, sys
	out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	for i in range(20000):
	    out.sendto(bytes(1400), (sys.argv[1], 9))
PYTHON
works on web ping -c 1 -W 5 "$db4"
after=$(ps -o rss= -p "$(captures)")
[ $((after - before)) -lt 4096 ] || fail "the process has grown from $before to $after kB"
kill -INT "$capture"  # what has arrived still has to be read
kill -TERM "$capture" # at once
wait "$capture"
is "the end by the second" 0 $?
has "how many were lost" '^[0-9]+ frames lost: the reader was too slow$' "$(cat slow.log)"
exec {hold}>&-
soon 10 "the end of the process" no_capture

if [ $kind = --system ]; then
	# whose frames are whose
	rule() { cat >"$LANYARD_CONFIG_DIR/new" && mv "$LANYARD_CONFIG_DIR/new" "$policy"; }
	works theirs alice net add hers ipv4=10.22.0.1/24
	exec {plugged}> >(theirs alice port add lab machine=mine --run -- sh -c 'read -r _')
	soon 10 "a port of alice's" sh -c "lanyard --system --instance $instance port list | grep -q mine"
	install -o alice -d hers
	on db ping -b -c 50 -i 0.2 10.20.0.255 >/dev/null 2>&1 &
	works theirs alice capture mine --count 10 -w "$folder/hers/frames"
	has "what alice's machine hears" "$db4 > 10.20.0.255: ICMP echo request" "$(read_pcap hers/frames icmp)"
	works theirs alice can-i capture mine
	works theirs alice can-i capture hers
	works lan port add lab --tap lyseat "owner=$(id -u alice)" # made for her
	works theirs alice can-i capture lyseat
	refused "there is no machine, port or network 'lyseat'" theirs bob can-i capture lyseat
	works lan port remove lyseat
	refused "network 'lab' is root's; nobody else captures all of its frames" theirs alice capture lab -w /dev/null
	refused "there is no machine, port or network 'db'" theirs alice capture db -w /dev/null
	refused "there is no machine, port or network 'mine'" theirs bob capture mine -w /dev/null
	refused "there is no machine, port or network 'hers'" theirs bob capture hers -w /dev/null
	rule <<-'POLICY'
		users:
		  alice: { may-bridge: true }
		  bob: { may-see-others: true }
		everyone:
		  may-capture: true
	POLICY
	soon 10 "the policy" sh -c "LANYARD_CONFIG_DIR='$LANYARD_CONFIG_DIR' setpriv --reuid=bob --regid=bob --clear-groups -- lanyard --system --instance $instance port list | grep -q mine"
	refused "port [a-z0-9]* was added by alice; nobody else but root captures its frames" theirs bob capture mine -w /dev/null
	refused "network 'hers' is alice's; nobody else but root captures all of its frames" theirs bob capture hers -w /dev/null
	works theirs alice net add outside mode=bridged bridge=br9 ipv4=none ipv6=none
	refused "network 'outside' leads into the LAN, and its bridge carries the host's frames too" theirs alice capture outside -w /dev/null
	begin outside.pcap outside # ... which are root's
	kill -INT "$capture"
	wait "$capture"
	is "the end of root's" 0 $?
	works lan net remove outside
	works lan can-i capture mine
	rule <<-'POLICY'
		groups:
		  lanyard:
		    use: true
		    may-capture: false
	POLICY
	soon 10 "the policy" sh -c "! setpriv --reuid=alice --regid=alice --clear-groups -- env HOME=/nonexistent lanyard --system --instance $instance can-i capture mine"
	refused "^lanyard: $policy:4: alice may not capture frames; ask root for a rule with 'may-capture: true'" theirs alice capture mine -w /dev/null
	has "can-i" "^no: $policy:4: alice may not capture" "$(theirs alice can-i capture mine)"
	has "the list of rights" "may-capture +false +- +$policy:4" "$(theirs alice can-i)"
	grep -q 'audit: root .*: Capture of web, port .*: done' broker.log || fail "no line of the log says who captured: $(grep Capture broker.log)"
	grep -q "audit: alice .*: Capture of mine.*: refused: $policy:4" broker.log || fail "no line of the log says who was refused"
	exec {plugged}>&-
	rm "$policy"
	works lan net remove hers --force
fi

# deaths: the broker's, the executor's; the file is whole up to there
for role in broker executor; do
	begin "$role.pcap" web
	works on web ping -c 1 -W 5 "$db4"
	soon 10 "an echo in the file" has_echo "$role.pcap"
	writer=$(captures)
	kill_hard "$(process $role)"
	wait "$capture"
	is "the exit code after the $role's death" 1 $?
	has "what it says" 'ended' "$(cat capture.log)"
	supervise
	soon 10 "all is as before" is_empty_plan
	soon 10 "the end of the process" is_dead "$writer"
	has "up to there" "$web4 > $db4: ICMP echo request" "$(read_pcap "$role.pcap" icmp)"
done

# the port goes
begin gone.pcap web
kill "$pid_web"
wait "$capture"
is "the end with the port" 0 $?
has "what it says" 'is gone' "$(cat capture.log)"
soon 10 "the end of the process" no_capture

kill "$pid_db"
works lan down
nothing_left
