#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Machines that somebody else starts, as an ordinary user: QEMU by hand and libvirt's session connection, both
# by lanyard-bridge-helper, on one network.
# shellcheck source=test/netns/lib.sh
. "${LANYARD_SOURCE:?run me by test/run}/test/netns/lib.sh"
plain='' daemon=''
# shellcheck disable=SC2317
leave() {
	rc=$?
	[ -z "$plain" ] || kill "$plain" 2>/dev/null
	[ -z "$daemon" ] || { virsh_session destroy plain >/dev/null 2>&1; kill "$daemon" 2>/dev/null; }
	lan net remove lab --force >/dev/null 2>&1
	[ $rc = 0 ] || [ $rc = 77 ] || tail -n 20 "$folder"/*.log
	rm -rf "$folder"
	exit $rc
}
trap leave EXIT
image=${XDG_CACHE_HOME:-$HOME/.cache}/lanyard/images/tiny
works "$LANYARD_SOURCE/share/image/tiny/build" "$image"
works lan net add lab ipv4=10.77.5.1/24
helper=$LANYARD_BUILD/lanyard-bridge-helper
# Neither QEMU nor libvirt gives it words of ours: another instance than the default one needs this.
printf '#!/bin/sh\nexec %s %s --instance=%s "$@"\n' "$helper" "$kind" "$instance" >helper && chmod +x helper
has_ports() { [ "$(lan port list --json | grep -c '"id"')" = "$1" ]; }
is_ready() { grep -qa 'lanyard: ready tiny 10\.77\.5\.' "$1"; }
address_in() { grep -a 'lanyard: ready' "$1" | tr -d '\r' | sed 's/.*ready tiny \([^ ]*\).*/\1/' | head -n 1; }
# Becomes it: run me in the background, or in a $( ). Without cx16 as in lib_computer.py.
by_hand() {
	exec timeout 100 qemu-system-x86_64 -machine q35,accel=tcg -cpu max,-cx16 -m 96 -nographic -no-reboot -kernel "$image/kernel" \
		-initrd "$image/initrd" -append "$(cat "$image/append")" \
		-netdev "tap,id=n0,br=$1,helper=$folder/helper" -device "virtio-net-pci,netdev=n0,mac=ba:ad:ca:00:05:01" </dev/null
}
reachable() { [ "$(within busybox wget -q -O - "http://$1/")" = "I am tiny" ]; }

# What cannot be is said, and QEMU does not start.
refused "network 'nowhere': .*there is no network 'nowhere'" by_hand nowhere
refused 'usage: lanyard-bridge-helper' "$helper" --br=lab
refused 'usage: lanyard-bridge-helper' "$helper" --br=lab --fd=x
refused "network 'lab': descriptor 0: " ./helper --br=lab --fd=0 </dev/null
soon 5 "no port is left of the refused ones" has_ports 0

# QEMU by hand, by the name of the network's interface.
by_hand ly-lab >plain.log 2>&1 &
plain=$!

# libvirt's session connection: its qemu.conf names the helper (qemu.conf of libvirt, bridge_helper).
virsh_session() {
	XDG_RUNTIME_DIR=$folder/run XDG_CONFIG_HOME=$folder/config XDG_CACHE_HOME=$folder/cache \
		virsh -q -c qemu:///session "$@"
}
if command -v libvirtd >/dev/null && command -v virsh >/dev/null; then
	mkdir -m 700 run && mkdir -p config/libvirt cache
	printf '#!/bin/sh\nunset XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_CACHE_HOME\nexec %s/helper "$@"\n' "$folder" >session-helper
	chmod +x session-helper
	echo "bridge_helper = \"$folder/session-helper\"" >config/libvirt/qemu.conf
	XDG_RUNTIME_DIR=$folder/run XDG_CONFIG_HOME=$folder/config XDG_CACHE_HOME=$folder/cache libvirtd >libvirtd.log 2>&1 &
	daemon=$!
	cat >guest.xml <<-XML
		<domain type='qemu'>
		  <name>plain</name> <memory unit='MiB'>96</memory> <vcpu>1</vcpu>
		  <os>
		    <type arch='x86_64' machine='q35'>hvm</type>
		    <kernel>$image/kernel</kernel> <initrd>$image/initrd</initrd> <cmdline>$(cat "$image/append")</cmdline>
		  </os>
		  <devices>
		    <interface type='bridge'>
		      <source bridge='lab'/> <model type='virtio'/> <mac address='ba:ad:ca:00:05:02'/>
		    </interface>
		    <serial type='file'><source path='$folder/session.log'/></serial>
		  </devices>
		</domain>
	XML
	soon 20 "libvirtd answers" virsh_session list
	works virsh_session create guest.xml
fi

soon 60 "QEMU by hand has an address" is_ready plain.log
works reachable "$(address_in plain.log)"
if [ -n "$daemon" ]; then
	soon 60 "libvirt's guest has an address" is_ready session.log
	works reachable "$(address_in session.log)"
	has "libvirt shows the port" "$(lan port list --json | python3 -c 'import json,sys
print("|".join(p["ifname"] for p in json.load(sys.stdin)))') +bridge +lab" "$(virsh_session domiflist plain)"
	has_ports 2 || fail "ports: $(lan port list)"
	works virsh_session destroy plain
	soon 5 "the tap is gone with libvirt's guest" has_ports 1
fi
kill "$plain"
wait "$plain" 2>/dev/null
plain=''
soon 5 "the tap is gone with QEMU" has_ports 0
is_empty_plan || fail "the plan is not empty: $(lan plan)"
[ -n "$daemon" ] || skip "libvirt's session was left out (libvirt-daemon, libvirt-daemon-driver-qemu and libvirt-clients are not installed); QEMU by hand passed"
exit 0
