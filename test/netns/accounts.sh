#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# The system instance with its two accounts, as the package will make them: the broker has no capability at all, the
# executor its three, and neither files nor sockets are open to others.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

lay_accounts somebody friend:lanyard
chmod 755 "$folder"
python=$(PATH=/usr/bin:/usr/local/bin:/bin command -v python3) || skip "no python3 that other users may run"
runtime=$(runtime_folder)
state=/var/lib/lanyard/$instance

field() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
# rights WHO PID UID CAPABILITIES
rights() {
	local set
	is "uids of the $1" "$3 $3 $3 $3" "$(field "$2" Uid | tr -s '\t' ' ')"
	is "gids of the $1" "$3 $3 $3 $3" "$(field "$2" Gid | tr -s '\t' ' ')"
	is "groups of the $1" "" "$(field "$2" Groups | tr -d ' ')"
	is "no_new_privs of the $1" 1 "$(field "$2" NoNewPrivs)"
	for set in CapEff CapPrm CapInh CapAmb CapBnd; do
		is "$set of the $1" "$(printf '%016x' "$4")" "$(field "$2" $set)"
	done
}
three=$((1 << 10 | 1 << 12 | 1 << 13))
all_rights() {
	rights broker "$(process broker)" 59001 0
	rights executor "$(process executor)" 59002 $three
}
start_instance
all_rights
works lan net add lab ipv4=10.20.0.1/24
for pid in $(dnsmasq_pids); do
	is "uid of dnsmasq" 59002 "$(field "$pid" Uid | cut -f1)"
	is "rights of dnsmasq beyond the three" 0 $((0x$(field "$pid" CapPrm) & ~three))
done

owner() { stat -c '%U %a' "$1"; }
is "the runtime folder" "lanyard 755" "$(owner "$runtime")"
is "the broker's socket" "lanyard 666" "$(owner "$runtime/broker.sock")"
is "the executor's socket" "lanyard 600" "$(owner "$runtime/executor.sock")"
is "the services' folder" "lanyard-net 755" "$(owner "$runtime/services")"
is "the state folder" "lanyard 700" "$(owner "$state")"
is "the definition" lanyard "$(stat -c %U "$state/networks/lab.yaml")"
is "ports" "lanyard" "$(stat -c %U "$runtime/ports")"

# it all works
guest web lab
web4=$(dhcp web)
soon 10 "IPv6 on web" has_global web
works on web wget -qO- -t 1 -T 5 "http://$WORLD_NET4/"
works on web wget -qO- -t 1 -T 5 "http://[$WORLD_NET6]/"
has "a name" "$web4" "$(on web busybox nslookup web.lab.internal 10.20.0.1)"
has "a name of the world outside" "${WORLD_NET4//./\\.}" "$(on web busybox nslookup "$WORLD_NAME" 10.20.0.1)"
has "a lease" "$web4" "$(lan net leases lab)"
works lan net reserve lab db 10.20.0.50
has "a new name" '10\.20\.0\.50' "$(on web busybox nslookup db.lab.internal 10.20.0.1)"
works lan publish 8080 web:80
publisher=$(pgrep -x lanyard-publish) || fail "no lanyard-publish"
is "uid of lanyard-publish" 59001 "$(field "$publisher" Uid | cut -f1)"
is "rights of lanyard-publish" 0000000000000000 "$(field "$publisher" CapEff)"
refused 'keeps for root' lan publish 80 web:80
works lan port add lab --tap lynamed0 owner=59003
has "owner of the tap" ' user (59003|somebody)( |$)' "$(ip -d link show lynamed0)"
works lan port remove lynamed0

# others: members of the group see and plug, what is root's stays root's, the rest gets nothing (policy.sh has the rules)
as() {
	local account=$1
	shift
	setpriv --reuid="$account" --regid="$account" --init-groups -- "$@"
}
theirs() { as "$1" lanyard --system --instance "$instance" --no-color "${@:2}"; }
for verb in "net list" status "port add lab --tap lymine0" published plan; do
	# shellcheck disable=SC2086
	refused "^lanyard: .*group 'lanyard'" theirs somebody $verb
	[[ $verb == port* ]] || works theirs friend $verb
done
for verb in "net remove lab" "net set lab mtu=1400" "net unreserve lab db"; do
	# shellcheck disable=SC2086
	refused '^lanyard: .*only root changes' theirs friend $verb
done
refused 'no machine of yours' theirs friend publish 8088 web:80
refused 'published by somebody else' theirs friend unpublish 8080
refused "may not choose the name 'lymine0'" theirs friend port add lab --tap lymine0
works theirs friend port add lab --run -- sh -c '[ -n "$LANYARD_FDS" ] && ip link show "$LANYARD_IFNAME"'
theirs_port=$(lan port list --json | python3 -c 'import json,sys; print(next(p["id"] for p in json.load(sys.stdin) if p.get("machine") == "web"))')
refused 'there is no port' theirs friend port remove "$theirs_port"
as_somebody() { as somebody "$@"; }
as_somebody "$python" -c 'import socket,sys; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(sys.argv[1])' "$runtime/executor.sock" 2>/dev/null &&
	fail "somebody has reached the executor"
as_somebody ls "$state" >/dev/null 2>&1 && fail "somebody has read the state folder"

# who takes all connections that one may have shuts out themselves and nobody else
works as_somebody "$python" -c '
import socket, sys
def served(one):
    try:
        one.sendall(b"{\"method\":\"io.lanyard.GetVersion\"}\0")
        return b"version" in one.recv(65536)
    except (BrokenPipeError, ConnectionResetError):
        return False
crowd = [socket.socket(socket.AF_UNIX) for _ in range(100)]
for one in crowd:
    one.settimeout(10)
    one.connect(sys.argv[1])
count = sum(served(one) for one in crowd)
sys.exit(f"{count} of 100 were served" if count != 32 else 0)' "$runtime/broker.sock"
coproc CROWD { as_somebody "$python" -c '
import os, socket, sys
crowd = [socket.socket(socket.AF_UNIX) for _ in range(100)]
for one in crowd:
    one.connect(sys.argv[1])
print(os.getpid(), flush=True)
sys.stdin.read()' "$runtime/broker.sock"; }
read -r crowd <&"${CROWD[0]}"
works lan net list
works theirs friend net list
refused 'connections already' theirs somebody status
kill "$crowd"

# the deaths of both
# shellcheck disable=SC2046
kill_hard $(process broker) $(process executor)
supervise
soon 10 "an empty plan" is_empty_plan
all_rights
is "the lease after the deaths" "$web4" "$(dhcp web)"

works lan unpublish 8080
kill "$pid_web"
gone() { [ "$(lan port list --json)" = "[]" ]; }
soon 10 "the end of the port" gone
works lan net remove lab
nothing_left
