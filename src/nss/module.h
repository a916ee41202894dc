/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions that glibc looks up by name in libnss_lanyard.so.2 (nss/nss.h of glibc). */
#pragma once

#include <netdb.h>
#include <nss.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum nss_status _nss_lanyard_gethostbyname4_r(const char *name, struct gaih_addrtuple **pat,
					      char *buffer, size_t buflen, int *errnop,
					      int *h_errnop, int32_t *ttlp);
enum nss_status _nss_lanyard_gethostbyname3_r(const char *name, int family, struct hostent *host,
					      char *buffer, size_t buflen, int *errnop,
					      int *h_errnop, int32_t *ttlp, char **canonp);
enum nss_status _nss_lanyard_gethostbyname2_r(const char *name, int family, struct hostent *host,
					      char *buffer, size_t buflen, int *errnop,
					      int *h_errnop);
enum nss_status _nss_lanyard_gethostbyname_r(const char *name, struct hostent *host, char *buffer,
					     size_t buflen, int *errnop, int *h_errnop);
enum nss_status _nss_lanyard_gethostbyaddr2_r(const void *address, socklen_t length, int family,
					      struct hostent *host, char *buffer, size_t buflen,
					      int *errnop, int *h_errnop, int32_t *ttlp);
enum nss_status _nss_lanyard_gethostbyaddr_r(const void *address, socklen_t length, int family,
					     struct hostent *host, char *buffer, size_t buflen,
					     int *errnop, int *h_errnop);
