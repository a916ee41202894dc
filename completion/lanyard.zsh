#compdef lanyard
# SPDX-License-Identifier: GPL-2.0-or-later
# zsh completion for lanyard(1), printed by `lanyard completion zsh`. What may stand where is asked of
# lanyard itself, so that it always fits the installed version.
_lanyard()
{
	local line program
	local -a typed offers about
	typed=("${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}")
	program=${~typed[1]}
	while IFS= read -r line; do
		case $line in
		@files)
			[[ $PREFIX == --*=* ]] && compset -P '*='
			_files
			;;
		"@commands "<->)
			# a command of its own begins at that word
			shift ${line#* } words
			(( CURRENT -= ${line#* } ))
			_normal
			;;
		*)
			# what it is about stands behind a tab
			offers+=("${line%%$'\t'*}")
			about+=("${${line%%$'\t'*}//:/\\:}")
			[[ $line == *$'\t'* ]] && about[-1]+=":${line#*$'\t'}"
			;;
		esac
	done < <("$program" complete-words $((CURRENT - 1)) -- "${typed[@]}" 2>/dev/null)
	if (( ${#offers} )); then
		# KEY=VALUE: only the value is offered
		[[ $PREFIX == ?*=* ]] && compset -P '*='
		# no space behind KEY=
		if [[ ${offers[1]} == *[=:] ]]; then
			_describe -V lanyard about offers -S ''
		else
			_describe -V lanyard about offers
		fi
	fi
}
if [[ ${funcstack[1]-} == _lanyard ]]; then
	_lanyard "$@"
else
	compdef _lanyard lanyard
fi
