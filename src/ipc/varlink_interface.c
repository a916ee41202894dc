/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Varlink interface definition language: a recursive descent parser that builds a tree of
 * types, and a checker that walks a JSON value and the tree together.
 */
#include "ipc/varlink_interface.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define TYPE_DEPTH_MAX 32 /* of a text; a JSON value is bounded by the reader */
#define PATH_SIZE      256

/* Found by -I src, as the headers are. */
__asm__(".pushsection .rodata\n"
	".global varlink_interface_lanyard\n"
	".type varlink_interface_lanyard, %object\n"
	"varlink_interface_lanyard:\n"
	".incbin \"ipc/io.lanyard.varlink\"\n"
	".byte 0\n"
	".size varlink_interface_lanyard, . - varlink_interface_lanyard\n"
	".popsection\n");

enum kind { BOOL, INT, FLOAT, STRING, OBJECT, STRUCT, ENUM, ARRAY, MAP, NAMED };

struct type {
	enum kind kind;
	bool optional;
	struct type *element; /* ARRAY, MAP */
	struct field *fields; /* STRUCT; ENUM without types */
	size_t n_fields;
	char *name;		  /* NAMED */
	const char *at;		  /* NAMED: where in the text, until resolved */
	const struct type *named; /* NAMED: the type, borrowed */
};

struct field {
	char *name;
	struct type *type;
};

enum member_kind { MEMBER_TYPE, MEMBER_METHOD, MEMBER_ERROR, MEMBER_KINDS };

static const char *const member_words[MEMBER_KINDS] = {"type", "method", "error"};

struct member {
	enum member_kind kind;
	char *name;
	struct type *input, *output; /* a type or an error has an input only */
};

struct varlink_interface {
	char *text, *name;
	struct member *members;
	size_t n_members;
};

