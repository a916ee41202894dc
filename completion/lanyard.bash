# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for lanyard(1), printed by `lanyard completion bash`. What may stand where is asked of
# lanyard itself, so that it always fits the installed version.
_lanyard()
{
	local line words word
	# bash cuts its words at = and : too (COMP_WORDBREAKS); here they end at spaces only
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=("")
	word=${words[-1]}
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		@files)
			compopt -o filenames
			mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${word#--*=}")
			;;
		"@commands $((${#words[@]} - 1))")
			mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -c -- "$word")
			;;
		@commands*)
			# a word of a command that begins earlier
			compopt -o filenames
			mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
			;;
		*)
			# what it is about stands behind a tab
			COMPREPLY+=("${line%%$'\t'*}")
			;;
		esac
	done < <("${words[0]}" complete-words "$((${#words[@]} - 1))" -- "${words[@]}" 2>/dev/null)
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]]; then
		compopt -o nospace
	fi
}
complete -F _lanyard lanyard
