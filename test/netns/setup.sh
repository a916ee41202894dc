#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ways: system
# lanyard setup: asked at a terminal and told by options, on a copy of /etc: it shows what it would do, does that after
# a yes and nothing else, nothing a second time, and takes back what it wrote.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

cp -a /etc "$folder/etc"
mount --bind "$folder/etc" /etc || skip "cannot mount a copy of /etc"
rm -rf /etc/lanyard
groupadd pupils-$$ || fail "no group"
{ useradd -M teacher-$$ && useradd -M -G pupils-$$ pupil-$$; } || fail "no accounts"
getent group kvm >/dev/null || groupadd kvm
pupils=pupils-$$ teacher=teacher-$$

# typed ANSWER...: setup at a terminal, each answer with Return; the terminal's text
typed() {
	python3 - "$instance" "$@" <<'PYTHON'
import os, pty, sys
instance, answers = sys.argv[1], sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp("lanyard", ["lanyard", "--instance", instance, "--no-color", "setup"])
for answer in answers:
    os.write(fd, answer.encode() + (b"\n" if answer != "\x04" else b""))
seen = b""
try:
    while data := os.read(fd, 4096):
        seen += data
except OSError:
    pass
print(seen.decode().replace("\r\n", "\n"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PYTHON
}
state_of_etc() { (cd /etc && find . -type f ! -name 'resolv.conf' -newer "$folder/mark" | LC_ALL=C sort); }
list_lxc=lxc
command -v lxc-start >/dev/null || list_lxc=none
all=(--class "$pupils" --network 10.77.0.1/24 --hypervisors "$list_lxc" --kvm "$teacher")

refused "no system instance answers" lan setup "${all[@]}" --yes
start_instance
refused '^lanyard: there is no terminal to ask at; say: --class --network --hypervisors --kvm --yes$' lan setup
refused '^lanyard: there is no terminal to ask at; say: --kvm --yes$' lan setup --class none --network keep --hypervisors none
refused "^lanyard: --class: there is no group 'nobodys'; make it first: groupadd nobodys$" \
	lan setup --class nobodys --network auto --hypervisors none --kvm none --yes
refused "^lanyard: --network: there is no network default to be kept" lan setup --class none --network keep --hypervisors none --kvm none --yes
refused "^lanyard: --network: neither keep, auto nor none: " lan setup --class none --network 10.0.0.1 --hypervisors none --kvm none --yes
refused "^lanyard: --hypervisors: 'xen' is not one of libvirt, lxc" lan setup --class none --network auto --hypervisors xen --kvm none --yes
refused "^lanyard: --kvm: there is no account 'nobodys'" lan setup --class none --network auto --hypervisors none --kvm nobodys --yes

# said, not done
touch "$folder/mark"
said=$(lan setup "${all[@]}" --dry-run) || fail "--dry-run failed"
has "--dry-run" "^what would be done:" "$said"
has "--dry-run" "/etc/lanyard/policy.yaml: $pupils: \{ use: true \} # by lanyard setup" "$said"
has "--dry-run" "lanyard --system --instance=$instance net add default ipv4=10.77.0.1/24" "$said"
has "--dry-run" "usermod -a -G kvm $teacher" "$said"
is "steps as JSON" "$(grep -c '^- ' <<<"$said")" "$(lan setup "${all[@]}" --dry-run --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["steps"]))')"
is "files after --dry-run" "" "$(state_of_etc)"
is "networks after --dry-run" '[]' "$(lan net list --json)"

# asked, and no; and the terminal goes away
said=$(typed "$pupils" auto "$list_lxc" none n) && fail "a no is no success"
has "asked" "Whose members plug their machines .*\[none\]: " "$said"
has "asked" "The network default .*\[auto\]: " "$said"
has "asked" "nothing was done" "$said"
said=$(typed none $'\x04') && fail "no answer is no success"
has "the terminal's end" "nothing was done: no answer came" "$said"
is "files after no" "" "$(state_of_etc)"
is "networks after no" '[]' "$(lan net list --json)"

# asked, with a mistake on the way, and yes
said=$(typed nobodys "$pupils" 10.77.0.1/24 "$list_lxc" "$teacher" y) || fail "setup failed: $said"
has "a mistake" "there is no group 'nobodys'" "$said"
has "done" "done: let $teacher use KVM" "$said"
has "the policy" "^  $pupils: \{ use: true \} # by lanyard setup$" "$(cat /etc/lanyard/policy.yaml)"
has "the account" "(^| )kvm( |$)" "$(id -nG "$teacher")"
has "the network" "10\.77\.0\.1/24" "$(lan net show default)"
[ "$list_lxc" = none ] || is "LXC's list" "@$pupils veth ly-default 20 # by lanyard setup" "$(tail -n 1 /etc/lxc/lxc-usernet)"

# the same again
touch "$folder/mark"
is "a second time" "nothing is to do: all is as you say" "$(lan setup "${all[@]}" --yes)"
is "files after the second time" "" "$(state_of_etc)"
said=$(typed '' '' "$list_lxc" none) || fail "the proposals: $said"
has "the proposals are what is there" "nothing is to do" "$said"

# beside what the administrator wrote
cat >/etc/lanyard/policy.yaml <<YAML
# ours
groups:
    staff: { networks: 5 }      # theirs
users: { root: { ports: 20 } }
YAML
cp /etc/lanyard/policy.yaml "$folder/theirs"
works lan setup "${all[@]}" --yes
is "one line more" "    $pupils: { use: true } # by lanyard setup" "$(diff "$folder/theirs" /etc/lanyard/policy.yaml | sed -n 's/^> //p')"
refused "policy.yaml:[0-9]+ has a rule for group staff already" lan setup --class staff --network keep --hypervisors none --kvm none --yes

# in the file of the packages
cp "$LANYARD_SOURCE/share/policy.yaml" /etc/lanyard/policy.yaml
works lan setup "${all[@]}" --yes
is "one line more in the packages' policy" "  $pupils: { use: true } # by lanyard setup" \
	"$(diff "$LANYARD_SOURCE/share/policy.yaml" /etc/lanyard/policy.yaml | sed -n 's/^> //p')"
has "what it gives" "^use +yes|^use +true" "$(setpriv --reuid="pupil-$$" --regid="pupil-$$" --init-groups lanyard --system --instance "$instance" can-i)"
works lan setup --class none --network keep --hypervisors none --kvm none --yes
cmp "$LANYARD_SOURCE/share/policy.yaml" /etc/lanyard/policy.yaml || fail "the packages' policy is not as before"
cp "$folder/theirs" /etc/lanyard/policy.yaml

# everyone, and back
# a stand-in for the device, whose rights are changed
touch "$folder/kvm" && chmod 660 "$folder/kvm"
[ ! -e /dev/kvm ] || mount --bind "$folder/kvm" /dev/kvm || skip "cannot put a file in place of /dev/kvm"
has_kvm() { [ ! -e /dev/kvm ] || is "rights of /dev/kvm" "$1" "$(stat -c %a /dev/kvm)"; }
works lan setup --class none --network keep --hypervisors none --kvm everyone --yes
has "udev's rule" '^KERNEL=="kvm", MODE="0666" # by lanyard setup$' "$(cat /etc/udev/rules.d/70-lanyard-kvm.rules)"
has_kvm 666
works lan setup --class none --network none --hypervisors none --kvm none --yes
has_kvm 660
is "networks after none" '[]' "$(lan net list --json)"
cmp "$folder/theirs" /etc/lanyard/policy.yaml || fail "the policy is not as before"
is "what is left in others' files" "" "$(grep -rl 'by lanyard setup' /etc /run/libvirt 2>/dev/null)"

# the package's removal takes the same back (its last steps are about folders that this test has mounted)
works lan setup --class none --network auto --hypervisors "$list_lxc" --kvm everyone --yes
sh "$LANYARD_SOURCE/debian/lanyardd.postrm" remove >/dev/null 2>&1
has_kvm 660
is "what is left after the removal" "" "$(grep -rl 'by lanyard setup' /etc 2>/dev/null)"
[ ! -e /etc/udev/rules.d/70-lanyard-kvm.rules ] || fail "udev's rule is left after the removal"

# an account without rights is told so, and nothing is done
refused "setup changes the computer: run it as root" setpriv --reuid="$teacher" --regid=nogroup --clear-groups lanyard --instance "$instance" --no-color setup "${all[@]}" --yes
exit 0
