/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/schema_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/mac.h"
#include "model/name.h"
#include "model/vlan.h"

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit byte_units[] = {
	{"", 1},	   {"K", 1u << 10},   {"M", 1u << 20},
	{"G", 1u << 30},   {"T", 1ull << 40}, {"KiB", 1u << 10},
	{"MiB", 1u << 20}, {"GiB", 1u << 30}, {"TiB", 1ull << 40},
	{NULL, 0},
};

static const struct unit second_units[] = {
	{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0},
};

static const struct unit rate_units[] = {
	{"kbit", 1},	{"mbit", 1000},	   {"gbit", 1000000}, {"Kbit", 1},
	{"Mbit", 1000}, {"Gbit", 1000000}, {NULL, 0},
};

/* Decoders: from a scalar's text into the member. Their sentences get the place put in front. */

typedef int decoder(const struct schema_key *key, const char *text, void *member,
		    struct error *err);

static int decode_text(const struct schema_key *key, const char *text, void *member,
		       struct error *err)
{
	size_t length = strlen(text);
	if (length >= key->size)
		return error_set(err, EINVAL, "%s '%.40s...' is too long; at most %zu bytes",
				 key->key, text, key->size - 1);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return error_set(err, EINVAL, "%s holds a control character", key->key);
	memset(member, 0, key->size);
	memcpy(member, text, length);
	return 0;
}

static int decode_name(const struct schema_key *key, const char *text, void *member,
		       struct error *err)
{
	int r = name_check(text, strcmp(key->key, "name") != 0 ? key->key : NULL, err);
	return r < 0 ? r : decode_text(key, text, member, err);
}

static int decode_bool(const struct schema_key *key, const char *text, void *member,
		       struct error *err)
{
	static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no",
									       "off"};
	for (size_t i = 0; i < 3; i++) {
		if (!strcmp(text, yes[i]) || !strcmp(text, no[i])) {
			*(bool *)member = !strcmp(text, yes[i]);
			return 0;
		}
	}
	return error_set(err, EINVAL, "%s '%.64s' is neither true nor false", key->key, text);
}

/* Digits only: no sign, no space, no hexadecimal. Returns what follows, NULL when there is no
 * number. */
static const char *parse_number(const char *text, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	if (digits == 0)
		return NULL;
	errno = 0;
	*ret = strtoull(text, NULL, 10);
	if (errno == ERANGE)
		*ret = UINT64_MAX;
	return text + digits;
}

static int check_limits(const struct schema_key *key, const char *text, uint64_t value,
			const char *least, const char *most, struct error *err)
{
	if (value < key->min)
		return error_set(err, EINVAL, "%s %.40s is too small; at least %s", key->key, text,
				 least);
	if (key->max && value > key->max)
		return error_set(err, EINVAL, "%s %.40s is too large; at most %s", key->key, text,
				 most);
	return 0;
}

static int decode_count(const struct schema_key *key, const char *text, void *member,
			struct error *err)
{
	uint64_t value;
	char least[24], most[24];
	const char *rest = parse_number(text, &value);
	if (!rest || *rest)
		return error_set(err, EINVAL, "%s '%.64s' is not a whole number", key->key, text);
	snprintf(least, sizeof(least), "%" PRIu64, key->min);
	snprintf(most, sizeof(most), "%" PRIu64, key->max ? key->max : UINT32_MAX);
	int r = check_limits(key, text, value, least, most, err);
	if (r == 0 && value > UINT32_MAX)
		r = error_set(err, EINVAL, "%s %.40s is too large", key->key, text);
	if (r == 0)
		*(uint32_t *)member = (uint32_t)value;
	return r;
}

static const char *format_units(uint64_t value, const struct unit *units, char text[24])
{
	const struct unit *best = units;
	for (const struct unit *unit = units; unit->suffix; unit++)
		if (value && value % unit->factor == 0 && unit->factor > best->factor)
			best = unit;
	snprintf(text, 24, "%" PRIu64 "%s", value / best->factor, best->suffix);
	return text;
}

