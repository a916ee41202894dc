/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The executor's records: the check ends, and what it lets pass can be described. */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "ipc/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record record = {0};
	struct error err = {0};
	char text[256];
	memcpy(&record, data, size < sizeof(record) ? size : sizeof(record));
	if (record_check(&record, &err) < 0)
		return 0;
	record_hello_check(&record, "default", &err);
	if (record.type == RECORD_APPLY || record.type == RECORD_OBJECT)
		object_describe(&record.object, text);
	return 0;
}
