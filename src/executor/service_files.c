/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder per network: the configuration, and what dnsmasq reads again on SIGHUP. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "executor/resolvers.h"
#include "executor/service.h"
#include "executor/services.h"

static char *folder_of(const char *folder, uint32_t network)
{
	return text_format("%s/%u", folder, network);
}

static int write_file(const char *folder, const char *name, char *text, struct error *err)
{
	AUTO_FREE char *owned = text;
	AUTO_FREE char *path = text_format("%s/%s", folder, name);
	return file_write_atomic(path, owned, strlen(owned), 0644, false, err);
}

int service_write_names(const struct service *service, struct error *err)
{
	AUTO_FREE char *folder = folder_of(service->services->folder, service->network);
	int result = write_file(folder, DNSMASQ_RESERVED,
				dnsmasq_reserved(service->names, service->n_names), err);
	if (result < 0)
		return result;
	return write_file(folder, DNSMASQ_HOSTS,
			  dnsmasq_hosts(&service->object, service->names, service->n_names), err);
}

static struct dnsmasq_place place_of(const struct service *service, const char *folder)
{
	return (struct dnsmasq_place){.folder = folder,
				      .upstreams = service->services->upstreams,
				      .is_root = geteuid() == 0};
}

/* systemd-resolved's own list of servers holds those of our networks too, once it was told of them:
 * asked by each other they would go round in a circle. */
static bool is_own_server(const struct services *services, const char *server)
{
	struct ip ip;
	if (ip_parse(server, &ip, NULL) < 0)
		return false;
	for (size_t i = 0; i < services->count; i++) {
		const struct object_service *object = &services->items[i]->object;
		if (services->items[i]->is_wanted &&
		    (ip_equal(&object->ipv4, &ip) || ip_equal(&object->ipv6, &ip)))
			return true;
	}
	return false;
}

int service_write_servers(const struct service *service, struct error *err)
{
	AUTO_FREE char *folder = folder_of(service->services->folder, service->network);
	struct dnsmasq_place place = place_of(service, folder);
	char *others[RESOLVERS_MAX + 1] = {0};
	size_t count = 0;
	for (char *const *server = place.upstreams; server && *server && count < RESOLVERS_MAX;
	     server++)
		if (!is_own_server(service->services, *server))
			others[count++] = *server;
	place.upstreams = others;
	return write_file(folder, DNSMASQ_SERVERS, dnsmasq_servers(&service->object, &place), err);
}

int service_write_all(const struct service *service, struct error *err)
{
	AUTO_FREE char *folder = folder_of(service->services->folder, service->network);
	int result = directory_make(folder, 0755, err);
	if (result < 0)
		return result;
	struct dnsmasq_place place = place_of(service, folder);
	result = write_file(folder, DNSMASQ_CONF, dnsmasq_conf(&service->object, &place), err);
	if (result < 0)
		return result;
	result = service_write_servers(service, err);
	return result < 0 ? result : service_write_names(service, err);
}

void service_remove_folder(const char *services_folder, uint32_t network)
{
	static const char *const files[] = {DNSMASQ_CONF, DNSMASQ_RESERVED, DNSMASQ_HOSTS,
					    DNSMASQ_SERVERS, DNSMASQ_LEASES};
	AUTO_FREE char *folder = folder_of(services_folder, network);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		AUTO_FREE char *path = text_format("%s/%s", folder, files[i]);
		unlink(path);
	}
	if (rmdir(folder) < 0 && errno != ENOENT)
		log_warning("%s: %s", folder, strerror(errno));
}

bool service_has_same_conf(const struct service *service, const struct object_service *other)
{
	AUTO_FREE char *folder = folder_of(service->services->folder, service->network);
	struct dnsmasq_place place = place_of(service, folder);
	AUTO_FREE char *before = dnsmasq_conf(&service->object, &place);
	AUTO_FREE char *after = dnsmasq_conf(other, &place);
	return strcmp(before, after) == 0;
}
