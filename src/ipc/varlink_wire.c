/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Varlink messages: bounded reading, strict decoding, encoding. Everything that comes in here may
 * be hostile; see the header for what is refused and when.
 */
#include "ipc/varlink_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"

#define CHUNK_MIN   4096u
#define CHUNK_MAX   (256u * 1024)
#define BUFFER_KEEP (64u * 1024) /* a larger buffer is given back after its message */

void varlink_message_done(struct varlink_message *message)
{
	free(message->method);
	free(message->error);
	json_decref(message->parameters);
	descriptor_close_all(message->fds, message->n_fds);
	*message = (struct varlink_message){0};
}

int varlink_message_take_fd(struct varlink_message *message, int64_t index)
{
	if (index < 0 || (uint64_t)index >= message->n_fds || message->fds[index] < 0)
		return -ENOENT;
	return TAKE_FD(message->fds[index]);
}

/* Decoding: one function per key, so that what is no key is refused. */

static int decode_name(const char *key, json_t *value, char **ret, struct error *err)
{
	const char *text = json_string_value(value);
	if (!text)
		return error_set(err, EBADMSG, "message: '%s' is not a string", key);
	size_t length = strlen(text);
	const char *last = strrchr(text, '.');
	if (length > VARLINK_NAME_MAX || !last || last == text || !last[1] ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") !=
		    length)
		return error_set(err, EBADMSG,
				 "message: '%s' is not a name like io.lanyard.GetVersion", key);
	*ret = text_copy(text);
	return 0;
}

static int decode_bool(const char *key, json_t *value, bool *ret, struct error *err)
{
	if (!json_is_boolean(value))
		return error_set(err, EBADMSG, "message: '%s' is not true or false", key);
	*ret = json_is_true(value);
	return 0;
}

static int decode_key(const char *key, json_t *value, struct varlink_message *ret,
		      struct error *err)
{
	const struct {
		const char *key;
		bool *value;
	} flags[] = {
		{"more", &ret->more},
		{"oneway", &ret->oneway},
		{"upgrade", &ret->upgrade},
		{"continues", &ret->continues},
	};
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (!strcmp(key, flags[i].key))
			return decode_bool(key, value, flags[i].value, err);
	if (!strcmp(key, "method"))
		return decode_name(key, value, &ret->method, err);
	if (!strcmp(key, "error"))
		return decode_name(key, value, &ret->error, err);
	if (strcmp(key, "parameters"))
		return error_set(err, EBADMSG, "message: unknown key '%.64s'", key);
	if (json_is_object(value))
		ret->parameters = json_incref(value);
	else if (!json_is_null(value))
		return error_set(err, EBADMSG, "message: 'parameters' is not an object");
	return 0;
}

static int decode_object(json_t *object, struct varlink_message *ret, struct error *err)
{
	const char *key;
	json_t *value;
	json_object_foreach (object, key, value) {
		int done = decode_key(key, value, ret, err);
		if (done < 0)
			return done;
	}
	if (!ret->parameters)
		ret->parameters = json_object();
	if (ret->method && (ret->error || ret->continues))
		return error_set(err, EBADMSG, "message: both call and reply");
	if (!ret->method && (ret->more || ret->oneway || ret->upgrade))
		return error_set(err, EBADMSG, "message: a call without 'method'");
	if (ret->more && ret->oneway)
		return error_set(err, EBADMSG, "message: both 'more' and 'oneway'");
	return 0;
}

int varlink_message_decode(const char *text, size_t length, struct varlink_message *ret,
			   struct error *err)
{
	*ret = (struct varlink_message){0};
	json_error_t where;
	json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
	if (!object)
		return error_set(err, EBADMSG, "message: byte %d: %.200s", where.position,
				 where.text);
	int done = json_is_object(object) ? decode_object(object, ret, err)
					  : error_set(err, EBADMSG, "message: not a JSON object");
	json_decref(object);
	if (done < 0)
		varlink_message_done(ret);
	return done;
}

/* Encoding. */

static int encode(json_t *message, size_t max, char **ret, size_t *ret_length, struct error *err)
{
	char *text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	if (!text)
		return error_set(err, EINVAL, "message: cannot be written as JSON");
	size_t length = strlen(text) + 1;
	if (length > max) {
		free(text);
		return error_set(err, EMSGSIZE, "message: %zu bytes, at most %zu are allowed",
				 length, max);
	}
	*ret = text;
	*ret_length = length;
	return 0;
}

static json_t *envelope(const char *key, const char *name, json_t *parameters)
{
	json_t *message = json_object();
	if (key)
		json_object_set_new(message, key, json_string(name));
	if (parameters)
		json_object_set(message, "parameters", parameters);
	else
		json_object_set_new(message, "parameters", json_object());
	return message;
}

