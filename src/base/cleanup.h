/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cleanup attributes: memory, descriptor, FILE, and a type's own x_free. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define AUTO_FREE   __attribute__((cleanup(cleanup_free)))
#define AUTO_CLOSE  __attribute__((cleanup(cleanup_close)))
#define AUTO_FCLOSE __attribute__((cleanup(cleanup_fclose)))

/* AUTO(network) struct network *n: calls network_free. Declare with AUTO_DEFINE. */
#define AUTO_DEFINE(type)                                                                          \
	static inline void cleanup_##type(struct type **pointer)                                   \
	{                                                                                          \
		type##_free(*pointer);                                                             \
	}
#define AUTO(type) __attribute__((cleanup(cleanup_##type)))

/* Gives the value away and leaves the variable empty. */
#define TAKE(pointer)                                                                              \
	({                                                                                         \
		__typeof__(pointer) take_value_ = (pointer);                                       \
		(pointer) = NULL;                                                                  \
		take_value_;                                                                       \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int take_fd_ = (fd);                                                               \
		(fd) = -1;                                                                         \
		take_fd_;                                                                          \
	})
