#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the eye should not have to look for: lines up to 100 columns (a tab is 8), no space at a line's end,
# no typedef of a struct.
cd "${1:-$(dirname "$0")/..}" || exit 1
failed=0
while read -r file; do
	expand "$file" | awk -v f="$file" '
		length($0) > 100 { print f ":" NR ": " length($0) " columns"; bad = 1 }
		/[ \t]$/ { print f ":" NR ": space at the end"; bad = 1 }
		/^typedef struct/ { print f ":" NR ": typedef of a struct"; bad = 1 }
		END { exit bad }' || failed=1
done < <(find src test -name '*.[ch]')
exit $failed
