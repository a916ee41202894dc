#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A network gets another prefix under a real machine: who changes it pulls the machine's cable (QMP), the guest asks
# anew, and TCP sessions by the old prefix, of both families, live on through the grace period.
# shellcheck source=test/netns/lib.sh
. "${LANYARD_SOURCE:?run me by test/run}/test/netns/lib.sh"
trap 'lan down --force >/dev/null 2>&1; rm -rf "$folder"' EXIT
GRACE=60

lab() {
	cat >lanyard.yaml <<-YAML
		name: moving
		networks: { lab: { mode: nat, ipv4: 10.$1.1.1/24, ipv6: "fd$1:1::1/64", grace: ${GRACE}s } }
		machines:
		  web: { image: tiny, memory: 96M, nics: [ { network: lab } ] }
	YAML
}
at() { lan ssh web -- "$1" </dev/null 2>&1 | tr -d '\r'; }
guest_has() { at "$1" | grep -qE -- "$2"; }
lab 77
works lan up --wait

# Two sessions with the gateway's addresses, a line a second each.
cat >sink.py <<'PYTHON'
import asyncio, sys
async def serve(reader, writer):
    name = writer.get_extra_info("sockname")[0]
    while await reader.readline():
        print(name, flush=True)
    print(name, "ended", flush=True)
async def main():
    for address in sys.argv[1:]:
        await asyncio.start_server(serve, address, 9000)
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
PYTHON
within python3 sink.py 10.77.1.1 fd77:1::1 >lines &
soon 10 "the other end" grep -q ready lines
for address in 10.77.1.1 fd77:1::1; do
	at "(while echo line; do sleep 1; done) | nc $address 9000 >/dev/null 2>&1 &" >/dev/null
done
count() { grep -cx "$1" lines; }
moves() {
	local address before
	for address in 10.77.1.1 fd77:1::1; do
		before=$(count "$address")
		more() { [ "$(count "$address")" -gt $((before + 2)) ]; }
		soon 20 "the session with $address $1" more
	done
}
moves "at first"

# The command that changes the network pulls the cable of its giver's machines.
process=$(lan vm show web --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')
SECONDS=0
has "who asks anew" 'machine web asks for its addresses anew' "$(lan net set lab ipv4=10.78.1.1/24 ipv6=fd78:1::1/64 2>&1)"
soon 20 "the guest's new address" guest_has 'ip -o -4 address' 'eth0 .*inet 10\.78\.1\.[0-9]+/24'
soon 20 "its new IPv6 address" guest_has 'ip -o -6 address' 'eth0 .*inet6 fd78:1:'
has "the old address is left alone" 'deprecated' "$(at 'ip -4 address' | grep '10\.77\.1\.')"
soon 20 "the old IPv6 address, too" guest_has 'ip -6 address' 'inet6 fd77:1:.*deprecated'
moves "after the change"
has "the way out by the new prefix" 'this is the internet' "$(at "timeout 10 wget -q -O - http://$WORLD_NET4/")"
has "who it is out there" '10\.78\.1\.1 ' "$(at 'ip -4 route show default')"
[ $SECONDS -lt $GRACE ] || skip "this computer is too slow for a grace period of $GRACE s"
is "sessions that ended" 0 "$(grep -c ended lines)"
is "the process all the time" "$process" "$(lan vm show web --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')"
# What machines do not learn is no reason.
lan net set lab grace=${GRACE}s forwarders="$WORLD_NET4" 2>&1 | grep -q anew && fail "cables are pulled for nothing"

# The same by hand, and by the lab's file; the grace period ends.
has "by hand" 'machine web asks for its addresses anew' "$(lan vm renew web 2>&1)"
# ... interrupted: the cable is in again
timeout -s INT 0.4 lanyard $kind --instance "$instance" vm renew web >/dev/null 2>&1
guest_has 'cat /sys/class/net/eth0/carrier' '^1$' || fail "an interrupt has left the cable out"
gone() { ! within ip addr show dev ly-lab | grep -q '10\.77\.1\.1/'; }
soon $((GRACE + 20)) "the end of the old prefix" gone
lab 79
has "by the file" 'machine web asks for its addresses anew' "$(lan up --reset 2>&1)"
soon 20 "the guest's third address" guest_has 'ip -o -4 address' 'eth0 .*inet 10\.79\.1\.[0-9]+/24'
exit 0
