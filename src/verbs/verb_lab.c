/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs of labs; each is in a file of its own. */
#include "verbs/verbs.h"

static const struct verb_option up_options[] = {
	{"file", 'f', "FILE", "the lab's file (default: lanyard.yaml in this folder)",
	 COMPLETE_FILE},
	{"wait", 'w', NULL, "return when the machines are reachable", COMPLETE_NOTHING},
	{"reset", 0, NULL, "undo what was changed by hand in the lab's networks", COMPLETE_NOTHING},
	{"force", 0, NULL, "end removed machines at once", COMPLETE_NOTHING},
	{0},
};

static const struct verb_option down_options[] = {
	{"file", 'f', "FILE", "the lab's file (default: lanyard.yaml in this folder)",
	 COMPLETE_FILE},
	{"force", 0, NULL, "end machines at once", COMPLETE_NOTHING},
	{0},
};

const struct verb lab_verbs[] = {
	{.name = "up",
	 .arguments = "[-f FILE]",
	 .help = "make networks and machines what a lab's file says",
	 .details =
		 "Running machines stay; what differs is changed live where that is possible. What "
		 "was changed\n"
		 "by hand in the lab's networks ('lanyard net set', 'net reserve') goes on as long "
		 "as the file says\n"
		 "nothing new about it. FILE may be '-' for standard input.",
	 .examples = "lanyard up\n"
		     "lanyard up --dry-run -f school.yaml\n"
		     "lanyard up --wait --json\n",
	 .options = up_options,
	 .run = up_run},
	{.name = "down",
	 .arguments = "[-f FILE | LAB]",
	 .help = "stop a lab's machines and remove its networks",
	 .examples = "lanyard down\n"
		     "lanyard down school\n",
	 .options = down_options,
	 .max = 1,
	 .completes = {COMPLETE_LAB},
	 .run = down_run},
	{.name = "status",
	 .arguments = "",
	 .help = "show everything at once",
	 .details = "A user instance that does not run is healthy (0); a system instance that does "
		    "not answer is not\n"
		    "found (3).",
	 .examples = "lanyard status\n"
		     "lanyard status --json | jq '.machines[].name'\n",
	 .run = status_run},
	{.name = "plan",
	 .arguments = "",
	 .help = "print what would have to be done to repair the instance",
	 .run = plan_run},
	{0},
};
