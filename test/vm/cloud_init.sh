#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk with cloud-init: the machine's name, keys and proxy, with a user's own user data beside; the proxy of the next start.
# The disk `bookworm-cloud` is made by test/vm/lib_debian (as root, by the network); it has no boot loader.
# shellcheck source=test/netns/lib.sh
. "${LANYARD_SOURCE:?run me by test/run}/test/netns/lib.sh"
debian=${LANYARD_DEBIAN:-/var/tmp/lanyard-debian}/bookworm-cloud
[ -e "$debian/packages" ] || skip "there is no Debian disk in $debian; 'LANYARD_CHECK_DEBIAN=1 ./bootstrap check vm' makes one"
trap 'lan down --force >/dev/null 2>&1; rm -rf "$folder"' EXIT
qemu-img create -q -f qcow2 -F raw -b "$debian/disk.raw" disk.qcow2

# What the machine says on its console at every start, and at the end of its first one.
cat >every-start <<'SH'
#!/bin/sh
{ echo "@@start"; cat /etc/environment /etc/apt/apt.conf.d/80lanyard-proxy; echo "@@started"; } >/dev/ttyS0
SH
cat >at-first <<'SH'
#!/bin/sh
exec >/dev/ttyS0 2>&1
set -a
. /etc/environment
echo "name: $(hostname -f)"
echo "keys: $(cat /home/debian/.ssh/authorized_keys)"
apt-config dump | grep -i '::proxy '
echo "mine: $MINE"
for url in http://www.example.test/x http://web/ http://10.77.6.10/; do echo "$url: $(curl -s $url)"; done
echo "@@first"
SH
{
	echo '#cloud-config'
	echo 'write_files:'
	echo '- { path: /etc/environment, append: true, content: "MINE=kept\n" }'
	echo "bootcmd: [ \"echo $(base64 -w0 every-start) | base64 -d | sh\" ]"
	echo "runcmd: [ \"echo $(base64 -w0 at-first) | base64 -d | sh\" ]"
} >user-data
cat >lanyard.yaml <<-YAML
	proxy: { http: http://10.77.6.1:3128, https: http://10.77.6.1:3129 }
	networks: { lab: { ipv4: 10.77.6.1/24 } }
	machines:
	  web: { image: tiny, memory: 96M, nics: [ { network: lab, address: 10.77.6.10 } ] }
	  disk:
	    image: disk.qcow2
	    cloud_init: user-data.yaml
	    memory: 512M
	    cpus: 2
	    arguments: [ -kernel, $debian/vmlinuz, -initrd, $debian/initrd, -append, root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet ]
YAML
mv user-data user-data.yaml
works lan up
within python3 "$LANYARD_SOURCE/test/vm/lib_proxy.py" 10.77.6.1 3128 2>proxy.log &
log=$(dirname "$(lan vm show disk --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["console"])')")/console.log
says() { grep -qa "$1" "$log"; }
# between WORD WORD: what the console said there
between() { tr -d '\r' <"$log" | sed -n "/$1/,/$2/p"; }

soon 600 "the first start" says @@first
said=$(between @@start @@first)
has "its name" '^name: disk\.lab\.internal$' "$said"
has "its keys" '^keys: ssh-ed25519 ' "$said"
has "apt's proxy" '^Acquire::http::Proxy "http://10.77.6.1:3128";$' "$said"
has "apt's other proxy" '^Acquire::https::Proxy "http://10.77.6.1:3129";$' "$said"
has "the user's own data" '^mine: kept$' "$said"
has "the proxy in use" '^http://www.example.test/x: by the proxy: http://www.example.test/x$' "$said"
has "a machine by its name" '^http://web/: I am web$' "$said"
has "a machine by its address" '^http://10.77.6.10/: I am web$' "$said"

# another proxy from the next start on; what the user wrote stays
sed -i 's/^proxy: .*/proxy: { http: http:\/\/10.77.6.1:4000 }/' lanyard.yaml
has "what has to be done" "machine disk changed: takes effect after 'lanyard vm restart disk'" "$(lan up 2>&1)"
works lan vm restart disk
soon 400 "the next start" says @@started
said=$(between @@start @@started)
has "the other proxy" '^http_proxy=http://10.77.6.1:4000$' "$said"
has "apt's" '^Acquire::http::Proxy "http://10.77.6.1:4000";$' "$said"
has "the user's own data after it" '^MINE=kept$' "$said"
has "nothing of before" '^0$' "$(grep -cE '3128|3129' <<<"$said")"
works lan down
