/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/dhcp_extra.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define DIGITS	   "0123456789"
#define NUMBER_MIN 1u
#define NUMBER_MAX 254u
#define VALUE_MAX  255u /* an option's length is one byte */

/* Options that others of our keys or the protocol itself say. */
static const struct {
	unsigned first, last;
	const char *instead;
} owned[] = {
	{0, 0, "it is the padding between options"},
	{1, 1, "it follows from 'ipv4'"},
	{3, 3, "it is the gateway's address, which 'ipv4' says"},
	{6, 6, "use 'forwarders', with 'dns: false' to have machines ask them directly"},
	{12, 12, "use 'reservations'"},
	{15, 15, "use 'domain'"},
	{26, 26, "use 'mtu'"},
	{28, 28, "it follows from 'ipv4'"},
	{42, 42, "use 'ntp'"},
	{50, 50, "the protocol itself has it"},
	{51, 51, "use 'lease'"},
	{52, 57, "the protocol itself has it"},
	{58, 59, "it follows from 'lease'"},
	{61, 61, "the protocol itself has it"},
	{66, 66, "use 'tftp'"},
	{67, 67, "use 'boot'"},
	{80, 82, "the protocol itself has it"},
	{90, 90, "the protocol itself has it"},
	{118, 118, "the protocol itself has it"},
	{119, 119, "use 'domain'"},
	{255, 255, "it ends the options"},
};

static const char *instead_of(unsigned number)
{
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		if (number >= owned[i].first && number <= owned[i].last)
			return owned[i].instead;
	return NULL;
}

/* Between quotes dnsmasq takes nothing but these two for its own. */
static bool is_quotable(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
			return false;
	return true;
}

static bool is_quoted(const char *value, size_t length)
{
	return length >= 2 && value[0] == '"' && value[length - 1] == '"';
}

/* ADDRESS or ADDRESS/LENGTH, IPv4, or several of them. */
static bool is_addresses(const char *value)
{
	while (true) {
		char item[IP_TEXT_SIZE];
		size_t length = strcspn(value, ",");
		struct ip ip;
		if (length >= sizeof(item))
			return false;
		memcpy(item, value, length);
		item[length] = '\0';
		int r = strchr(item, '/') ? ip_parse_prefix(item, &ip, NULL)
					  : ip_parse(item, &ip, NULL);
		if (r < 0 || ip.family != AF_INET)
			return false;
		if (!value[length])
			return true;
		value += length + 1;
	}
}

static bool is_number(const char *value)
{
	size_t length = strlen(value);
	return length && length <= 10 && strspn(value, DIGITS) == length &&
	       strtoull(value, NULL, 10) <= UINT32_MAX;
}

/* 01:ff:20 */
static bool is_hex(const char *value)
{
	size_t count = 0;
	for (;; count++) {
		size_t digits = strspn(value, DIGITS "abcdefABCDEF");
		if (digits < 1 || digits > 2)
			return false;
		if (!value[digits])
			return count > 0;
		if (value[digits] != ':')
			return false;
		value += digits + 1;
	}
}

static bool is_value(const char *value, size_t length)
{
	if (!length || length > VALUE_MAX)
		return false;
	return is_quoted(value, length) ? length > 2 && is_quotable(value + 1, length - 2)
					: is_quotable(value, length);
}

static bool is_text(const char *value, size_t length)
{
	char copy[VALUE_MAX + 1];
	snprintf(copy, sizeof(copy), "%.*s", (int)length, value);
	return !is_quoted(copy, length) && !is_addresses(copy) && !is_number(copy) && !is_hex(copy);
}

/* One to three digits, without a zero in front; 0 is none. */
static unsigned parse_number(const char *text, size_t digits)
{
	if (digits < 1 || digits > 3 || text[0] == '0' || strspn(text, DIGITS) < digits)
		return 0;
	unsigned number = (unsigned)strtoul(text, NULL, 10);
	return number >= NUMBER_MIN && number <= NUMBER_MAX ? number : 0;
}

bool dhcp_option_next(const char **position, struct dhcp_option *ret)
{
	const char *line = *position, *end = strchr(line, '\n');
	size_t digits = strspn(line, DIGITS);
	if (!end || line[digits] != ' ')
		return false;
	const char *value = line + digits + 1;
	size_t length = (size_t)(end - value);
	unsigned number = parse_number(line, digits);
	if (!number || !is_value(value, length))
		return false;
	*ret = (struct dhcp_option){number, value, length, is_text(value, length)};
	*position = end + 1;
	return true;
}

bool dhcp_boot_is_valid(const char *boot)
{
	return is_quotable(boot, strlen(boot));
}

bool dhcp_options_are_valid(const char *options)
{
	struct dhcp_option option;
	unsigned before = 0;
	while (dhcp_option_next(&options, &option)) {
		if (option.number <= before || instead_of(option.number))
			return false;
		before = option.number;
	}
	return !*options;
}