int varlink_encode_call(const char *method, json_t *parameters, unsigned flags, char **ret,
			size_t *ret_length, struct error *err)
{
	json_t *message = envelope("method", method, parameters);
	if (flags & VARLINK_MORE)
		json_object_set_new(message, "more", json_true());
	if (flags & VARLINK_ONEWAY)
		json_object_set_new(message, "oneway", json_true());
	return encode(message, VARLINK_CALL_MAX, ret, ret_length, err);
}

int varlink_encode_reply(json_t *parameters, unsigned flags, char **ret, size_t *ret_length,
			 struct error *err)
{
	json_t *message = envelope(NULL, NULL, parameters);
	if (flags & VARLINK_CONTINUES)
		json_object_set_new(message, "continues", json_true());
	return encode(message, VARLINK_REPLY_MAX, ret, ret_length, err);
}

int varlink_encode_error(const char *name, json_t *parameters, char **ret, size_t *ret_length,
			 struct error *err)
{
	return encode(envelope("error", name, parameters), VARLINK_REPLY_MAX, ret, ret_length, err);
}

/* How many bytes the UTF-8 character takes, 1 for one that is none or not printable. */
static size_t character(const unsigned char *text, bool *ret_good)
{
	*ret_good = *text >= 0x20 && *text < 0x7f;
	if (*text < 0xc2 || *text > 0xf4)
		return 1;
	size_t length = *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 1;
	/* C1 controls, overlong forms, surrogates, beyond U+10FFFF (RFC 3629, section 4). */
	if ((text[0] == 0xc2 && text[1] < 0xa0) || (text[0] == 0xe0 && text[1] < 0xa0) ||
	    (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf0 && text[1] < 0x90) ||
	    (text[0] == 0xf4 && text[1] > 0x8f))
		return 1;
	*ret_good = true;
	return length;
}

json_t *varlink_string(const char *text)
{
	AUTO_FREE char *copy = text_copy(text);
	for (size_t i = 0; copy[i];) {
		bool good;
		size_t length = character((const unsigned char *)copy + i, &good);
		if (!good)
			copy[i] = '?';
		i += length;
	}
	return json_string(copy);
}

/* The reader. */

void varlink_reader_init(struct varlink_reader *reader, size_t max_bytes)
{
	*reader = (struct varlink_reader){.max_bytes = max_bytes, .max_values = VARLINK_VALUES_MAX};
	if (max_bytes > VARLINK_CALL_MAX)
		reader->max_values *= 16;
}

void varlink_reader_done(struct varlink_reader *reader)
{
	free(reader->buffer);
	descriptor_close_all(reader->fds, reader->n_fds);
	*reader = (struct varlink_reader){0};
}

static int keep_fds(struct varlink_reader *reader, const int *fds, size_t n_fds, struct error *err)
{
	if (n_fds > DESCRIPTORS_MAX - reader->n_fds) {
		descriptor_close_all(fds, n_fds);
		return error_set(err, EBADMSG, "message: more than %d descriptors",
				 DESCRIPTORS_MAX);
	}
	if (n_fds > 0)
		memcpy(reader->fds + reader->n_fds, fds, n_fds * sizeof(*fds));
	reader->n_fds += n_fds;
	return 0;
}

/* Counts what a byte outside strings opens, closes or separates. */
static int count_byte(struct varlink_reader *reader, char byte, struct error *err)
{
	switch (byte) {
	case '"':
		reader->in_string = true;
		return 0;
	case '{':
	case '[':
		reader->values++;
		if (++reader->depth > VARLINK_DEPTH_MAX)
			return error_set(err, EBADMSG, "message: nested deeper than %d levels",
					 VARLINK_DEPTH_MAX);
		break;
	case '}':
	case ']':
		if (reader->depth > 0)
			reader->depth--;
		return 0;
	case ',':
	case ':':
		reader->values++;
		break;
	}
	if (reader->values > reader->max_values)
		return error_set(err, EBADMSG, "message: more than %zu values", reader->max_values);
	return 0;
}

/* Counts bytes up to the end of the message. Returns how many belong to it. */
static ssize_t count_bytes(struct varlink_reader *reader, const char *data, size_t length,
			   struct error *err)
{
	for (size_t i = 0; i < length; i++) {
		char byte = data[i];
		if (byte == '\0') {
			reader->complete = true;
			return (ssize_t)i + 1;
		}
		if (!reader->in_string) {
			int done = count_byte(reader, byte, err);
			if (done < 0)
				return done;
		} else if (reader->escaped) {
			reader->escaped = false;
		} else if (byte == '\\') {
			reader->escaped = true;
		} else if (byte == '"') {
			reader->in_string = false;
		}
	}
	return (ssize_t)length;
}

