/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Varlink interface definition language: parses an interface text (varlink.org, "Interface
 * Definition"), checks parameters against it, and maps the errors of io.lanyard to errno. Pure: no
 * input or output.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct error;
struct varlink_interface;

/* The text of src/ipc/io.lanyard.varlink, NUL-terminated: the documentation of the API. */
extern const char varlink_interface_lanyard[];

/* Parses a text (kept as a copy). -EINVAL with "line N, column N: ...". */
int varlink_interface_new(const char *text, struct varlink_interface **ret, struct error *err);
void varlink_interface_free(struct varlink_interface *interface);
const char *varlink_interface_name(const struct varlink_interface *interface);
const char *varlink_interface_text(const struct varlink_interface *interface);

/* The names of its methods in the order of the text; NULL past the end. */
const char *varlink_interface_method(const struct varlink_interface *interface, size_t index);
int varlink_interface_has_method(const struct varlink_interface *interface, const char *method);

/* Checks an object against the parameters of a method (name without the interface). -ENOENT for
 * an unknown method; -EINVAL with "parameters.network.name: expected string, got number"
 * (unknown, missing or ill-typed field). A field of an optional type may be null or missing.
 * field (of size bytes, may be NULL) gets the path alone. */
int varlink_interface_check_call(const struct varlink_interface *interface, const char *method,
				 const json_t *parameters, char *field, size_t size,
				 struct error *err);
/* The same for a method's reply and for an error's parameters. */
int varlink_interface_check_reply(const struct varlink_interface *interface, const char *method,
				  const json_t *parameters, struct error *err);
int varlink_interface_check_error(const struct varlink_interface *interface, const char *error,
				  const json_t *parameters, struct error *err);

/* errno <-> error name of io.lanyard: EINVAL InvalidArgument, ENOENT NotFound, EEXIST Exists,
 * EBUSY Busy, EACCES and EPERM Refused, all others Failed. Static text with the interface in
 * front. */
const char *varlink_error_of_code(int code);
/* The positive errno of an error reply (Failed carries its code), with the sentence that it
 * carries put into err; other interfaces' errors are EPROTO, org.varlink.service's
 * MethodNotFound etc. EOPNOTSUPP. */
int varlink_error_code(const char *name, const json_t *parameters, struct error *err);
