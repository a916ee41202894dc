/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records between broker and executor. Whatever arrives is checked here once, completely: size,
 * type, terminated texts, the object. Nothing here knows what a record does.
 */
#include "ipc/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "model/name.h"
#include "model/plan.h"

static const char boot_id_path[] = "/proc/sys/kernel/random/boot_id";

/* What a type's body must satisfy. */
static int check_nothing(const struct record *record, struct error *err)
{
	(void)record;
	(void)err;
	return 0;
}

static int check_object(const struct record *record, struct error *err)
{
	return object_check(&record->object, err);
}

static int check_apply(const struct record *record, struct error *err)
{
	if (record->code < PLAN_CREATE || record->code > PLAN_DELETE)
		return error_set(err, EBADMSG, "unknown verb %d", record->code);
	if (record->index >= RECORD_BATCH_MAX)
		return error_set(err, EBADMSG, "operation number %u is beyond the limit of %u",
				 record->index, RECORD_BATCH_MAX);
	/* These the executor makes itself: their bodies are the kernel's own messages. */
	if (record->object.kind >= OBJECT_HOST_LINK || record->object.kind == OBJECT_MEMBER)
		return error_set(err, EBADMSG, "an object of the kind %u is not for sending",
				 record->object.kind);
	return object_check(&record->object, err);
}

static int check_commit_to(const struct record *record, struct error *err)
{
	if (record->text[0] && !name_is_interface(record->text))
		return error_set(err, EBADMSG, "what may follow is no interface's name");
	return check_apply(record, err);
}

static int check_uplink(const struct record *record, struct error *err)
{
	if (record->object.kind != OBJECT_UPLINK)
		return error_set(err, EBADMSG, "no uplink");
	return object_check(&record->object, err);
}

static int check_connect(const struct record *record, struct error *err)
{
	const struct object_address *target = &record->object.address;
	if (record->object.kind != OBJECT_ADDRESS ||
	    (target->address.family != AF_INET && target->address.family != AF_INET6) ||
	    !memchr(target->ifname, '\0', sizeof(target->ifname)))
		return error_set(err, EBADMSG, "no address to connect to");
	if (record->code < 1 || record->code > 65535)
		return error_set(err, EBADMSG, "TCP port %d is not between 1 and 65535",
				 record->code);
	return 0;
}

static int check_probe(const struct record *record, struct error *err)
{
	const struct object_address *target = &record->object.address;
	if (record->code < 0 || record->code >= QUESTIONS || record->index > 65535 ||
	    record->object.kind != OBJECT_ADDRESS ||
	    (target->address.family && target->address.family != AF_INET &&
	     target->address.family != AF_INET6) ||
	    !memchr(target->ifname, '\0', sizeof(target->ifname)) || target->ifname[0] == '-')
		return error_set(err, EBADMSG, "a question without sense");
	return 0;
}

static int check_capture(const struct record *record, struct error *err)
{
	const struct object_address *target = &record->object.address;
	if (record->object.kind != OBJECT_ADDRESS ||
	    !memchr(target->ifname, '\0', sizeof(target->ifname)) ||
	    !name_is_interface(target->ifname))
		return error_set(err, EBADMSG, "no interface to capture from");
	if (record->code < 1 || record->code > RECORD_SNAP_MAX)
		return error_set(err, EBADMSG, "%d bytes of a frame are not between 1 and %d",
				 record->code, RECORD_SNAP_MAX);
	return 0;
}

static const struct record_check {
	const char *name;
	int (*check)(const struct record *record, struct error *err);
} checks[RECORD_TYPES] = {
	[RECORD_HELLO] = {"HELLO", check_nothing},
	[RECORD_DUMP] = {"DUMP", check_nothing},
	[RECORD_APPLY] = {"APPLY", check_apply},
	[RECORD_COMMIT] = {"COMMIT", check_apply},
	[RECORD_CONNECT] = {"CONNECT", check_connect},
	[RECORD_ROUTES] = {"ROUTES", check_nothing},
	[RECORD_UPLINK] = {"UPLINK", check_uplink},
	[RECORD_CONFIRM] = {"CONFIRM", check_uplink},
	[RECORD_STOP] = {"STOP", check_nothing},
	[RECORD_OBJECT] = {"OBJECT", check_object},
	[RECORD_END] = {"END", check_nothing},
	[RECORD_RESULT] = {"RESULT", check_nothing},
	[RECORD_EVENT] = {"EVENT", check_nothing},
	[RECORD_PROBE] = {"PROBE", check_probe},
	[RECORD_CAPTURE] = {"CAPTURE", check_capture},
	[RECORD_COMMIT_TO] = {"COMMIT_TO", check_commit_to},
};

int record_send(int socket, const struct record *record, const int *fds, size_t n_fds)
{
	ssize_t done = descriptor_send(socket, record, sizeof(*record), fds, n_fds, 0);
	return done < 0 ? (int)done : 0;
}

