#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Static analysis of src/. What is off says why: the unused are exported for other layers and tests;
# nullPointerOutOfMemory: running out of memory ends the program (file.h); nullPointer in paths.c: TAKE() in a
# return is taken for an assignment that lasts; varFuncNullUB: NULL is a pointer in every libc that we run on;
# normalCheckLevelMaxBranches, checkersReport: newer versions talk about themselves.
cd "${1:-$(dirname "$0")/..}" || exit 1
exec cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr -j "$(nproc)" \
	--suppress=missingInclude --suppress=missingIncludeSystem --suppress=unusedFunction \
	--suppress=nullPointerOutOfMemory --suppress=unknownMacro --suppress=nullPointer:src/base/paths.c \
	--suppress=checkersReport --suppress=varFuncNullUB \
	--suppress=normalCheckLevelMaxBranches \
	-D_GNU_SOURCE -DLANYARD_VERSION='"0"' -DLANYARD_PREFIX='""' -DLANYARD_BINDIR='""' \
	-DLANYARD_SBINDIR='""' -DLANYARD_LIBEXECDIR='""' -DLANYARD_DATADIR='""' \
	-Isrc src
