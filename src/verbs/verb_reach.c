/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs by which a person reaches into an instance; each is in a file of its own. */
#include "verbs/verbs.h"

static const struct verb_option connect_options[] = {
	{"network", 'n', "NAME", "where several networks have a machine of this name",
	 COMPLETE_NETWORK},
	{"copy", 0, NULL, "copy the bytes even where the connection itself could be handed over",
	 COMPLETE_NOTHING},
	{0},
};

static const struct verb_option exec_options[] = {
	{"admin", 0, NULL, "keep the rights over the network world: the command may change it",
	 COMPLETE_NOTHING},
	{"network", 'n', "NAME",
	 "whose names the command knows (else the first network that "
	 "leads outside)",
	 COMPLETE_NETWORK},
	{0},
};

static const struct verb_option publish_options[] = {
	{"network", 'n', "NAME", "where several networks have a machine of this name",
	 COMPLETE_NETWORK},
	{0},
};

const struct verb reach_verbs[] = {
	{.name = "ssh",
	 .arguments = "NAME [COMMAND]...",
	 .help = "log in by SSH, or run a command there",
	 .examples = "lanyard ssh web\n"
		     "lanyard ssh web -- ping -c 1 db\n",
	 .details =
		 "USER@NAME logs in as somebody else than root. The host key is known and checked.",
	 .min = 1,
	 .max = 1,
	 .rest = REST_FOLLOWS,
	 .no_dry_run = true,
	 .completes = {COMPLETE_MACHINE},
	 .run = ssh_run},
	{.name = "exec",
	 .arguments = "[--] COMMAND...",
	 .help = "run a command inside the instance's network world",
	 .examples = "lanyard exec -- ip -brief address\n"
		     "lanyard exec -- curl http://web/\n",
	 .options = exec_options,
	 .rest = REST_FOLLOWS,
	 .no_dry_run = true,
	 .completes = {COMPLETE_COMMAND},
	 .run = exec_run},
	{.name = "connect",
	 .arguments = "NAME PORT",
	 .help = "a byte stream to a machine's TCP port",
	 .details =
		 "Where standard output is a unix socket the connection itself is handed over, as "
		 "ssh wants it\n"
		 "(ProxyCommand with ProxyUseFdpass); else standard input and output are copied.",
	 .examples = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | lanyard connect web 80\n",
	 .options = connect_options,
	 .min = 2,
	 .max = 2,
	 .no_dry_run = true,
	 .completes = {COMPLETE_MACHINE, COMPLETE_NOTHING},
	 .run = connect_run},
	{.name = "publish",
	 .arguments = "[ADDRESS:]HOSTPORT NAME:PORT",
	 .help = "lead a TCP port of the host to a machine's",
	 .examples = "lanyard publish 8080 web:80\n"
		     "lanyard publish 0.0.0.0:8443 web:443\n",
	 .options = publish_options,
	 .min = 2,
	 .max = 2,
	 .completes = {COMPLETE_NOTHING, COMPLETE_MACHINE},
	 .run = publish_run},
	{.name = "unpublish",
	 .arguments = "[ADDRESS:]HOSTPORT",
	 .help = "end that; connections that exist stay",
	 .min = 1,
	 .max = 1,
	 .completes = {COMPLETE_PUBLISHED},
	 .run = unpublish_run},
	{.name = "published",
	 .arguments = "",
	 .help = "list the published ports",
	 .run = published_run},
	{0},
};
