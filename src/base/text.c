/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"

#include <stdlib.h>

void text_begin(struct text *text)
{
	*text = (struct text){0};
	text->out = open_memstream(&text->bytes, &text->count);
	if (!text->out)
		abort();
}

char *text_end(struct text *text)
{
	if (fclose(text->out) != 0)
		abort();
	return text->bytes;
}
