/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipc/errand_names.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "ipc/errand.h"
#include "model/name.h"

static int check_server(const struct ip *server)
{
	if (!ip_is_set(server))
		return 0;
	if (server->family != AF_INET && server->family != AF_INET6)
		return -1;
	return server->length <= (server->family == AF_INET ? 32 : 128) ? 0 : -1;
}

int errand_names_check(const struct errand_names *errand, size_t size, struct error *err)
{
	if (size != sizeof(*errand) || errand->version != ERRAND_VERSION ||
	    errand->verb != ERRAND_NAMES)
		return error_set(err, EBADMSG, "a bad errand about names");
	if (!memchr(errand->ifname, '\0', IFNAMSIZ) || !name_is_interface(errand->ifname))
		return error_set(err, EBADMSG, "no name of an interface");
	for (size_t i = 0; i < ERRAND_NAMES_SERVERS; i++)
		if (check_server(&errand->servers[i]) < 0)
			return error_set(err, EBADMSG, "no address of a name server");
	if (!memchr(errand->nic, '\0', IFNAMSIZ) ||
	    (errand->nic[0] && !name_is_interface(errand->nic)))
		return error_set(err, EBADMSG, "no name of a NIC");
	if (errand->back && !errand->nic[0])
		return error_set(err, EBADMSG, "no NIC that is back");
	if (errand->nic[0] && ip_is_set(&errand->servers[0]))
		return error_set(err, EBADMSG, "name servers beside those of a NIC");
	if (!ip_is_set(&errand->servers[0]))
		return 0;
	/* Whatever name a network has, the host goes on asking the world for the world's names. */
	if (!memchr(errand->domain, '\0', DOMAIN_SIZE) || !name_is_domain(errand->domain) ||
	    !name_is_private(errand->domain))
		return error_set(err, EBADMSG, "no private domain");
	return 0;
}