int dhcp_extra_check(const struct dhcp_extra *extra, struct error *err)
{
	char text[IP_TEXT_SIZE];
	if (!dhcp_boot_is_valid(extra->boot))
		return error_set(
			err, EINVAL,
			"boot has to be the name of a file, of ASCII characters without quotes "
			"and backslashes");
	if (ip_is_set(&extra->tftp) && extra->tftp.family != AF_INET)
		return error_set(err, EINVAL,
				 "tftp %s is not IPv4, and DHCP for IPv4 is what tells of it",
				 ip_format(&extra->tftp, text));
	return 0;
}

bool dhcp_extra_equal(const struct dhcp_extra *a, const struct dhcp_extra *b)
{
	bool same = !strcmp(a->boot, b->boot) && !strcmp(a->options, b->options) &&
		    ip_compare(&a->tftp, &b->tftp) == 0;
	for (size_t i = 0; same && i < DHCP_NTP; i++)
		same = ip_compare(&a->ntp[i], &b->ntp[i]) == 0;
	return same;
}

/* Decoding */

/* A list is its items with commas between. */
static char *value_of(const struct node *node)
{
	if (node->kind == NODE_SCALAR)
		return text_copy(node->text);
	char *value = NULL;
	for (size_t i = 0; node->kind == NODE_LIST && i < node->n_children; i++) {
		const struct node *item = node->children[i];
		AUTO_FREE char *before = value;
		value = item->kind == NODE_SCALAR ? text_format("%s%s%s", before ? before : "",
								before ? "," : "", item->text)
						  : NULL;
		if (!value)
			break;
	}
	return value;
}

static int decode_number(const struct node *node, unsigned *ret, struct error *err)
{
	size_t digits = strlen(node->key);
	unsigned number = parse_number(node->key, digits);
	const char *instead = instead_of(number ? number : (unsigned)atoi(node->key));
	if (strspn(node->key, DIGITS) == digits && instead && digits <= 3)
		return node_error(node, err, EINVAL, "option %s is not to be written here: %s",
				  node->key, instead);
	if (!number)
		return node_error(node, err, EINVAL,
				  "'%.64s' is no number of a DHCP option; it is from %u to %u",
				  node->key, NUMBER_MIN, NUMBER_MAX);
	*ret = number;
	return 0;
}

static int decode_option(const struct node *node, char *values[NUMBER_MAX + 1], struct error *err)
{
	unsigned number = 0;
	int r = decode_number(node, &number, err);
	if (r < 0)
		return r;
	AUTO_FREE char *value = value_of(node);
	if (!value || !*value)
		return node_error(node, err, EINVAL,
				  "option %u needs a value: a text, a number, bytes like 01:ff:20, "
				  "or IPv4 addresses",
				  number);
	if (!is_value(value, strlen(value)))
		return node_error(node, err, EINVAL,
				  "the value of option %u has to be of up to %u ASCII characters, "
				  "without backslashes, and without quotes but around all of it",
				  number, VALUE_MAX);
	values[number] = text_copy(value);
	return 0;
}

static int join(const struct node *node, char *const values[NUMBER_MAX + 1],
		char ret[DHCP_OPTIONS_SIZE], struct error *err)
{
	size_t used = 0;
	for (unsigned i = NUMBER_MIN; i <= NUMBER_MAX; i++) {
		if (!values[i])
			continue;
		used += (size_t)snprintf(ret + used, DHCP_OPTIONS_SIZE - used, "%u %s\n", i,
					 values[i]);
		if (used >= DHCP_OPTIONS_SIZE)
			return node_error(node, err, EINVAL,
					  "the options are too long; together at most %d bytes",
					  DHCP_OPTIONS_SIZE - 1);
	}
	return 0;
}

int dhcp_options_decode(const struct node *node, char ret[DHCP_OPTIONS_SIZE], struct error *err)
{
	char *values[NUMBER_MAX + 1] = {NULL}, found[DHCP_OPTIONS_SIZE] = "";
	char text[NODE_DESCRIBE_SIZE];
	int r = 0;
	if (node->kind != NODE_NULL && node->kind != NODE_MAP)
		return node_error(node, err, EINVAL,
				  "options: %s is no map; write it like { 150: 10.20.0.5 }",
				  node_describe(node, text));
	for (size_t i = 0; r == 0 && i < node->n_children; i++)
		r = decode_option(node->children[i], values, err);
	if (r == 0)
		r = join(node, values, found, err);
	for (unsigned i = NUMBER_MIN; i <= NUMBER_MAX; i++)
		free(values[i]);
	if (r < 0)
		return r;
	memset(ret, 0, DHCP_OPTIONS_SIZE);
	memcpy(ret, found, strlen(found));
	return 0;
}

json_t *dhcp_options_encode(const char *options)
{
	struct dhcp_option option;
	if (!*options)
		return NULL;
	json_t *json = json_object();
	while (dhcp_option_next(&options, &option)) {
		char key[4];
		snprintf(key, sizeof(key), "%u", option.number % 1000);
		json_object_set_new(json, key, json_stringn(option.value, option.length));
	}
	return json;
}
