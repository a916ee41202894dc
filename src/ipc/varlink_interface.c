/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks JSON against the types of an interface by walking both together, and knows which error
 * name is which errno. Holds the text of io.lanyard.
 */
#include "ipc/varlink_interface.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ipc/varlink_idl.h"

#define PATH_SIZE    256
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

const char varlink_interface_lanyard[] = "" /* a whole sentence also where nothing was built */
#include "ipc/io.lanyard.varlink.h"
	;

struct check {
	char path[PATH_SIZE];
	struct error *err;
};

static int check_value(struct check *check, const struct idl_type *type, const json_t *value);

static const char *got(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "bool";
	case JSON_NULL:
		return "null";
	}
	return "nothing";
}

static void list_names(const struct idl_type *type, char *ret, size_t size)
{
	size_t used = 0;
	ret[0] = '\0';
	for (size_t i = 0; i < type->n_fields && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s", i ? ", " : "",
					 type->fields[i].name);
}

static void describe(const struct idl_type *type, char *ret, size_t size)
{
	static const char *const names[] = {
		[IDL_BOOL] = "bool",	 [IDL_INT] = "int",	  [IDL_FLOAT] = "float",
		[IDL_STRING] = "string", [IDL_OBJECT] = "object", [IDL_STRUCT] = "object",
		[IDL_ARRAY] = "array",	 [IDL_MAP] = "object",
	};
	if (type->kind == IDL_NAMED)
		return describe(type->named, ret, size);
	if (type->kind != IDL_ENUM) {
		snprintf(ret, size, "%s", names[type->kind]);
		return;
	}
	char list[200];
	list_names(type, list, sizeof(list));
	snprintf(ret, size, "one of %s", list);
}

static int wrong(struct check *check, const struct idl_type *type, const json_t *value)
{
	char expected[256];
	describe(type, expected, sizeof(expected));
	if (json_is_string(value) && type->kind == IDL_ENUM)
		return error_set(check->err, EINVAL, "%s: expected %s, got '%.64s'", check->path,
				 expected, json_string_value(value));
	if (json_is_real(value) && type->kind == IDL_INT)
		return error_set(check->err, EINVAL, "%s: expected int, got %g", check->path,
				 json_real_value(value));
	return error_set(check->err, EINVAL, "%s: expected %s, got %s", check->path, expected,
			 got(value));
}

/* Checks a value one level deeper; the path is as before when it was good. */
static int descend(struct check *check, const struct idl_type *type, const json_t *value,
		   const char *separator, const char *step)
{
	size_t used = strlen(check->path);
	snprintf(check->path + used, sizeof(check->path) - used, "%s%.64s%s", separator, step,
		 *separator == '[' ? "]" : "");
	int done = check_value(check, type, value);
	if (done >= 0)
		check->path[used] = '\0';
	return done;
}

static int check_array(struct check *check, const struct idl_type *type, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++) {
		char index[24];
		snprintf(index, sizeof(index), "%zu", i);
		int done = descend(check, type->element, json_array_get(value, i), "[", index);
		if (done < 0)
			return done;
	}
	return 0;
}

static int check_map(struct check *check, const struct idl_type *type, const json_t *value)
{
	const char *key;
	json_t *item;
	json_object_foreach ((json_t *)value, key, item) {
		int done = descend(check, type->element, item, ".", key);
		if (done < 0)
			return done;
	}
	return 0;
}

static const struct idl_field *find_field(const struct idl_type *type, const char *name)
{
	for (size_t i = 0; i < type->n_fields; i++)
		if (!strcmp(type->fields[i].name, name))
			return &type->fields[i];
	return NULL;
}

static void extend(struct check *check, const char *step)
{
	size_t used = strlen(check->path);
	snprintf(check->path + used, sizeof(check->path) - used, ".%.64s", step);
}

static int unknown_field(struct check *check, const struct idl_type *type, const char *key)
{
	char known[200];
	list_names(type, known, sizeof(known));
	extend(check, key);
	return error_set(check->err, EINVAL, "%s: unknown field (%s%s)", check->path,
			 *known ? "there are: " : "there are none", known);
}

static int check_struct(struct check *check, const struct idl_type *type, const json_t *value)
{
	const char *key;
	json_t *item;
	json_object_foreach ((json_t *)value, key, item) {
		const struct idl_field *field = find_field(type, key);
		if (!field)
			return unknown_field(check, type, key);
		int done = descend(check, field->type, item, ".", key);
		if (done < 0)
			return done;
	}
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct idl_field *field = &type->fields[i];
		if (field->type->optional || json_object_get(value, field->name))
			continue;
		char expected[256];
		describe(field->type, expected, sizeof(expected));
		extend(check, field->name);
		return error_set(check->err, EINVAL, "%s: missing, expected %s", check->path,
				 expected);
	}
	return 0;
}

