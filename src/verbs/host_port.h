/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports and NAME:PORT as the command line has them. */
#pragma once

struct error;

/* 1 to 65535. */
int host_port_parse(const char *text, int *ret, struct error *err);
/* Splits "HOST:PORT" or "[HOST]:PORT" at the last colon; without one *ret_host is NULL. Fresh
 * memory. */
int host_port_split(const char *text, char **ret_host, int *ret_port, struct error *err);
/* The same for an address and a port of the host. */
int host_port_split_address(const char *text, char **ret_host, int *ret_port, struct error *err);
/* "HOST:PORT", "[ADDRESS]:PORT"; HOST is 127.0.0.1 for NULL. Fresh memory. */
char *host_port_text(const char *host, int port);
