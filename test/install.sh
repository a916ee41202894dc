#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What `meson install` lays down, and that it works there: programs find each other and their data below the prefix,
# also when the whole was moved. SOURCE BUILD: a configured build of SOURCE.
source=$(cd "${1:-$(dirname "$0")/..}" && pwd) || exit 1
build=${2:-${LANYARD_BUILD:?which build folder?}}
work=$(mktemp -d /var/tmp/lanyard-install.XXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
fail() {
	echo "$*"
	exit 1
}
DESTDIR=$work/root meson install -C "$build" --no-rebuild --quiet >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cd "$work/root/usr/local" || fail "not below /usr/local: $(find "$work/root" -maxdepth 3)"
expected='bin/lanyard
lib/libnss_lanyard.so.2
libexec/lanyard/lanyard-bridge-helper
libexec/lanyard/lanyard-capture
libexec/lanyard/lanyard-executor
libexec/lanyard/lanyard-holder
libexec/lanyard/lanyard-probe
libexec/lanyard/lanyard-publish
libexec/lanyard/lanyard-steward
sbin/lanyardd
share/bash-completion/completions/lanyard
share/fish/vendor_completions.d/lanyard.fish
share/lanyard/demo/run
share/lanyard/labs/first.yaml
share/lanyard/policy.yaml
share/man/man1/lanyard.1
share/man/man5/lanyard-policy.yaml.5
share/man/man5/lanyard.yaml.5
share/man/man7/lanyard-varlink.7
share/man/man8/lanyard-bridge-helper.8
share/man/man8/lanyard-doctor.8
share/man/man8/lanyardd.8
share/man/man8/nss-lanyard.8
share/zsh/vendor-completions/_lanyard'
# the folder of libraries has another name on each distribution
found=$(find . -type f | sed -E 's#^\./##; s#^lib[^/]*/([^/]*/)?(libnss_)#lib/\2#' | grep -vE '^share/lanyard/image/tiny/' | LC_ALL=C sort)
diff <(echo "$expected") <(echo "$found") || fail "installed: other files than expected"
[ -z "$(find . -perm /6000)" ] || fail "something is set-uid: $(find . -perm /6000)"
for file in "$source"/share/image/tiny/*; do
	[ -f "share/lanyard/image/tiny/${file##*/}" ] || fail "share/image/tiny/${file##*/} is not installed"
done
# A whole instance from there, in a world of its own.
cat >"$work/try" <<'TRY'
#!/bin/bash
set -e
lanyard --user net add lab
lanyard --user net show lab >/dev/null
lanyard --user exec -- ip -brief link show dev ly-lab
for program in lanyardd lanyard-executor lanyard-holder; do
	pid=$(pgrep -u "$(id -u)" -x "${program:0:15}" | head -n 1)
	[[ $(readlink "/proc/$pid/exe") == "$PREFIX"/* ]] || { echo "$program is run from $(readlink "/proc/$pid/exe")"; exit 1; }
done
lanyard --user net remove lab
TRY
chmod -R a+rX "$work"
chmod a+x "$work/try"
user=${LANYARD_TEST_USER:-} who=() way=nested
[ "$(id -u)" != 0 ] || { [ -n "$user" ] || { echo "no ordinary account was named (-u USER)"; exit 77; }; who=(-u "$user") way=user; }
mkdir "$work/home" && { [ -z "$user" ] || chown "$user" "$work/home"; }
PREFIX=$PWD HOME=$work/home PATH=$PWD/bin:${PATH#"$build:"} ASAN_OPTIONS=detect_leaks=0 "$source/test/world" $way "${who[@]}" "$work/try"