static int parse_units(const struct schema_key *key, const char *text, const struct unit *units,
		       const char *example, uint64_t *ret, struct error *err)
{
	uint64_t value = 0;
	const char *rest = parse_number(text, &value);
	const struct unit *unit = units;
	while (rest && unit->suffix && strcmp(rest, unit->suffix) != 0)
		unit++;
	if (!rest || !unit->suffix)
		return error_set(err, EINVAL, "%s '%.64s' is not understood; write it like %s",
				 key->key, text, example);
	*ret = value > UINT64_MAX / unit->factor ? UINT64_MAX : value * unit->factor;
	if (!unit->suffix[0] && *ret < key->min)
		return error_set(err, EINVAL, "%s %.40s has no unit; write it like %s", key->key,
				 text, example);
	char least[24], most[24];
	return check_limits(key, text, *ret, format_units(key->min, units, least),
			    format_units(key->max, units, most), err);
}

static int decode_bytes(const struct schema_key *key, const char *text, void *member,
			struct error *err)
{
	uint64_t value;
	int r = parse_units(key, text, byte_units, "256M or 1G", &value, err);
	if (r == 0)
		*(uint64_t *)member = value;
	return r;
}

static int decode_seconds(const struct schema_key *key, const char *text, void *member,
			  struct error *err)
{
	uint64_t value;
	int r = parse_units(key, text, second_units, "90s, 30m, 1h or 2d", &value, err);
	if (r == 0 && value > UINT32_MAX)
		r = error_set(err, EINVAL, "%s %.40s is too large", key->key, text);
	if (r == 0)
		*(uint32_t *)member = (uint32_t)value;
	return r;
}

static int decode_rate(const struct schema_key *key, const char *text, void *member,
		       struct error *err)
{
	uint64_t value = 0;
	int r = strcmp(text, "none") == 0 || strcmp(text, "0") == 0
			? 0
			: parse_units(key, text, rate_units, "500kbit, 10mbit, 1gbit or none",
				      &value, err);
	if (r == 0)
		*(uint32_t *)member = (uint32_t)value;
	return r;
}

static int decode_vlan(const struct schema_key *key, const char *text, void *member,
		       struct error *err)
{
	uint64_t value = 0;
	const char *rest = strcmp(text, "none") == 0 ? "" : parse_number(text, &value);
	if (!rest || *rest || value > VLAN_LAST || (!value && text[0] == '0' && text[1]))
		return error_set(err, EINVAL, "%s '%.64s' is no VLAN; write 1 to %d, or none",
				 key->key, text, VLAN_LAST);
	*(uint16_t *)member = (uint16_t)value;
	return 0;
}

static size_t count_words(const char *const *words)
{
	size_t n = 0;
	while (words[n])
		n++;
	return n;
}

static int find_word(const struct schema_key *key, const char *text, struct error *err)
{
	size_t n = count_words(key->words);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(text, key->words[i]))
			return (int)i;
	char list[256];
	const char *near = name_nearest(text, key->words, n);
	name_list(list, sizeof(list), key->words, n);
	if (near && n > 1)
		return error_set(err, EINVAL, "%s '%.64s' is unknown; did you mean '%s'? It is %s",
				 key->key, text, near, list);
	return error_set(err, EINVAL, "%s '%.64s' is unknown; it is %s", key->key, text, list);
}

static int decode_choice(const struct schema_key *key, const char *text, void *member,
			 struct error *err)
{
	int found = find_word(key, text, err);
	if (found >= 0)
		*(int *)member = found;
	return found < 0 ? found : 0;
}

static int decode_word(const struct schema_key *key, const char *text, void *member,
		       struct error *err)
{
	int found = find_word(key, text, err);
	return found < 0 ? found : decode_text(key, text, member, err);
}

static int decode_mac(const struct schema_key *key, const char *text, void *member,
		      struct error *err)
{
	(void)key;
	return mac_parse(text, member, err);
}

