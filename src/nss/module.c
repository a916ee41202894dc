/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libnss_lanyard.so.2: what glibc calls for `hosts: files lanyard dns`. Machines of a system
 * instance only: those of a user instance are reached inside of it, not from the host.
 */
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "nss/hostname.h"
#include "nss/module.h"
#include "nss/reply.h"

#ifndef NSS_ROOT
#define NSS_ROOT "/run/lanyard"
#endif
#define TTL 5 /* seconds; nscd keeps an answer for so long */

struct where {
	int *errnop, *h_errnop;
	int saved; /* a success leaves errno alone */
};

static enum nss_status too_short(const struct where *where)
{
	*where->errnop = ERANGE;
	*where->h_errnop = NETDB_INTERNAL;
	return NSS_STATUS_TRYAGAIN;
}

static enum nss_status not_found(const struct where *where, int result)
{
	errno = where->saved;
	if (result == -ENOENT) {
		*where->h_errnop = HOST_NOT_FOUND;
		return NSS_STATUS_NOTFOUND;
	}
	*where->errnop = -result;
	*where->h_errnop = NO_RECOVERY;
	return NSS_STATUS_UNAVAIL;
}

static enum nss_status found(const struct where *where, int32_t *ttlp)
{
	errno = where->saved;
	*where->h_errnop = NETDB_SUCCESS;
	if (ttlp)
		*ttlp = TTL;
	return NSS_STATUS_SUCCESS;
}

static enum nss_status no_such_family(const struct where *where)
{
	errno = where->saved;
	*where->h_errnop = NO_DATA;
	return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_lanyard_gethostbyname4_r(const char *name, struct gaih_addrtuple **pat,
					      char *buffer, size_t buflen, int *errnop,
					      int *h_errnop, int32_t *ttlp)
{
	struct where where = {errnop, h_errnop, errno};
	struct hostname hostname;
	struct reply reply = {buffer, buflen};
	int result = hostname_by_name(NSS_ROOT, name, &hostname);
	if (result < 0)
		return not_found(&where, result);
	if (!reply_tuples(&reply, &hostname, pat))
		return too_short(&where);
	return found(&where, ttlp);
}

enum nss_status _nss_lanyard_gethostbyname3_r(const char *name, int family, struct hostent *host,
					      char *buffer, size_t buflen, int *errnop,
					      int *h_errnop, int32_t *ttlp, char **canonp)
{
	struct where where = {errnop, h_errnop, errno};
	struct hostname hostname;
	struct reply reply = {buffer, buflen};
	if (family == AF_UNSPEC)
		family = AF_INET;
	if (family != AF_INET && family != AF_INET6) {
		*errnop = EAFNOSUPPORT;
		*h_errnop = NO_DATA;
		return NSS_STATUS_UNAVAIL;
	}
	int result = hostname_by_name(NSS_ROOT, name, &hostname);
	if (result < 0)
		return not_found(&where, result);
	size_t i = 0;
	while (i < hostname.count && hostname.addresses[i].family != family)
		i++;
	if (i == hostname.count)
		return no_such_family(&where);
	if (!reply_host(&reply, &hostname, family, host))
		return too_short(&where);
	if (canonp)
		*canonp = host->h_name;
	return found(&where, ttlp);
}

enum nss_status _nss_lanyard_gethostbyname2_r(const char *name, int family, struct hostent *host,
					      char *buffer, size_t buflen, int *errnop,
					      int *h_errnop)
{
	return _nss_lanyard_gethostbyname3_r(name, family, host, buffer, buflen, errnop, h_errnop,
					     NULL, NULL);
}

enum nss_status _nss_lanyard_gethostbyname_r(const char *name, struct hostent *host, char *buffer,
					     size_t buflen, int *errnop, int *h_errnop)
{
	return _nss_lanyard_gethostbyname3_r(name, AF_INET, host, buffer, buflen, errnop, h_errnop,
					     NULL, NULL);
}

enum nss_status _nss_lanyard_gethostbyaddr2_r(const void *address, socklen_t length, int family,
					      struct hostent *host, char *buffer, size_t buflen,
					      int *errnop, int *h_errnop, int32_t *ttlp)
{
	struct where where = {errnop, h_errnop, errno};
	struct hostname hostname;
	struct reply reply = {buffer, buflen};
	struct ip ip = {.family = (uint16_t)family,
			.length = (uint8_t)(family == AF_INET ? 32 : 128)};
	if ((family != AF_INET || length != 4) && (family != AF_INET6 || length != 16)) {
		*errnop = EAFNOSUPPORT;
		*h_errnop = NO_DATA;
		return NSS_STATUS_UNAVAIL;
	}
	memcpy(ip.bytes, address, length);
	int result = hostname_by_address(NSS_ROOT, &ip, &hostname);
	if (result < 0)
		return not_found(&where, result);
	if (!reply_host(&reply, &hostname, family, host))
		return too_short(&where);
	return found(&where, ttlp);
}

enum nss_status _nss_lanyard_gethostbyaddr_r(const void *address, socklen_t length, int family,
					     struct hostent *host, char *buffer, size_t buflen,
					     int *errnop, int *h_errnop)
{
	return _nss_lanyard_gethostbyaddr2_r(address, length, family, host, buffer, buflen, errnop,
					     h_errnop, NULL);
}
