#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The build of the guests' image: rebuilt when an input changes, two at once, interrupted, killed, without a
# network, by a proxy, on a full disk. The kernel's package comes from the tests' cache.
# shellcheck source=test/netns/lib.sh
. "${LANYARD_SOURCE:?run me by test/run}/test/netns/lib.sh"
trap 'rm -rf "$folder"' EXIT
shared=${XDG_CACHE_HOME:-$HOME/.cache}/lanyard
[ -r "$shared/images/tiny.deb" ] || skip "the kernel's package is not in $shared (no network when the tests began?)"
# A second copy of the sources, that can be changed.
cp -r "${LANYARD_SHARE:-$LANYARD_SOURCE/share}" share
export LANYARD_SHARE=$folder/share XDG_CACHE_HOME=$folder/cache
mkdir -p cache/lanyard/images
cp "$shared/tiny-kernel" cache/lanyard/
cp "$shared/images/tiny.deb" cache/lanyard/images/
out=$folder/cache/lanyard/images/tiny
build() { "$LANYARD_SHARE/image/tiny/build" "$out"; }
change() { echo "# $1" >>"$LANYARD_SHARE/image/tiny/init"; }
leftovers() { find cache/lanyard/images -name 'tiny.??????'; }
says() { grep -q "$1" build.log; }
# A build that has come as far as the kernel; its process group is its own.
begin() {
	: >build.log
	set -m # otherwise the shell has it ignore Ctrl-C
	"$LANYARD_SHARE/image/tiny/build" "$out" 2>build.log &
	builder=$!
	set +m
	soon 30 "the build is in its middle" says 'unpacking the kernel'
}

# Two at once: one builds, the other finds the work done.
build 2>first.log &
build 2>second.log || fail "the second build: $(cat second.log)"
wait $! || fail "the first build: $(cat first.log)"
is "builds" 1 "$(cat first.log second.log | grep -c 'tiny: packing')"
has "the other one" 'waiting for another build' "$(cat first.log second.log)"
has "no network was needed" '^0$' "$(cat first.log second.log | grep -c fetching)"
is "an unchanged image" "" "$(build 2>&1)"
before=$(sha256sum <"$out/initrd")

# An input changes.
change one
has "a changed input" 'tiny: packing' "$(build 2>&1)"
[ "$before" != "$(sha256sum <"$out/initrd")" ] || fail "the image is the same"
before=$(sha256sum <"$out/initrd")

# Ctrl-C, then kill -9: the image of before stays, and the next build clears up.
change two
begin
kill -INT -$builder
wait $builder
is "exit code after Ctrl-C" 130 $?
is "left after Ctrl-C" "" "$(leftovers)"
is "the image after Ctrl-C" "$before" "$(sha256sum <"$out/initrd")"
begin
kill -KILL -$builder
wait $builder 2>/dev/null
is "the image after kill -9" "$before" "$(sha256sum <"$out/initrd")"
works build
is "left after the next build" "" "$(leftovers)"

# A newer kernel is known, but cannot be fetched: the one of before does. Without any, one sentence.
sed -i 's/ .*/ linux-image-9.9-none/' cache/lanyard/tiny-kernel
has "a kernel that is not to be had" 'going on with kernel linux-image-' "$(build 2>&1)"
is "nothing the second time" "" "$(build 2>&1)"
rm "$out.deb"
change three
has "no kernel at all" 'going on with the image of before' "$(build 2>&1)"
rm -rf "$out"
refused 'tiny: error: package linux-image-9.9-none could not be fetched \(.*\): is the package mirror reachable' build
# Packages are fetched by the caller's proxy.
python3 "$LANYARD_SOURCE/test/vm/lib_proxy.py" 127.0.0.1 3128 2>proxy.log &
proxy=$!
soon 10 "the proxy" busybox wget -q -O - http://127.0.0.1:3128/
http_proxy=http://127.0.0.1:3128 https_proxy=http://127.0.0.1:3128 refused 'could not be fetched' build
has "what the proxy was asked for" '"(GET http://[^ ]+/dists/|CONNECT )' "$(cat proxy.log)"
kill $proxy
cat >lanyard.yaml <<-YAML
	networks: { lab: { mode: nat } }
	machines: { web: { image: tiny } }
YAML
refused 'the image tiny could not be built' lan up
is "networks after it" '[]' "$(lan net list --json)"
is "left after it" "" "$(leftovers)"

# A full disk.
# shellcheck disable=SC2016
output=$(unshare -Urm sh -c 'mkdir small && mount -t tmpfs -o size=20m tmpfs small && XDG_CACHE_HOME=$PWD/small "$1" "$PWD/small/tiny"' \
	sh "$LANYARD_SHARE/image/tiny/build" 2>&1) && fail "a full disk: $output"
has "a full disk" 'error: 170 MB are needed in .*/small, (19|20) MB are free: make room' "$output"
exit 0
