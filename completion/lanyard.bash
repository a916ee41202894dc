# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for lanyard(1), printed by `lanyard completion`. What may stand where is asked of
# lanyard itself, so that it always fits the installed version.
_lanyard()
{
	local line word=${COMP_WORDS[COMP_CWORD]}
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		@files)
			compopt -o filenames
			mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
			;;
		@commands)
			mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -c -- "$word")
			;;
		*)
			COMPREPLY+=("$line")
			;;
		esac
	done < <("${COMP_WORDS[0]}" complete-words "$COMP_CWORD" -- "${COMP_WORDS[@]}" 2>/dev/null)
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]]; then
		compopt -o nospace
	fi
}
complete -F _lanyard lanyard
