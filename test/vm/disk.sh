#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Machines that boot from a disk of the user's, as a firmware does it: a qcow2 and a raw one. Their boot loader, kernel and
# root file system are on the disk; Lanyard gives them a NIC and nothing else. What they write stays.
# shellcheck source=test/netns/lib.sh
. "${LANYARD_SOURCE:?run me by test/run}/test/netns/lib.sh"
trap 'lan down --force >/dev/null 2>&1; rm -rf "$folder"' EXIT
PATH=$PATH:/usr/sbin:/sbin
tiny=${XDG_CACHE_HOME:-$HOME/.cache}/lanyard/images/tiny
for program in grub-mkimage mcopy sfdisk qemu-img; do
	command -v $program >/dev/null || skip "$program is not installed (packages grub-pc-bin, mtools, fdisk, qemu-utils)"
done
[ -r "$tiny/kernel" ] || skip "the image tiny is not in $tiny"

# A disk with one FAT partition that GRUB boots the kernel from.
make_disk() {
	local disk=$1 grub=/usr/lib/grub/i386-pc
	truncate -s 96M "$disk"
	printf 'label: dos\nstart=2048, type=c, bootable\n' | sfdisk -q "$disk"
	mformat -i "$disk@@1M" -F ::
	mcopy -i "$disk@@1M" "$tiny/kernel" "$tiny/initrd" ::
	printf 'linux (hd0,msdos1)/kernel %s\ninitrd (hd0,msdos1)/initrd\nboot\n' "$(cat "$tiny/append")" >grub.cfg
	grub-mkimage -d $grub -O i386-pc -p '(hd0,msdos1)/' -c grub.cfg -o core.img biosdisk part_msdos fat linux normal
	dd if=$grub/boot.img of="$disk" bs=440 count=1 conv=notrunc status=none
	dd if=core.img of="$disk" bs=512 seek=1 conv=notrunc status=none
}
make_disk one.raw || fail "making a disk"
qemu-img convert -f raw -O qcow2 one.raw two.qcow2 || fail "making a qcow2"

cat >lanyard.yaml <<'YAML'
name: disks
networks:
  lab: { mode: nat, ipv4: 10.77.8.1/24 }
machines:
  one: { image: ./one.raw, memory: 128M, nics: [ { network: lab, address: 10.77.8.10 } ] }
  two: { image: ./two.qcow2, memory: 128M, nics: [ { network: lab, address: 10.77.8.11 } ] }
YAML
works lan up
for address in 10.77.8.10 10.77.8.11; do
	soon 90 "the web server of the machine at $address" lan exec -- wget -qO- -T 2 -t 1 "http://$address/"
done
has "a name of the lab" '10\.77\.8\.11' "$(lan exec -- getent ahostsv4 two)"
works lan vm stop one
works lan vm start one
soon 90 "the web server after another start" lan exec -- wget -qO- -T 2 -t 1 "http://10.77.8.10/"

# What is no disk is refused before anything starts.
echo "not a disk" >three.disk
sed -i 's/two\.qcow2/three.disk/' lanyard.yaml
refused "three.disk: its name does not tell the format" lan up
sed -i 's/three\.disk/four.qcow2/' lanyard.yaml
refused "four.qcow2: No such file" lan up
