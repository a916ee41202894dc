/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"

static char **names; /* of the descriptors from SD_LISTEN_FDS_START on; "" when taken */
static int count = -1;

static void look(void)
{
	if (count >= 0)
		return;
	count = sd_listen_fds_with_names(true, &names);
	if (count < 0)
		count = 0;
}

int store_take(const char *name)
{
	look();
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0) {
			names[i][0] = '\0';
			return SD_LISTEN_FDS_START + i;
		}
	return -1;
}

bool store_keep(const char *name, int fd)
{
	AUTO_FREE char *text = text_format("FDSTORE=1\nFDNAME=%s", name);
	int r = sd_pid_notify_with_fds(0, 0, text, &fd, 1);
	if (r < 0)
		log_warning("descriptor '%s' is not kept: %s", name, strerror(-r));
	return r > 0;
}

void store_close(void)
{
	look();
	for (int i = 0; i < count; i++) {
		if (names[i][0]) {
			shutdown(SD_LISTEN_FDS_START + i, SHUT_RDWR); /* the manager has a copy */
			close(SD_LISTEN_FDS_START + i);
		}
		free(names[i]);
	}
	free(names);
	names = NULL;
	count = 0;
}