static int decode_address(const struct schema_key *key, const char *text, void *member,
			  struct error *err)
{
	struct ip ip;
	int r = ip_parse(text, &ip, err);
	if (r < 0)
		return r;
	/* min and max, where set, say which family: 4 or 6 */
	unsigned family = strchr(text, ':') ? 6 : 4;
	if (key->min && (family < key->min || family > key->max))
		return error_set(err, EINVAL, "%s '%s' is IPv%u; it has to be IPv%u", key->key,
				 text, family, family == 4 ? 6 : 4);
	*(struct ip *)member = ip;
	return 0;
}

/* Encoders: NULL leaves the key out. */

typedef json_t *encoder(const struct schema_key *key, const void *member);

static json_t *encode_text(const struct schema_key *key, const void *member)
{
	const char *text = member;
	(void)key;
	return text[0] ? json_string(text) : NULL;
}

static json_t *encode_bool(const struct schema_key *key, const void *member)
{
	bool value = *(const bool *)member;
	return (key->read_only || key->if_true) && !value ? NULL : json_boolean(value);
}

/* Zero, where it is below the least one, stands for "not given". */
static json_t *encode_count(const struct schema_key *key, const void *member)
{
	uint32_t value = *(const uint32_t *)member;
	return !value && (key->min > 0 || key->read_only) ? NULL : json_integer(value);
}

static json_t *encode_bytes(const struct schema_key *key, const void *member)
{
	char text[24];
	(void)key;
	return json_string(format_units(*(const uint64_t *)member, byte_units, text));
}

static json_t *encode_seconds(const struct schema_key *key, const void *member)
{
	char text[24];
	(void)key;
	return json_string(format_units(*(const uint32_t *)member, second_units, text));
}

static json_t *encode_rate(const struct schema_key *key, const void *member)
{
	char text[24];
	uint32_t rate = *(const uint32_t *)member;
	(void)key;
	return rate ? json_string(format_units(rate, rate_units, text)) : NULL;
}

static json_t *encode_vlan(const struct schema_key *key, const void *member)
{
	uint16_t vlan = *(const uint16_t *)member;
	(void)key;
	return vlan ? json_integer(vlan) : NULL;
}

static json_t *encode_choice(const struct schema_key *key, const void *member)
{
	int value = *(const int *)member;
	if (value < 0 || (size_t)value >= count_words(key->words))
		return NULL;
	return json_string(key->words[value]);
}

static json_t *encode_mac(const struct schema_key *key, const void *member)
{
	char text[MAC_TEXT_SIZE];
	(void)key;
	return mac_is_set(member) ? json_string(mac_format(member, text)) : NULL;
}

static json_t *encode_address(const struct schema_key *key, const void *member)
{
	char text[IP_TEXT_SIZE];
	(void)key;
	return ip_is_set(member) ? json_string(ip_format(member, text)) : NULL;
}

static const struct {
	decoder *decode;
	encoder *encode;
} types[] = {
	[SCHEMA_NAME] = {decode_name, encode_text},
	[SCHEMA_TEXT] = {decode_text, encode_text},
	[SCHEMA_BOOL] = {decode_bool, encode_bool},
	[SCHEMA_COUNT] = {decode_count, encode_count},
	[SCHEMA_BYTES] = {decode_bytes, encode_bytes},
	[SCHEMA_SECONDS] = {decode_seconds, encode_seconds},
	[SCHEMA_RATE] = {decode_rate, encode_rate},
	[SCHEMA_VLAN] = {decode_vlan, encode_vlan},
	[SCHEMA_CHOICE] = {decode_choice, encode_choice},
	[SCHEMA_WORD] = {decode_word, encode_text},
	[SCHEMA_MAC] = {decode_mac, encode_mac},
	[SCHEMA_ADDRESS] = {decode_address, encode_address},
};

int schema_value_decode(const struct schema_key *key, const char *text, void *member,
			struct error *err)
{
	return types[key->type].decode(key, text, member, err);
}

json_t *schema_value_encode(const struct schema_key *key, const void *member)
{
	return types[key->type].encode(key, member);
}
