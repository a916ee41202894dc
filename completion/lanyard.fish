# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for lanyard(1), printed by `lanyard completion fish`. What may stand where is asked of
# lanyard itself, so that it always fits the installed version.
function __lanyard_words
	set -l typed (commandline -opc)
	set -l word (commandline -ct)
	# KEY=VALUE: lanyard says the value, fish wants the whole word
	set -l key (string match -r '^[^=]+=' -- $word)
	for line in (eval $typed[1] complete-words (count $typed) -- (string escape -- $typed $word) 2>/dev/null)
		switch $line
			case @files
				set key (string match -r '^--[^=]+=' -- $word)
				for path in (__fish_complete_path (string replace -- "$key" "" $word))
					printf "%s\n" "$key$path"
				end
			case '@commands *'
				# a command of its own begins at that word
				__fish_complete_subcommand --fcs-skip=(string replace '@commands ' '' $line)
			case '*'
				printf "%s\n" "$key$line"
		end
	end
end
complete -c lanyard -f -a '(__lanyard_words)'
