#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
# ways: system
# NetworkManager as it comes: with udev, and with a profile of its own making, which is nowhere on the disk. It gets the
# bridge although udev and its configuration tell it to leave our interfaces alone, and the profile is there again, also
# after a restart of the computer.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"
nic=eth9 # udev's rules of NetworkManager leave it those virtual ones that are called eth
# shellcheck source=test/netns/lib_networkmanager.sh
. "$LANYARD_SOURCE/test/netns/lib_networkmanager.sh"
udev=/lib/systemd/systemd-udevd
[ -x $udev ] || skip "systemd-udevd is not installed"
mkdir -p /run/udev
if ! mount -t sysfs sysfs /sys || ! mount -t tmpfs -o mode=755 tmpfs /run/udev; then
	skip "cannot mount a private /sys"
fi
mkdir /run/udev/rules.d
cp "$LANYARD_SOURCE/systemd/udev.rules" /run/udev/rules.d/80-lanyard.rules
$udev 2>udev.log &
soon 10 "udev" udevadm control --ping
udevadm trigger --subsystem-match=net --settle
start_networkmanager
look_at_first "Wired connection 1"
is "files of profiles" "" "$(ls $profiles)"
start_instance
start_steward

works lan uplink add $nic --by-hand --confirm-within 5
as_before "not confirmed"
works lan uplink add $nic
is_bridged "confirmed"
has "udev's word" "NM_UNMANAGED=1" "$(cat "/run/udev/data/n$(cat /sys/class/net/ly-lan/ifindex)")"
works lan uplink remove $nic
as_before "removed"
works lan uplink add $nic
is_bridged "again"
restart_computer
is_bridged "without Lanyard"
start_instance
start_steward
soon 10 "an empty plan after the restart" is_empty_plan
works lan uplink remove $nic
as_before "removed after the restart"
is "files of profiles" "" "$(ls $profiles)"
kill_hard "$steward" "$networkmanager"
