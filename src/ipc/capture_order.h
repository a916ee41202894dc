/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lanyard-capture is told and says, over a socket of its own (SOCK_SEQPACKET): the executor
 * sends the order with two descriptors, a packet socket and the write end of the caller's pipe; the
 * other end of the socket goes to the broker, who hears the report. A byte from there is the order
 * to finish: what has arrived still goes into the pipe. That end's closing, or its
 * shutdown(SHUT_WR), is the order to stop at once.
 */
#pragma once

#include <stdint.h>

struct capture_order {
	uint32_t snap;	/* bytes of each frame */
	uint32_t count; /* frames; 0: no limit */
};

enum capture_end {
	CAPTURE_GOES_ON,
	CAPTURE_COUNTED,   /* all that were asked for */
	CAPTURE_READER,	   /* nobody reads the pipe any more */
	CAPTURE_INTERFACE, /* it is gone */
	CAPTURE_FINISHED,  /* its caller wanted no more */
	CAPTURE_STOPPED,   /* the broker did */
	CAPTURE_FAILED,
	CAPTURE_ENDS,
};

struct capture_report {
	uint32_t end;	 /* enum capture_end */
	int32_t code;	 /* CAPTURE_FAILED: errno */
	uint64_t frames; /* for the pipe */
	uint64_t lost;	 /* because it was full */
};
