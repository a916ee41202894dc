/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verbs/collection.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "ipc/varlink_client.h"

static json_t *find(const struct collection *collection, const json_t *list, const char *name,
		    struct error *err)
{
	struct nearest nearest = {.typed = name};
	size_t index;
	json_t *item;
	json_array_foreach (list, index, item) {
		const char *text = text_of(item, collection->key);
		if (collection->asks || strcmp(text, name) == 0)
			return item;
		nearest_feed(&nearest, text);
	}
	error_set(err, ENOENT, "there is no %s '%s'%s; 'lanyard %s list' lists them",
		  collection->what, name, nearest_text(&nearest), collection->group);
	return NULL;
}

int collection_show(struct invocation *invocation, const struct collection *collection,
		    struct error *err)
{
	struct varlink_answer answer = {0};
	json_t *one = collection->asks
			      ? json_pack("{s:s}", collection->asks, invocation->arguments[0])
			      : NULL;
	int result = client_call(invocation, collection->lists, one, &answer, err);
	if (result == 0) {
		json_t *found =
			find(collection, json_object_get(answer.parameters, collection->member),
			     invocation->arguments[0], err);
		if (found && collection->more)
			collection->more(invocation, found);
		if (found && collection->tell && !output_is_json())
			collection->tell(found);
		if (!found)
			result = -ENOENT;
		else if (output_is_json())
			output_json(json_incref(found));
		else
			output_map(found);
	}
	varlink_answer_done(&answer);
	return result;
}

int collection_remove(struct invocation *invocation, const struct collection *collection,
		      json_t *options, struct error *err)
{
	int failed = 0;
	if (invocation->n_arguments > 1)
		output_several();
	for (size_t i = 0; i < invocation->n_arguments; i++) {
		const char *name = invocation->arguments[i];
		json_t *parameters = json_pack("{s:s}", collection->key, name);
		if (options)
			json_object_update(parameters, options);
		struct varlink_answer answer = {0};
		int result =
			client_change(invocation, collection->removes, parameters, &answer, err);
		varlink_answer_done(&answer);
		if (result < 0 && invocation->n_arguments == 1)
			return result;
		if (result < 0)
			output_error(err);
		else if (!invocation->dry_run)
			output_line("%s %s removed", collection->what, name);
		failed |= result < 0;
	}
	return failed;
}

bool collection_has_others(const json_t *list, const char *key)
{
	size_t index;
	json_t *item;
	json_array_foreach (list, index, item) {
		const json_t *owner = json_object_get(item, key);
		if (owner && json_integer_value(owner) != (json_int_t)geteuid())
			return true;
	}
	return false;
}

void collection_add_owner(struct table *table, const json_t *item, const char *key)
{
	uid_t uid = (uid_t)json_integer_value(json_object_get(item, key));
	const struct passwd *account = getpwuid(uid);
	AUTO_FREE char *number = text_format("%u", (unsigned)uid);
	table_add(table, account ? account->pw_name : number);
}
