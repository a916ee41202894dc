#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The folders of src/ are layers: each may include only those named here, headers by their layer's name, no
# file name twice in the tree, and every source says its licence.
cd "${1:-$(dirname "$0")/..}/src" || exit 1
declare -A may=(
	[base]="base"
	[model]="base model"
	[kern]="base model kern"
	[svc]="base model svc"
	[driver]="base model driver"
	[ipc]="base model ipc"
	[broker]="base model kern svc ipc broker"
	[executor]="base model kern svc ipc executor"
	[steward]="base model kern svc ipc steward"
	[cli]="base model ipc cli"
	[machine]="base model driver ipc cli machine"
	[diagnosis]="base model ipc cli diagnosis"
	[verbs]="base model ipc cli machine diagnosis verbs"
	[nss]="base model nss"
)
failed=0
complain() {
	echo "$1"
	failed=1
}
for folder in */; do
	layer=${folder%/}
	[ -n "${may[$layer]}" ] || complain "src/$layer: unknown layer"
	while IFS=: read -r file line text; do
		name=${text#*\"}
		name=${name%%\"*}
		from=${name%%/*}
		case " ${may[$layer]} " in
		*" $from "*) [ -f "$name" ] || [ -f "${name%.h}" ] || [ -f "../completion/$(basename "$name" .h)" ] || complain "src/$file:$line: \"$name\" is not there" ;;
		*) complain "src/$file:$line: layer $layer may not include \"$name\"" ;;
		esac
	done < <(grep -n '^#include "' /dev/null "$layer"/*.[ch] 2>/dev/null)
done
while read -r name; do
	complain "file name $name is used twice"
done < <(find . -name '*.c' -printf '%f\n' | sort | uniq -d)
while read -r file; do
	head -1 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' ||
		complain "src/$file: the first line is not the SPDX line"
done < <(find . -name '*.[ch]')
exit $failed