static bool has_shape(const struct idl_type *type, const json_t *value)
{
	switch (type->kind) {
	case IDL_BOOL:
		return json_is_boolean(value);
	case IDL_INT:
		return json_is_integer(value);
	case IDL_FLOAT:
		return json_is_number(value);
	case IDL_STRING:
		return json_is_string(value);
	case IDL_ENUM:
		return json_is_string(value) && find_field(type, json_string_value(value));
	case IDL_ARRAY:
		return json_is_array(value);
	case IDL_OBJECT:
	case IDL_STRUCT:
	case IDL_MAP:
		return json_is_object(value);
	case IDL_NAMED:
		break;
	}
	return false;
}

static int check_value(struct check *check, const struct idl_type *type, const json_t *value)
{
	if (type->optional && json_is_null(value))
		return 0;
	if (type->kind == IDL_NAMED)
		return check_value(check, type->named, value);
	if (!has_shape(type, value))
		return wrong(check, type, value);
	if (type->kind == IDL_STRUCT)
		return check_struct(check, type, value);
	if (type->kind == IDL_ARRAY)
		return check_array(check, type, value);
	return type->kind == IDL_MAP ? check_map(check, type, value) : 0;
}

static int check_parameters(const struct idl_type *type, const json_t *parameters, char *field,
			    size_t size, struct error *err)
{
	struct check check = {.path = "parameters", .err = err};
	int done = check_value(&check, type, parameters);
	if (field && size > 0)
		snprintf(field, size, "%s", done < 0 ? check.path : "");
	return done;
}

int varlink_interface_check_call(const struct varlink_interface *interface, const char *method,
				 const json_t *parameters, char *field, size_t size,
				 struct error *err)
{
	const struct idl_member *member = varlink_idl_find(interface, IDL_MEMBER_METHOD, method);
	if (!member)
		return error_set(err, ENOENT, "there is no method %s.%.64s", interface->name,
				 method);
	return check_parameters(member->input, parameters, field, size, err);
}

int varlink_interface_check_reply(const struct varlink_interface *interface, const char *method,
				  const json_t *parameters, struct error *err)
{
	const struct idl_member *member = varlink_idl_find(interface, IDL_MEMBER_METHOD, method);
	if (!member)
		return error_set(err, ENOENT, "there is no method %s.%.64s", interface->name,
				 method);
	return check_parameters(member->output, parameters, NULL, 0, err);
}

int varlink_interface_check_error(const struct varlink_interface *interface, const char *error,
				  const json_t *parameters, struct error *err)
{
	const struct idl_member *member = varlink_idl_find(interface, IDL_MEMBER_ERROR, error);
	if (!member)
		return error_set(err, ENOENT, "there is no error %s.%.64s", interface->name, error);
	return check_parameters(member->input, parameters, NULL, 0, err);
}

/* Errors. Of several with one name the first is what the name means; Failed is for all the rest. */

static const struct {
	int code;
	const char *name;
} error_names[] = {
	{EINVAL, "io.lanyard.InvalidArgument"},
	{ENOENT, "io.lanyard.NotFound"},
	{EEXIST, "io.lanyard.Exists"},
	{EBUSY, "io.lanyard.Busy"},
	{EACCES, "io.lanyard.Refused"},
	{EPERM, "io.lanyard.Refused"},
	{EINVAL, "org.varlink.service.InvalidParameter"},
	{EACCES, "org.varlink.service.PermissionDenied"},
	{EOPNOTSUPP, "org.varlink.service.InterfaceNotFound"},
	{EOPNOTSUPP, "org.varlink.service.MethodNotFound"},
	{EOPNOTSUPP, "org.varlink.service.MethodNotImplemented"},
	{EOPNOTSUPP, "org.varlink.service.ExpectedMore"},
};

static const char failed[] = "io.lanyard.Failed";

const char *varlink_error_of_code(int code)
{
	for (size_t i = 0; i < COUNT(error_names); i++)
		if (error_names[i].code == abs(code) &&
		    !strncmp(error_names[i].name, "io.lanyard.", 11))
			return error_names[i].name;
	return failed;
}

/* EINTR would read as a signal here. */
static int failed_code(const json_t *parameters)
{
	json_int_t code = json_integer_value(json_object_get(parameters, "code"));
	return code > 0 && code < 4096 && code != EINTR ? (int)code : EIO;
}

int varlink_error_code(const char *name, const json_t *parameters, struct error *err)
{
	int code = !strcmp(name, failed) ? failed_code(parameters) : EPROTO;
	for (size_t i = 0; i < COUNT(error_names); i++)
		if (!strcmp(error_names[i].name, name)) {
			code = error_names[i].code;
			break;
		}
	static const char *const keys[] = {"message", "parameter", "method", "interface"};
	const char *text = NULL;
	for (size_t i = 0; i < COUNT(keys) && !text; i++)
		text = json_string_value(json_object_get(parameters, keys[i]));
	bool ours = text && json_object_get(parameters, "message");
	if (ours)
		error_set(err, code, "%s", text);
	else
		error_set(err, code, "%s%s%s", name, text ? ": " : "", text ? text : "");
	return code;
}
