/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames that machines send to a probe: bytes of strangers, read by a process with rights. */
#include <stdint.h>
#include <stdlib.h>

#include "kern/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_view view;
	frame_read(data, size, &view);
	if (view.kind != FRAME_OTHER && size < 14)
		abort();
	return 0;
}
