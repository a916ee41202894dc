#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# What the guides of doc/ show and no test runs: counted, so that it is not forgotten. And what is marked so has its
# reason, every guide has a test, and links lead somewhere.
# ways: user
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from lib_guide import ON_INSTALLED, blocks, fail, source  # noqa: E402

tests = ""
for folder in ("netns", "vm"):
    for name in os.listdir(f"{source}/test/{folder}"):
        with open(f"{source}/test/{folder}/{name}", errors="replace") as file:
            tests += file.read()
reasons = []
for name in sorted(os.listdir(f"{source}/doc")):
    if not name.endswith(".md"):
        continue
    guide = f"{source}/doc/{name}"
    found = blocks(guide)
    if any(block.kind in ("console", "sh") and not block.reason for block in found) and name not in tests:
        fail(f"doc/{name}: no test runs its commands")
    reasons += [f"doc/{name}: {block.reason}" for block in found if block.reason and block.reason != ON_INSTALLED]
    with open(guide) as file:
        for link in re.findall(r"\b([a-z][a-z-]*\.md)\b", file.read()):
            if not os.path.exists(f"{source}/doc/{link}"):
                fail(f"doc/{name}: there is no {link}")
for reason in reasons:
    print(reason)
print(f"{len(reasons)} blocks of the guides: " + "; ".join(sorted({reason.split(": ", 1)[1] for reason in reasons})))
sys.exit(77 if reasons else 0)
