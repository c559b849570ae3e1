"""Bugs that the model can be given, each by its name, to show that the comparison catches it.

Where a bug is, the model asks ``has_bug(NAME)``.
"""

from __future__ import annotations

PLANTED = (
    "a cancelled recall is not released",
    "a cut-off attempt is used",
    "a late outcome counts",
    "a prompt about a busy callee for a silent one",
    "a repeated order lengthens the life",
    "a suspended order uses an attempt",
    "a talk fulfils one direction only",
    "an offer lasts for ever",
    "legs of a recall suspend its caller's orders",
    "no guard for the caller",
    "one attempt too many",
    "recalls of a second are counted by the clock's second",
    "silence on a release holds the lines for ever",
    "the CB timer starts anew when the callee is free",
    "the callee of a recall may be in another",
    "the internal timer for everyone",
    "the life ends a recall in progress",
    "the youngest goes first",
)
