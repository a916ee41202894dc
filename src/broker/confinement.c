/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/confinement.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "kern/landlock.h"

/* The folder of the folder of a file. */
static char *grandparent(const char *path)
{
	char *folder = text_copy(path);
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(folder, '/');
		if (slash && slash > folder)
			*slash = '\0';
	}
	return folder;
}

int confinement_enter(const struct paths *paths, struct error *err)
{
	/* lanyard-publish is a child of ours where no service manager starts it */
	AUTO_FREE char *program = paths_program("lanyard-publish");
	/* /etc, since the policy's own folder may come later */
	AUTO_FREE char *configuration = grandparent(paths->policy);
	const struct landlock_rule rules[] = {
		{paths->runtime, true},
		{paths->state, true},
		{"/dev/null", true},
		{program, false},
		{configuration, false},
		/* modules of NSS and their configuration, time zone */
		{"/etc", false},
		{"/usr", false},
		{"/lib", false},
		{"/lib64", false},
		{"/run", false},
		{"/var/lib/sss", false},
		{"/var/lib/extrausers", false},
		/* boot id, whether bridged frames pass a firewall, links of the host */
		{"/proc", false},
		{"/sys", false},
		{"/dev/urandom", false},
	};
	return landlock_confine(rules, sizeof(rules) / sizeof(rules[0]), err);
}