int record_check(const struct record *record, struct error *err)
{
	if (record->type >= RECORD_TYPES || !checks[record->type].check)
		return error_set(err, EBADMSG, "unknown record type %u", record->type);
	const struct record_check *type = &checks[record->type];
	if (!memchr(record->text, '\0', sizeof(record->text)) ||
	    !memchr(record->boot_id, '\0', sizeof(record->boot_id)))
		return error_set(err, EBADMSG, "%s record with an endless text", type->name);
	if (type->check(record, err) < 0) {
		error_prefix(err, "%s record", type->name);
		if (err)
			err->code = EBADMSG;
		return -EBADMSG;
	}
	return 0;
}

int record_receive(int socket, struct record *ret, int *fds, size_t *n_fds, int flags,
		   struct error *err)
{
	ssize_t got = descriptor_receive(socket, ret, sizeof(*ret), fds, n_fds, flags);
	if (got == -EAGAIN || got == 0)
		return (int)got;
	if (got == -EMSGSIZE)
		return error_set(err, EBADMSG, "a record longer than %zu bytes", sizeof(*ret));
	if (got < 0)
		return error_errno(err, (int)got, "receiving a record");
	int result = 0;
	if ((size_t)got != sizeof(*ret))
		result = error_set(err, EBADMSG, "a record of %zd bytes instead of %zu", got,
				   sizeof(*ret));
	else
		result = record_check(ret, err);
	if (result < 0 && n_fds) {
		descriptor_close_all(fds, *n_fds);
		*n_fds = 0;
	}
	return result < 0 ? result : 1;
}

int record_send_reply(int socket, int to, const char *data, size_t length)
{
	bool nobody = to < 0 || length == 0 || length > RECORD_REPLY_MAX;
	ssize_t done = nobody ? descriptor_send(socket, "", 1, NULL, 0, 0)
			      : descriptor_send(socket, data, length, &to, 1, 0);
	return done < 0 ? (int)done : 0;
}

/* Whoever speaks through another's socket speaks as that one: nothing but a client's stream. */
static bool is_stream(int fd)
{
	int domain = 0, type = 0;
	socklen_t length = sizeof(domain), type_length = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) == 0 && type == SOCK_STREAM;
}

ssize_t record_receive_reply(int socket, char *data, int *ret_to)
{
	size_t n_fds = 1;
	*ret_to = -1;
	ssize_t got = descriptor_receive(socket, data, RECORD_REPLY_MAX, ret_to, &n_fds, 0);
	if (got > 0 && n_fds == 0)
		return got == 1 ? 0 : -EPROTO;
	if (got > 0 && is_stream(*ret_to))
		return got;
	descriptor_close_all(ret_to, n_fds);
	*ret_to = -1;
	return got < 0 ? got : -EPROTO;
}

static int boot_id_read(char ret[static sizeof(((struct record *)0)->boot_id)], struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t length = file_read(boot_id_path, 256, &text, err);
	if (length < 0)
		return (int)length;
	text[strcspn(text, "\n")] = '\0';
	snprintf(ret, sizeof(((struct record *)0)->boot_id), "%s", text);
	return 0;
}

int record_hello_send(int socket, const char *instance, struct error *err)
{
	struct record hello = {
		.type = RECORD_HELLO, .version = RECORD_VERSION, .size = sizeof(struct record)};
	snprintf(hello.text, sizeof(hello.text), "%s", instance);
	int result = boot_id_read(hello.boot_id, err);
	if (result < 0)
		return result;
	result = record_send(socket, &hello, NULL, 0);
	return result < 0 ? error_errno(err, result, "saying hello") : 0;
}

int record_hello_check(const struct record *hello, const char *instance, struct error *err)
{
	char boot_id[sizeof(hello->boot_id)];
	if (hello->type != RECORD_HELLO)
		return error_set(err, EPROTO, "the other side did not say hello");
	if (hello->version != RECORD_VERSION || hello->size != sizeof(struct record))
		return error_set(err, EPROTO,
				 "the other side speaks version %u (%u bytes), not %u (%zu bytes): "
				 "broker and executor are from different builds, restart both",
				 hello->version, hello->size, RECORD_VERSION,
				 sizeof(struct record));
	if (strcmp(hello->text, instance) != 0)
		return error_set(err, EPROTO, "the other side serves instance '%s', not '%s'",
				 hello->text, instance);
	int result = boot_id_read(boot_id, err);
	if (result < 0)
		return result;
	if (strcmp(hello->boot_id, boot_id) != 0)
		return error_set(err, EPROTO, "the other side runs on another machine");
	return 0;
}

int record_hello(int socket, const char *instance, struct error *err)
{
	struct record hello;
	int result = record_hello_send(socket, instance, err);
	if (result < 0)
		return result;
	result = record_receive(socket, &hello, NULL, NULL, 0, err);
	if (result == 0)
		return error_set(err, EPROTO, "the other side closed the connection");
	if (result < 0)
		return error_set(err, EPROTO, "no hello: %s", err ? err->text : strerror(-result));
	return record_hello_check(&hello, instance, err);
}
