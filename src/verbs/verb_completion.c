/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard completion: the scripts of completion/, one for each shell, compiled in. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/output.h"
#include "verbs/verbs.h"

static const char bash_script[] = ""
#include "verbs/lanyard.bash.h"
	;
static const char zsh_script[] = ""
#include "verbs/lanyard.zsh.h"
	;
static const char fish_script[] = ""
#include "verbs/lanyard.fish.h"
	;

static const char *const scripts[COMPLETION_SHELLS] = {bash_script, zsh_script, fish_script};
const char *const completion_shells[COMPLETION_SHELLS + 1] = {"bash", "zsh", "fish", NULL};

int completion_run(struct invocation *invocation, struct error *err)
{
	const char *shell =
		invocation->n_arguments ? invocation->arguments[0] : completion_shells[0];
	size_t i = 0;
	while (i < COMPLETION_SHELLS && strcmp(completion_shells[i], shell) != 0)
		i++;
	if (i == COMPLETION_SHELLS)
		return error_set(err, EINVAL, "no completion for '%s'; there is: bash, zsh, fish",
				 shell);
	if (output_is_json())
		output_json(json_pack("{s:s}", "script", scripts[i]));
	else
		fputs(scripts[i], stdout);
	return 0;
}
