/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names as users write them: DNS labels and domains (RFC 1035), interface names, and the nearest
 * right word. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* A DNS label of lowercase letters, digits and hyphens, 1 to 63, no hyphen at either end. */
bool name_is_label(const char *text);
/* Labels with dots between, at most 253 bytes. */
bool name_is_domain(const char *text);
/* A domain that the public DNS does not have: below a name that RFC 6761, RFC 6762 (appendix G) or
 * RFC 8375 leave to private networks. */
bool name_is_private(const char *domain);
/* What the kernel takes for an interface and nft and sysctl without quoting: 1 to 15 of letters,
 * digits, - _ . */
bool name_is_interface(const char *text);

/* what: "network", "machine"; may be NULL. -EINVAL with what would be right. */
int name_check(const char *text, const char *what, struct error *err);

/* The text with another name wherever this one stands as a whole word: 'lab-bob', but neither
 * ly-lab-bob nor lab-bob.internal. The caller frees. */
char *name_replace(const char *text, const char *name, const char *other);

/* The word that the user probably meant; NULL when none is near. words may hold NULLs. */
const char *name_nearest(const char *text, const char *const *words, size_t n_words);

/* "a, b or c", cut off at the size. */
void name_list(char *text, size_t size, const char *const *words, size_t n_words);

/* A hash that is the same on every machine and in every version; equal texts with other seeds
 * differ. */
uint64_t name_hash(const char *text, uint64_t seed);