static int check_length(const struct varlink_reader *reader, struct error *err)
{
	if (reader->used > reader->max_bytes ||
	    (reader->used == reader->max_bytes && !reader->complete))
		return error_set(err, EMSGSIZE, "message: longer than %zu bytes",
				 reader->max_bytes);
	return 0;
}

ssize_t varlink_reader_feed(struct varlink_reader *reader, const char *data, size_t length,
			    const int *fds, size_t n_fds, struct error *err)
{
	int done = keep_fds(reader, fds, n_fds, err);
	if (done < 0)
		return done;
	if (reader->complete)
		return 0;
	ssize_t taken = count_bytes(reader, data, length, err);
	if (taken <= 0)
		return taken;
	if ((size_t)taken > reader->max_bytes - reader->used)
		return error_set(err, EMSGSIZE, "message: longer than %zu bytes",
				 reader->max_bytes);
	reader->buffer =
		memory_grow(reader->buffer, &reader->room, reader->used + (size_t)taken, 1);
	memcpy(reader->buffer + reader->used, data, (size_t)taken);
	reader->used += (size_t)taken;
	done = check_length(reader, err);
	return done < 0 ? done : taken;
}

/* Makes room for the next receive: as much as was received so far, within limits. */
static size_t make_room(struct varlink_reader *reader)
{
	size_t chunk = reader->used;
	if (chunk < CHUNK_MIN)
		chunk = CHUNK_MIN;
	if (chunk > CHUNK_MAX)
		chunk = CHUNK_MAX;
	if (chunk > reader->max_bytes - reader->used)
		chunk = reader->max_bytes - reader->used;
	reader->buffer = memory_grow(reader->buffer, &reader->room, reader->used + chunk, 1);
	return chunk;
}

int varlink_reader_receive(struct varlink_reader *reader, int socket, struct error *err)
{
	if (reader->complete)
		return 1;
	size_t room = make_room(reader);
	char *tail = reader->buffer + reader->used;
	ssize_t seen = recv(socket, tail, room, MSG_PEEK | MSG_DONTWAIT);
	if (seen == 0)
		return 0;
	if (seen < 0)
		return errno == EAGAIN || errno == EINTR
			       ? -EAGAIN
			       : error_errno(err, errno, "receiving a message");
	const char *end = memchr(tail, '\0', (size_t)seen);
	size_t wanted = end ? (size_t)(end - tail) + 1 : (size_t)seen, n_fds = DESCRIPTORS_MAX;
	int fds[DESCRIPTORS_MAX];
	ssize_t got = descriptor_receive(socket, tail, wanted, fds, &n_fds, MSG_DONTWAIT);
	if (got < 0)
		return got == -EAGAIN ? -EAGAIN : error_errno(err, (int)got, "receiving a message");
	if (got == 0)
		return 0;
	int done = keep_fds(reader, fds, n_fds, err);
	if (done < 0)
		return done;
	ssize_t counted = count_bytes(reader, tail, (size_t)got, err);
	if (counted < 0)
		return (int)counted;
	reader->used += (size_t)got;
	done = check_length(reader, err);
	return done < 0 ? done : 1;
}

int varlink_reader_next(struct varlink_reader *reader, struct varlink_message *ret,
			struct error *err)
{
	if (!reader->complete)
		return 0;
	int done = varlink_message_decode(reader->buffer, reader->used - 1, ret, err);
	if (done < 0) {
		descriptor_close_all(reader->fds, reader->n_fds);
	} else {
		memcpy(ret->fds, reader->fds, sizeof(reader->fds));
		ret->n_fds = reader->n_fds;
	}
	if (reader->room > BUFFER_KEEP) {
		free(reader->buffer);
		reader->buffer = NULL;
		reader->room = 0;
	}
	reader->used = reader->depth = reader->values = reader->n_fds = 0;
	reader->in_string = reader->escaped = reader->complete = false;
	return done < 0 ? done : 1;
}

/* sun_path holds 107 bytes; a deeper directory is entered by way of its descriptor (proc(5)). */
int varlink_address(const char *path, struct sockaddr_un *ret, int *ret_directory,
		    struct error *err)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	*ret_directory = -1;
	if (strlen(path) < sizeof(ret->sun_path)) {
		strcpy(ret->sun_path, path);
		return 0;
	}
	AUTO_FREE char *copy = text_copy(path);
	AUTO_FREE char *other = text_copy(path);
	const char *name = basename(copy);
	int directory = open(dirname(other), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return error_errno(err, errno, "%s", path);
	int length = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s",
			      directory, name);
	if (length < 0 || (size_t)length >= sizeof(ret->sun_path)) {
		close(directory);
		return error_set(err, ENAMETOOLONG, "%s: the file name is too long for a socket",
				 path);
	}
	*ret_directory = directory;
	return 0;
}
