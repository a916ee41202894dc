#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# Root changes a network of the system instance into which an ordinary account has plugged its machine: root's command
# pulls that machine's cable as its owner, who is nobody's but the owner's right; others cannot, and are told.
# shellcheck source=test/netns/lib.sh
. "${LANYARD_SOURCE:?run me by test/run}/test/netns/lib.sh"
lay_accounts alice:lanyard
chmod 755 "$folder"
cache=$folder/cache
mkdir -p "$cache/lanyard/images"
cp -r "${XDG_CACHE_HOME:-$HOME/.cache}"/lanyard/images/tiny* "$cache/lanyard/images/" 2>/dev/null || skip "there is no image tiny to be copied"
mkdir "$folder/home"
chown -R alice: "$cache" "$folder/home"
alice() { setpriv --reuid=alice --regid=alice --init-groups env -u XDG_RUNTIME_DIR HOME="$folder/home" XDG_CACHE_HOME="$cache" "$@"; }
alice test -w /dev/net/tun || skip "/dev/net/tun is not open to everybody"

start_instance
cat >lanyard.yaml <<'YAML'
name: alices
networks: { lab: { ipv4: 10.77.1.1/24, ipv6: "fd77:1::1/64" } }
machines: { web: { image: tiny, memory: 96M, nics: [ { network: lab } ] } }
YAML
works alice lanyard --system --instance "$instance" up --wait
end() { alice lanyard --system --instance "$instance" down --force >/dev/null 2>&1; }
trap 'end; rm -rf "$folder"' EXIT
at() { alice lanyard --system --instance "$instance" ssh web -- "$1" </dev/null 2>&1 | tr -d '\r'; }
guest_has() { at "$1" | grep -qE -- "$2"; }
guest_has 'ip -o -4 address' 'inet 10\.77\.1\.' || fail "the guest's first address: $(at 'ip -o -4 address')"
output=$(lan net set lab ipv4=10.78.1.1/24 ipv6=fd78:1::1/64 2>&1)
has "the change" 'network lab changed' "$output"
grep -q 'nobody here can pull' <<<"$output" && fail "root could not do it: $output"
soon 20 "the guest's new address" guest_has 'ip -o -4 address' 'inet 10\.78\.1\.'

# A machine that was plugged in by other means has no cable that we could pull: it is said.
works lan port add lab --tap lyown machine=stranger
has "who is left" 'nobody here can pull the cable of stranger: .*half of its lease' "$(lan net set lab ipv4=10.79.1.1/24 2>&1)"
soon 20 "the guest's third address" guest_has 'ip -o -4 address' 'inet 10\.79\.1\.'
exit 0
