/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree that a parsed interface is: for varlink_idl.c, which builds it, and
 * varlink_interface.c only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum idl_kind {
	IDL_BOOL,
	IDL_INT,
	IDL_FLOAT,
	IDL_STRING,
	IDL_OBJECT,
	IDL_STRUCT,
	IDL_ENUM,
	IDL_ARRAY,
	IDL_MAP,
	IDL_NAMED
};

struct idl_type {
	enum idl_kind kind;
	bool optional;
	struct idl_type *element; /* IDL_ARRAY, IDL_MAP */
	struct idl_field *fields; /* IDL_STRUCT; IDL_ENUM without types */
	size_t n_fields;
	char *name;		      /* IDL_NAMED */
	const char *at;		      /* IDL_NAMED: where in the text, until resolved */
	const struct idl_type *named; /* IDL_NAMED: the type, borrowed */
};

struct idl_field {
	char *name;
	struct idl_type *type;
};

enum idl_member_kind { IDL_MEMBER_TYPE, IDL_MEMBER_METHOD, IDL_MEMBER_ERROR, IDL_MEMBER_KINDS };

struct idl_member {
	enum idl_member_kind kind;
	char *name;
	struct idl_type *input, *output; /* a type or an error has an input only */
};

struct varlink_interface {
	char *text, *name;
	struct idl_member *members;
	size_t n_members;
};

/* The member of a kind and name, NULL if there is none. */
const struct idl_member *varlink_idl_find(const struct varlink_interface *interface,
					  enum idl_member_kind kind, const char *name);
