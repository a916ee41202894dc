#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ways: user
# Tables in a terminal: none wraps in one of 80 columns; what is left out is named; all is there where no terminal is.
# shellcheck source=test/netns/lib.sh
. "$(dirname "$0")/lib.sh"

cat >in_terminal.py <<'PYTHON'
"""in_terminal.py COLUMNS COMMAND...: runs it in a terminal that is so wide and prints what that showed."""
import fcntl, os, pty, struct, sys, termios
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b""
try:
    while data := os.read(terminal, 4096):
        shown += data
except OSError:  # EIO: nobody has it open any more
    pass
sys.stdout.write(shown.decode().replace("\r\n", "\n"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
PYTHON
# shown COLUMNS WORDS...
shown() {
	local columns=$1
	shift
	python3 in_terminal.py "$columns" lanyard $kind --instance "$instance" --no-color "$@"
}
widest() { grep -v '^not shown' | awk '{ if (length($0) > n) n = length($0) } END { print n }'; }

works lan net add lab ipv4=10.20.0.1/24 domain=laboratory.of.the.school.internal
works lan port add lab --tap lytapmachine machine=a-machine-with-quite-a-long-name
for words in 'net list' 'port list' status; do
	for columns in 80 72; do
		# shellcheck disable=SC2086 # words
		table=$(shown $columns $words)
		width=$(widest <<<"$table")
		[ "$width" -le $columns ] || fail "'$words' is $width wide in a terminal of $columns: $table"
	done
	# shellcheck disable=SC2086
	is "'$words' in a wide terminal" "$(lan $words)" "$(shown 300 $words)"
	# shellcheck disable=SC2086
	is "'$words' for scripts" "$(lan $words --json)" "$(shown 40 $words --json)"
done
has "what is left out" "^not shown in so narrow a terminal: DOMAIN \('\| cat' shows all\)$" "$(shown 80 net list)"
has "what stays" '^NAME +MODE +IPV4 +IPV6 +LAB +INTERFACE$' "$(shown 80 net list)"
has "behind a pipe" 'laboratory.*ly-lab' "$(lan net list)"
is "quiet" "lab" "$(shown 80 -q net list | cut -d' ' -f1)"
exit 0
