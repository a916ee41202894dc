#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside a machine and back out: ssh, scp and sftp with the host key checked, connect, publish, the console in a
# terminal; a web proxy; a disk of one's own; stop, early and late; and everything of Lanyard killed while machines run.
# shellcheck source=test/netns/lib.sh
. "${LANYARD_SOURCE:?run me by test/run}/test/netns/lib.sh"
trap 'lan down --force >/dev/null 2>&1; rm -rf "$folder"' EXIT
pid_of() { lan vm show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin).get("pid", 0))'; }
state_of() { lan vm show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["state"])'; }
is_state() { [ "$(state_of "$1")" = "$2" ]; }
console_of() { lan vm show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["console"])'; }
says() { grep -qa "$2" "$(dirname "$(console_of "$1")")/console.log"; }
state=${XDG_STATE_HOME:-$HOME/.local/state}/lanyard/$instance

# A disk that boots, says so on its serial port, and never hears a power button.
python3 - <<'PY'
text = b"a disk of one's own\r\n\0"
code = bytes([0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x20, 0x7c, 0xba, 0xf8, 0x03,  # cli; ds = 0; si = 7c20; dx = COM1
              0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8,                    # each byte out
              0xf4, 0xeb, 0xfd])                                                 # hlt
sector = code.ljust(0x20, b"\0") + text
open("own.raw", "wb").write(sector.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
PY
echo '#cloud-config' >user-data
cat >lanyard.yaml <<-YAML
	name: session
	proxy: { http: "http://10.77.5.1:3128", no_proxy: direct.test }
	networks: { lab: { mode: nat, ipv4: 10.77.5.1/24 } }
	machines:
	  web: { image: tiny, memory: 96M, nics: [ { network: lab } ] }
	  db: { image: tiny, memory: 96M, nics: [ { network: lab, queues: 2 } ], cpus: 2 }
	  own: { image: own.raw, cloud_init: ./user-data, memory: 64M, nics: [ { network: lab, model: e1000e } ] }
YAML
works lan up --wait
soon 20 "the disk boots" says own "a disk of one's own"
cp own.raw own.disk
sed 's/own\.raw/.\/own.disk/' lanyard.yaml >other.yaml
refused "machine 'own': cloud_init: .*/user-data: No such file" sh -c "rm user-data; lanyard $kind --instance $instance up; code=\$?; echo '#cloud-config' >user-data; exit \$code"
refused 'image .*own\.disk: its name does not tell the format; call it .qcow2, .raw or .img' lan up -f other.yaml

# QEMU can gain no rights, and its filter is on.
has "no new privileges" 'NoNewPrivs:[[:space:]]*1' "$(cat "/proc/$(pid_of web)/status")"
has "system call filter" 'Seccomp:[[:space:]]*2' "$(cat "/proc/$(pid_of web)/status")"

# ssh, and its friends by the few lines of ssh_config that the README has.
is "hostname by ssh" web "$(lan ssh web hostname </dev/null)"
lan ssh web 'exit 7' </dev/null
is "exit code by ssh" 7 $?
is "standard input by ssh" "through the pipe" "$(echo 'through the pipe' | lan ssh web cat)"
domain=$(lan net show lab --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["domain"])')
cat >ssh_config <<-CONFIG
	Host *.$domain
	  ProxyCommand lanyard $kind --instance $instance connect %h %p
	  ProxyUseFdpass yes
	  User root
	  IdentityFile $state/id_ed25519
	  UserKnownHostsFile $state/known_hosts
	  StrictHostKeyChecking yes
CONFIG
is "plain ssh" db "$(ssh -F ssh_config "db.$domain" hostname </dev/null)"
head -c 3000000 /dev/urandom >data
works scp -q -O -F ssh_config data "db.$domain:/tmp/data"
is "a file by scp" "$(sha256sum <data)" "$(ssh -F ssh_config "db.$domain" "sha256sum </tmp/data" </dev/null)"
if [ -x /usr/lib/openssh/sftp-server ]; then
	works scp -q -s -F ssh_config "db.$domain:/tmp/data" back
	works cmp data back
fi
# A web proxy, at the gateway's address: sessions and commands go by it, but not to each other.
within python3 "$LANYARD_SOURCE/test/vm/lib_proxy.py" 10.77.5.1 3128 2>proxy.log &
soon 10 "the proxy" within busybox wget -q -O - http://10.77.5.1:3128/
is "a page by the proxy" 'by the proxy: http://www.example.test/x' "$(lan ssh web 'wget -q -O - http://www.example.test/x' </dev/null)"
db_address=$(lan ssh db 'ip -o -4 addr show eth0' </dev/null | sed -nE 's/.* inet ([^/]*).*/\1/p')
for host in db "db.$domain" "$db_address"; do
	is "$host without it" 'I am db' "$(lan ssh web "wget -q -O - http://$host/" </dev/null)"
done
# shellcheck disable=SC2016
has "a session's environment" "^http://10.77.5.1:3128 none localhost,127.0.0.1,::1,\\.$domain,10.77.5.0/24,fd.*::/64,.*db,.*,direct.test\$" \
	"$(echo 'echo $http_proxy ${https_proxy:-none} $NO_PROXY' | lan ssh web 2>/dev/null)"
is "what a command says" 3 "$(lan ssh web 'exit 3' </dev/null; echo $?)"
own=$(dirname "$(console_of own)")/cloud
has "the disk's machine: its name" '"local-hostname": "own\.' "$(cat "$own/meta-data")"
has "the disk's machine: its proxy" 'Acquire::http::Proxy "http://10.77.5.1:3128";' "$(cat "$own/vendor-data")"
is "the disk's machine: user data" '#cloud-config' "$(cat "$own/user-data")"

# Another key than the one we gave the machine: nobody gets in, by neither way.
cp "$state/known_hosts" known && sed -i 's/AAAAC3NzaC1lZDI1NTE5AAAAI..../AAAAC3NzaC1lZDI1NTE5AAAAIAAAA/' "$state/known_hosts"
refused 'Host key verification failed' lan ssh web true
refused 'Host key verification failed' ssh -F ssh_config "db.$domain" true
cp known "$state/known_hosts"
is "connect" "I am db" "$(printf 'GET / HTTP/1.0\r\n\r\n' | lan connect db 80 | tail -n 1 | tr -d '\r')"
works lan publish 18080 web:80
is "publish" "I am web" "$(busybox wget -q -O - http://127.0.0.1:18080/)"
works lan unpublish 18080

# The console in a terminal: what a guest says comes through, the terminal is as before on every way out, and
# a second one is told why it has to wait.
python3 - "$kind" "$instance" <<'PY' || fail "the console (above)"
import os, pty, re, select, signal, subprocess, sys, termios, time
words = ["lanyard", sys.argv[1], "--instance", sys.argv[2], "--no-color", "vm", "console", "web"]
def until(fd, text, seconds=20):
    seen, end = b"", time.monotonic() + seconds
    while text not in seen:
        left = end - time.monotonic()
        assert left > 0 and select.select([fd], [], [], left)[0], (text, seen)
        seen += os.read(fd, 4096)
    return seen
def attempt(how):
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    child = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    until(master, b"Ctrl-] leaves")
    while termios.tcgetattr(slave) == before: time.sleep(0.01)
    if how == "escape":
        os.write(master, b"\recho $((40 + 2))-from-$(hostname)\r")
        until(master, b"42-from-web")
        second = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert second.returncode and "open in another terminal" in second.stderr, second
        os.write(master, b"\x03\x1d")  # Ctrl-C is the guest's
        code = 0
    else:
        child.send_signal(how)
        code = 128 + how
    assert child.wait(10) == code, (how, child.returncode)
    assert termios.tcgetattr(slave) == before, (how, "the terminal is not as before")
for how in ("escape", signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    attempt(how)
PY
has "a console without input" 'the input has ended, and with it the console of web; what it has said is in .*/console.log$' \
	"$(lan vm console web 2>&1 </dev/null | tail -n 1)"

# Everything of Lanyard killed at once: the machines do not notice, and `up` finds everything as it is.
web=$(pid_of web) db=$(pid_of db)
mapfile -t ours < <(for name in lanyardd lanyard-executo lanyard-holder dnsmasq pasta; do pgrep -u "$(id -u)" $name; done)
[ ${#ours[@]} -ge 4 ] || fail "what is to be killed: ${ours[*]}"
kill -9 "${ours[@]}"
works lan up
is "web's process" "$web" "$(pid_of web)"
is "db's process" "$db" "$(pid_of db)"
is_empty_plan || fail "the plan is not empty: $(lan plan)"
soon 20 "ssh after it all" lan ssh db true
is "web's name for db" "I am db" "$(lan ssh web 'wget -q -O - http://db/' </dev/null)"

# Stop: asked, and gone; a guest that does not listen is ended; Ctrl-C in between leaves the rest to the next.
works lan vm stop db
is "db" stopped "$(state_of db)"
timeout -s INT 0.5 lanyard $kind --instance "$instance" vm stop own >interrupted.log 2>&1
is "exit code of an interrupted stop" 130 "$(grep -q 'lanyard: interrupted' interrupted.log && echo 130)"
is "own after Ctrl-C" running "$(state_of own)"
has "a guest that does not listen" 'did not power off in time and is ended' "$(lan vm stop --timeout 2 own 2>&1)"
is "own" stopped "$(state_of own)"
has "again" 'does not run' "$(lan vm stop own 2>&1)"
refused "machine 'own' does not run; 'lanyard vm start own' starts it" lan capture own -c 1
refused "'lanyard vm start own|lanyard vm start own, or" lan why web own
# Ctrl-C while it starts: it runs, or it does not; the next start says which.
for delay in 0.02 0.1 0.3; do
	timeout -s INT $delay lanyard $kind --instance "$instance" vm start db >/dev/null 2>&1
	output=$(lan vm start db 2>&1) || has "after Ctrl-C at $delay s" 'runs already' "$output"
	is "db after Ctrl-C at $delay s" running "$(state_of db)"
	works lan vm stop --force db
done
# Who connects to a machine that has just begun to boot waits for it, rather than be refused.
works lan vm start db
output=$(printf 'GET / HTTP/1.0\r\n\r\n' | lan connect db 80 2>&1 | tr -d '\r')
has "connect while the machine boots" 'waiting for db to boot' "$output"
is "connect once it has" 'I am db' "$(tail -n 1 <<<"$output")"
works lan vm stop --force db
refused "machine 'db' does not run; 'lanyard vm start db' starts it" lan connect db 80
# One that has just begun to boot is not waited for in vain.
works lan vm start db
works timeout 30 lanyard $kind --instance "$instance" vm stop db
is "db, stopped while it boots" stopped "$(state_of db)"
works lan down
soon 15 "the end of the instance" test ! -e "$(runtime_folder)"
is "processes left" "" "$(for name in lanyard qemu pasta dnsmasq; do pgrep -u "$(id -u)" -l $name; done)"
exit 0
