/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser of the Varlink interface definition language: recursive descent over the text. */
#include "ipc/varlink_idl.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "ipc/varlink_interface.h"

#define TYPE_DEPTH_MAX 32 /* of a text; a JSON value is bounded by the reader */

static const char *const member_words[IDL_MEMBER_KINDS] = {"type", "method", "error"};

static const struct {
	const char *word;
	enum idl_kind kind;
} scalar_words[] = {
	{"bool", IDL_BOOL},	{"int", IDL_INT},	{"float", IDL_FLOAT},
	{"string", IDL_STRING}, {"object", IDL_OBJECT},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void type_free(struct idl_type *type)
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

static int parse_type(struct parser *parser, struct idl_type **ret);

static int add_field(struct parser *parser, struct idl_type *type, char *name, const char *at)
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
static int parse_field(struct parser *parser, struct idl_type *type)
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
		type->kind = typed ? IDL_STRUCT : IDL_ENUM;
	if (typed != (type->kind == IDL_STRUCT))
		return fail_at(parser, parser->at, "fields with and without a type");
	return typed ? parse_type(parser, &type->fields[type->n_fields - 1].type) : 0;
}

/* What stands in parentheses; the opening one is consumed. */
static int parse_fields(struct parser *parser, struct idl_type *type)
{
	type->kind = IDL_STRUCT;
	if (accept(parser, ")"))
		return 0;
	do {
		int done = parse_field(parser, type);
		if (done < 0)
			return done;
	} while (accept(parser, ","));
	return expect(parser, ")");
}

static int parse_named(struct parser *parser, struct idl_type *type)
{
	skip(parser);
	type->at = parser->at;
	type->kind = IDL_NAMED;
	int done = word(parser, "", "a type", &type->name);
	if (done < 0)
		return done;
	for (size_t i = 0; i < COUNT(scalar_words); i++)
		if (!strcmp(type->name, scalar_words[i].word))
			type->kind = scalar_words[i].kind;
	if (type->kind == IDL_NAMED && !isupper((unsigned char)*type->name))
		return fail_at(parser, type->at, "'%s' is not a type", type->name);
	return 0;
}

static int parse_type_body(struct parser *parser, struct idl_type *type)
{
	if (accept(parser, "?")) {
		type->optional = true;
		if (accept(parser, "?"))
			return fail_at(parser, parser->at - 1, "'?' twice");
	}
	type->kind = IDL_ARRAY;
	if (accept(parser, "[]"))
		return parse_type(parser, &type->element);
	type->kind = IDL_MAP;
	if (accept(parser, "[string]"))
		return parse_type(parser, &type->element);
	if (accept(parser, "("))
		return parse_fields(parser, type);
	return parse_named(parser, type);
}

/* What was built stays in *ret on failure too: its owner frees it. */
static int parse_type(struct parser *parser, struct idl_type **ret)
{
	if (parser->depth >= TYPE_DEPTH_MAX)
		return fail_at(parser, parser->at, "types nested too deep");
	parser->depth++;
	*ret = memory_zero(1, sizeof(**ret));
	int done = parse_type_body(parser, *ret);
	parser->depth--;
	return done;
}

static int parse_struct(struct parser *parser, struct idl_type **ret)
{
	skip(parser);
	const char *at = parser->at;
	if (*at != '(')
		return fail_at(parser, at, "expected '('");
	int done = parse_type(parser, ret);
	if (done >= 0 && (*ret)->kind != IDL_STRUCT)
		return fail_at(parser, at, "expected fields with types");
	return done;
}

static int parse_member_body(struct parser *parser, struct idl_member *member)
{
	if (member->kind != IDL_MEMBER_TYPE) {
		int done = parse_struct(parser, &member->input);
		if (done < 0 || member->kind != IDL_MEMBER_METHOD)
			return done;
		done = expect(parser, "->");
		return done < 0 ? done : parse_struct(parser, &member->output);
	}
	skip(parser);
	if (*parser->at != '(')
		return fail_at(parser, parser->at, "expected '('");
	return parse_type(parser, &member->input);
}

const struct idl_member *varlink_idl_find(const struct varlink_interface *interface,
					  enum idl_member_kind kind, const char *name)
{
	for (size_t i = 0; i < interface->n_members; i++)
		if (interface->members[i].kind == kind && !strcmp(interface->members[i].name, name))
			return &interface->members[i];
	return NULL;
}

static int member_kind(struct parser *parser, enum idl_member_kind *ret)
{
	skip(parser);
	const char *at = parser->at;
	AUTO_FREE char *text = NULL;
	int done = word(parser, "", "'type', 'method' or 'error'", &text);
	if (done < 0)
		return done;
	for (size_t i = 0; i < IDL_MEMBER_KINDS; i++)
		if (!strcmp(text, member_words[i])) {
			*ret = (enum idl_member_kind)i;
			return 0;
		}
	return fail_at(parser, at, "expected 'type', 'method' or 'error', not '%.32s'", text);
}

static int parse_member(struct parser *parser, struct varlink_interface *interface)
{
	enum idl_member_kind kind = IDL_MEMBER_TYPE;
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
	for (size_t i = 0; i < IDL_MEMBER_KINDS; i++)
		if (varlink_idl_find(interface, (enum idl_member_kind)i, name))
			return fail_at(parser, at, "'%s' is there twice", name);
	size_t room = interface->n_members;
	interface->members = memory_grow(interface->members, &room, interface->n_members + 1,
					 sizeof(*interface->members));
	struct idl_member *member = &interface->members[interface->n_members++];
	*member = (struct idl_member){.kind = kind, .name = TAKE(name)};
	return parse_member_body(parser, member);
}

static int resolve(struct parser *parser, const struct varlink_interface *interface,
		   struct idl_type *type)
{
	if (!type)
		return 0;
	if (type->kind == IDL_NAMED) {
		const struct idl_member *member =
			varlink_idl_find(interface, IDL_MEMBER_TYPE, type->name);
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
		if (interface->members[i].kind == IDL_MEMBER_METHOD && index-- == 0)
			return interface->members[i].name;
	return NULL;
}

int varlink_interface_has_method(const struct varlink_interface *interface, const char *method)
{
	return varlink_idl_find(interface, IDL_MEMBER_METHOD, method) != NULL;
}
