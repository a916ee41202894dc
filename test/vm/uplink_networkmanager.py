#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's NIC in a bridge on a real Debian 12 that NetworkManager configures with a profile of its own making: see
lib_uplink. Before that: not confirmed, and everything of ours dead, in the window; after it the profile is as it was."""
import base64
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_uplink import ADDRESS, ONLINE, as_at_first, lanyard, run  # noqa: E402

PROFILE = "nmcli -t -f DEVICE,STATE,CONNECTION device | grep -qx 'eth0:connected:Wired connection 1'"
NOTHING = "! find /etc/NetworkManager /run/NetworkManager -name '*lanyard-*' | grep -q . && " \
    "busctl get-property org.freedesktop.NetworkManager /org/freedesktop/NetworkManager org.freedesktop.NetworkManager Checkpoints | " \
    "grep -qx 'ao 0' && ! systemctl list-units --all | grep -q lanyard-uplink"
# what the packages install
FILES = {"/usr/lib/NetworkManager/conf.d/10-lanyard.conf": "networkmanager.conf", "/usr/lib/udev/rules.d/80-lanyard.rules": "udev.rules"}


def setup():
    commands = ["printf 'auto lo\\niface lo inet loopback\\n' >/etc/network/interfaces", "systemctl -q enable NetworkManager",
                "mkdir -p /usr/lib/NetworkManager/conf.d"]
    for path, name in FILES.items():
        text = open(os.path.join(os.environ["LANYARD_SOURCE"], "systemd", name), "rb").read()
        commands += [f"base64 -d >{path} <<<{base64.b64encode(text).decode()}"]
    return "; ".join(commands)


def back(computer, what):
    computer.soon(f"{what}: its own profile", PROFILE)
    as_at_first(computer, what)
    computer.soon(f"{what}: nothing is left", NOTHING)


def window(computer):
    back(computer, "at first")
    computer.run("lanyard --system uplink add eth0 --by-hand --confirm-within 5 && nmcli -t -f DEVICE,STATE device | grep -qx eth0:unmanaged "
                 "&& systemctl list-units | grep -q lanyard-uplink-eth0.timer", check=True)
    back(computer, "not confirmed")
    computer.run("lanyard --system uplink add eth0 --by-hand --confirm-within 5", check=True)
    computer.run("pkill -KILL lanyard", check=True)
    computer.run(ADDRESS % "ly-lan", check=True)
    computer.soon("NetworkManager and systemd go back without us", PROFILE)
    computer.soon("online without us", f"! ip link show ly-lan 2>/dev/null && {ONLINE}")
    lanyard(computer)
    computer.soon("an empty plan", "lanyard --system plan | grep -q 'nothing to do'")
    computer.run("rm -f /run/NetworkManager/lanyard-eth0", check=True)
    back(computer, "after everything had died")


run("NetworkManager", setup(), "nmcli -t -f DEVICE,STATE,CONNECTION device | grep -qx 'eth0:connected:ly-lan port eth0'", window,
    lambda computer: back(computer, "in the end"))
