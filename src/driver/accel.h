/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which accelerator can really be used here: KVM needs a device that opens and a processor that
 * virtualises; there are hosts where only the former is true and no ordinary guest boots.
 */
#pragma once

#include <stddef.h>

struct error;

enum accel { ACCEL_TCG, ACCEL_KVM };

#define ACCEL_REASON_SIZE 160
#define ACCEL_ENVIRONMENT "LANYARD_ACCEL"

/* "tcg", "kvm". Static text. */
const char *accel_name(enum accel accel);

/* Chooses. requested: from the definition ("auto", "kvm", "tcg", NULL is auto); environment: the
 * value of LANYARD_ACCEL or NULL, it goes before requested. reason is one line for the user that
 * says why (empty when KVM was found by itself). "kvm" that is not to be had is -ENOTSUP, an
 * unknown word -EINVAL. */
int accel_choose(const char *requested, const char *environment, enum accel *ret,
		 char reason[ACCEL_REASON_SIZE], struct error *err);

/* Opens /dev/vhost-net n times into fds (close-on-exec, the caller's). Returns 0, or -errno with
 * nothing open: then start without vhost (QEMU 7.2 aborts when it cannot open the device). */
int accel_vhost_open(int *fds, size_t n);