static const struct {
	const char *word;
	enum kind kind;
} scalar_words[] = {
	{"bool", BOOL}, {"int", INT}, {"float", FLOAT}, {"string", STRING}, {"object", OBJECT},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void type_free(struct type *type)
{
	if (!type)
		return;
	for (size_t i = 0; i < type->n_fields; i++) {
		free(type->fields[i].name);
		type_free(type->fields[i].type);
	}
	free(type->fields);
	free(type->name);
	type_free(type->element);
	free(type);
}

void varlink_interface_free(struct varlink_interface *interface)
{
	if (!interface)
		return;
	for (size_t i = 0; i < interface->n_members; i++) {
		free(interface->members[i].name);
		type_free(interface->members[i].input);
		type_free(interface->members[i].output);
	}
	free(interface->members);
	free(interface->name);
	free(interface->text);
	free(interface);
}

AUTO_DEFINE(varlink_interface)

/* The parser. Functions return 0 or -EINVAL; the first error says line and column. */

struct parser {
	const char *text, *at;
	unsigned depth;
	struct error *err;
};

static int fail_at(const struct parser *parser, const char *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail_at(const struct parser *parser, const char *at, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size_t line = 1, column = 1;
	for (const char *c = parser->text; c < at; c++) {
		column = *c == '\n' ? 1 : column + 1;
		line += *c == '\n';
	}
	return error_set(parser->err, EINVAL, "line %zu, column %zu: %s", line, column, text);
}

static void skip(struct parser *parser)
{
	for (;;) {
		parser->at += strspn(parser->at, " \t\r\n");
		if (*parser->at != '#')
			return;
		parser->at += strcspn(parser->at, "\n");
	}
}

static bool accept(struct parser *parser, const char *symbol)
{
	skip(parser);
	size_t length = strlen(symbol);
	if (strncmp(parser->at, symbol, length) != 0)
		return false;
	parser->at += length;
	return true;
}

static int expect(struct parser *parser, const char *symbol)
{
	if (accept(parser, symbol))
		return 0;
	return fail_at(parser, parser->at, "expected '%s'", symbol);
}

/* A word of letters, digits and the given others; what says in an error what it would have been. */
static int word(struct parser *parser, const char *others, const char *what, char **ret)
{
	skip(parser);
	const char *from = parser->at, *end = from;
	while (isalnum((unsigned char)*end) || (*end && strchr(others, *end)))
		end++;
	if (end == from || !isalpha((unsigned char)*from))
		return fail_at(parser, from, "expected %s", what);
	if (end - from > 255)
		return fail_at(parser, from, "this name is too long");
	*ret = text_format("%.*s", (int)(end - from), from);
	parser->at = end;
	return 0;
}

static int parse_type(struct parser *parser, struct type **ret);

static int add_field(struct parser *parser, struct type *type, char *name, const char *at)
{
	for (size_t i = 0; i < type->n_fields; i++)
		if (!strcmp(type->fields[i].name, name)) {
			fail_at(parser, at, "'%s' is there twice", name);
			free(name);
			return -EINVAL;
		}
	size_t room = type->n_fields;
	type->fields = memory_grow(type->fields, &room, type->n_fields + 1, sizeof(*type->fields));
	type->fields[type->n_fields++].name = name;
	return 0;
}

/* One `name: type` or one name of an enum; the first decides what all are. */
static int parse_field(struct parser *parser, struct type *type)
{
	skip(parser);
	const char *at = parser->at;
	char *name;
	int done = word(parser, "_", "a field's name", &name);
	if (done < 0)
		return done;
	done = add_field(parser, type, name, at);
	if (done < 0)
		return done;
	bool typed = accept(parser, ":");
	if (type->n_fields == 1)
		type->kind = typed ? STRUCT : ENUM;
	if (typed != (type->kind == STRUCT))
		return fail_at(parser, parser->at, "fields with and without a type");
	return typed ? parse_type(parser, &type->fields[type->n_fields - 1].type) : 0;
}

/* What stands in parentheses; the opening one is consumed. */
static int parse_fields(struct parser *parser, struct type *type)
{
	type->kind = STRUCT;
	if (accept(parser, ")"))
		return 0;
	do {
		int done = parse_field(parser, type);
		if (done < 0)
			return done;
	} while (accept(parser, ","));
	return expect(parser, ")");
}

static int parse_named(struct parser *parser, struct type *type)
{
	skip(parser);
	type->at = parser->at;
	type->kind = NAMED;
	int done = word(parser, "", "a type", &type->name);
	if (done < 0)
		return done;
	for (size_t i = 0; i < COUNT(scalar_words); i++)
		if (!strcmp(type->name, scalar_words[i].word))
			type->kind = scalar_words[i].kind;
	if (type->kind == NAMED && !isupper((unsigned char)*type->name))
		return fail_at(parser, type->at, "'%s' is not a type", type->name);
	return 0;
}

static int parse_type_body(struct parser *parser, struct type *type)
{
	if (accept(parser, "?")) {
		type->optional = true;
		if (accept(parser, "?"))
			return fail_at(parser, parser->at - 1, "'?' twice");
	}
	type->kind = ARRAY;
	if (accept(parser, "[]"))
		return parse_type(parser, &type->element);
	type->kind = MAP;
	if (accept(parser, "[string]"))
		return parse_type(parser, &type->element);
	if (accept(parser, "("))
		return parse_fields(parser, type);
	return parse_named(parser, type);
}

/* What was built stays in *ret on failure too: its owner frees it. */
static int parse_type(struct parser *parser, struct type **ret)
{
	if (parser->depth >= TYPE_DEPTH_MAX)
		return fail_at(parser, parser->at, "types nested too deep");
	parser->depth++;
	*ret = memory_zero(1, sizeof(**ret));
	int done = parse_type_body(parser, *ret);
	parser->depth--;
	return done;
}

static int parse_struct(struct parser *parser, struct type **ret)
{
	skip(parser);
	const char *at = parser->at;
	if (*at != '(')
		return fail_at(parser, at, "expected '('");
	int done = parse_type(parser, ret);
	if (done >= 0 && (*ret)->kind != STRUCT)
		return fail_at(parser, at, "expected fields with types");
	return done;
}

static int parse_member_body(struct parser *parser, struct member *member)
{
	if (member->kind != MEMBER_TYPE) {
		int done = parse_struct(parser, &member->input);
		if (done < 0 || member->kind != MEMBER_METHOD)
			return done;
		done = expect(parser, "->");
		return done < 0 ? done : parse_struct(parser, &member->output);
	}
	skip(parser);
	if (*parser->at != '(')
		return fail_at(parser, parser->at, "expected '('");
	return parse_type(parser, &member->input);
}

static const struct member *find(const struct varlink_interface *interface, enum member_kind kind,
				 const char *name)
{
	for (size_t i = 0; i < interface->n_members; i++)
		if (interface->members[i].kind == kind && !strcmp(interface->members[i].name, name))
			return &interface->members[i];
	return NULL;
}

static int member_kind(struct parser *parser, enum member_kind *ret)
{
	skip(parser);
	const char *at = parser->at;
	AUTO_FREE char *text = NULL;
	int done = word(parser, "", "'type', 'method' or 'error'", &text);
	if (done < 0)
		return done;
	for (size_t i = 0; i < MEMBER_KINDS; i++)
		if (!strcmp(text, member_words[i])) {
			*ret = (enum member_kind)i;
			return 0;
		}
	return fail_at(parser, at, "expected 'type', 'method' or 'error', not '%.32s'", text);
}

static int parse_member(struct parser *parser, struct varlink_interface *interface)
{
	enum member_kind kind;
	int done = member_kind(parser, &kind);
	if (done < 0)
		return done;
	skip(parser);
	const char *at = parser->at;
	AUTO_FREE char *name = NULL;
	done = word(parser, "", "a name", &name);
	if (done < 0)
		return done;
	if (!isupper((unsigned char)*name))
		return fail_at(parser, at, "'%s' does not begin with a capital", name);
	for (size_t i = 0; i < MEMBER_KINDS; i++)
		if (find(interface, (enum member_kind)i, name))
			return fail_at(parser, at, "'%s' is there twice", name);
	size_t room = interface->n_members;
	interface->members = memory_grow(interface->members, &room, interface->n_members + 1,
					 sizeof(*interface->members));
	struct member *member = &interface->members[interface->n_members++];
	*member = (struct member){.kind = kind, .name = TAKE(name)};
	return parse_member_body(parser, member);
}

static int resolve(struct parser *parser, const struct varlink_interface *interface,
		   struct type *type)
{
	if (!type)
		return 0;
	if (type->kind == NAMED) {
		const struct member *member = find(interface, MEMBER_TYPE, type->name);
		if (!member)
			return fail_at(parser, type->at, "there is no type '%s'", type->name);
		type->named = member->input;
	}
	for (size_t i = 0; i < type->n_fields; i++) {
		int done = resolve(parser, interface, type->fields[i].type);
		if (done < 0)
			return done;
	}
	return resolve(parser, interface, type->element);
}

static int parse(struct parser *parser, struct varlink_interface *interface)
{
	int done = expect(parser, "interface");
	if (done < 0)
		return done;
	skip(parser);
	const char *at = parser->at;
	done = word(parser, ".-", "the interface's name", &interface->name);
	if (done < 0)
		return done;
	if (!strchr(interface->name, '.'))
		return fail_at(parser, at, "'%s' is not a name like io.lanyard", interface->name);
	for (skip(parser); *parser->at; skip(parser)) {
		done = parse_member(parser, interface);
		if (done < 0)
			return done;
	}
	for (size_t i = 0; i < interface->n_members && done >= 0; i++) {
		done = resolve(parser, interface, interface->members[i].input);
		if (done >= 0)
			done = resolve(parser, interface, interface->members[i].output);
	}
	return done;
}

int varlink_interface_new(const char *text, struct varlink_interface **ret, struct error *err)
{
	AUTO(varlink_interface)
	struct varlink_interface *interface = memory_zero(1, sizeof(*interface));
	interface->text = text_copy(text);
	struct parser parser = {.text = interface->text, .at = interface->text, .err = err};
	int done = parse(&parser, interface);
	if (done < 0)
		return done;
	*ret = TAKE(interface);
	return 0;
}

const char *varlink_interface_name(const struct varlink_interface *interface)
{
	return interface->name;
}

const char *varlink_interface_text(const struct varlink_interface *interface)
{
	return interface->text;
}

const char *varlink_interface_method(const struct varlink_interface *interface, size_t index)
{
	for (size_t i = 0; i < interface->n_members; i++)
		if (interface->members[i].kind == MEMBER_METHOD && index-- == 0)
			return interface->members[i].name;
	return NULL;
}

int varlink_interface_has_method(const struct varlink_interface *interface, const char *method)
{
	return find(interface, MEMBER_METHOD, method) != NULL;
}

/* The checker. */

struct check {
	char path[PATH_SIZE];
	struct error *err;
};

static int check_value(struct check *check, const struct type *type, const json_t *value);

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

static void list_names(const struct type *type, char *ret, size_t size)
{
	size_t used = 0;
	ret[0] = '\0';
	for (size_t i = 0; i < type->n_fields && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s", i ? ", " : "",
					 type->fields[i].name);
}

static void describe(const struct type *type, char *ret, size_t size)
{
	static const char *const names[] = {
		[BOOL] = "bool",     [INT] = "int",	  [FLOAT] = "float", [STRING] = "string",
		[OBJECT] = "object", [STRUCT] = "object", [ARRAY] = "array", [MAP] = "object",
	};
	if (type->kind == NAMED)
		return describe(type->named, ret, size);
	if (type->kind != ENUM) {
		snprintf(ret, size, "%s", names[type->kind]);
		return;
	}
	char list[200];
	list_names(type, list, sizeof(list));
	snprintf(ret, size, "one of %s", list);
}

static int wrong(struct check *check, const struct type *type, const json_t *value)
{
	char expected[256];
	describe(type, expected, sizeof(expected));
	if (json_is_string(value) && type->kind == ENUM)
		return error_set(check->err, EINVAL, "%s: expected %s, got '%.64s'", check->path,
				 expected, json_string_value(value));
	if (json_is_real(value) && type->kind == INT)
		return error_set(check->err, EINVAL, "%s: expected int, got %g", check->path,
				 json_real_value(value));
	return error_set(check->err, EINVAL, "%s: expected %s, got %s", check->path, expected,
			 got(value));
}

/* Checks a value one level deeper; the path is as before when it was good. */
static int descend(struct check *check, const struct type *type, const json_t *value,
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

static int check_array(struct check *check, const struct type *type, const json_t *value)
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

static int check_map(struct check *check, const struct type *type, const json_t *value)
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

static const struct field *find_field(const struct type *type, const char *name)
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

static int unknown_field(struct check *check, const struct type *type, const char *key)
{
	char known[200];
	list_names(type, known, sizeof(known));
	extend(check, key);
	return error_set(check->err, EINVAL, "%s: unknown field (%s%s)", check->path,
			 *known ? "there are: " : "there are none", known);
}

static int check_struct(struct check *check, const struct type *type, const json_t *value)
{
	const char *key;
	json_t *item;
	json_object_foreach ((json_t *)value, key, item) {
		const struct field *field = find_field(type, key);
		if (!field)
			return unknown_field(check, type, key);
		int done = descend(check, field->type, item, ".", key);
		if (done < 0)
			return done;
	}
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct field *field = &type->fields[i];
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

static bool has_shape(const struct type *type, const json_t *value)
{
	switch (type->kind) {
	case BOOL:
		return json_is_boolean(value);
	case INT:
		return json_is_integer(value);
	case FLOAT:
		return json_is_number(value);
	case STRING:
		return json_is_string(value);
	case ENUM:
		return json_is_string(value) && find_field(type, json_string_value(value));
	case ARRAY:
		return json_is_array(value);
	case OBJECT:
	case STRUCT:
	case MAP:
		return json_is_object(value);
	case NAMED:
		break;
	}
	return false;
}

static int check_value(struct check *check, const struct type *type, const json_t *value)
{
	if (type->optional && json_is_null(value))
		return 0;
	if (type->kind == NAMED)
		return check_value(check, type->named, value);
	if (!has_shape(type, value))
		return wrong(check, type, value);
	if (type->kind == STRUCT)
		return check_struct(check, type, value);
	if (type->kind == ARRAY)
		return check_array(check, type, value);
	return type->kind == MAP ? check_map(check, type, value) : 0;
}

static int check_parameters(const struct type *type, const json_t *parameters, char *field,
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
	const struct member *member = find(interface, MEMBER_METHOD, method);
	if (!member)
		return error_set(err, ENOENT, "there is no method %s.%.64s", interface->name,
				 method);
	return check_parameters(member->input, parameters, field, size, err);
}

int varlink_interface_check_reply(const struct varlink_interface *interface, const char *method,
				  const json_t *parameters, struct error *err)
{
	const struct member *member = find(interface, MEMBER_METHOD, method);
	if (!member)
		return error_set(err, ENOENT, "there is no method %s.%.64s", interface->name,
				 method);
	return check_parameters(member->output, parameters, NULL, 0, err);
}

int varlink_interface_check_error(const struct varlink_interface *interface, const char *error,
				  const json_t *parameters, struct error *err)
{
	const struct member *member = find(interface, MEMBER_ERROR, error);
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
