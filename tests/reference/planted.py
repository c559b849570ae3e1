"""Bugs that the model can be given, each by its name, to show that the comparison catches it.

Where a bug is, the model asks ``has_bug(NAME)``.
"""

from __future__ import annotations

PLANTED = (
    "a cancelled recall is not released",
    "a busy caller shortens the waits after its callee's failures",
    "a caller whose phone said busy first is not waited for",
    "a cut-off attempt is used",
    "a hang-up in the prompt keeps the order",
    "a late outcome counts",
    "a phone that is busy on an idle line is tried at once",
    "a prompt about a busy callee for a silent one",
    "a registration wakes nobody",
    "a repeated order lengthens the life",
    "a suspended order blocks its queue",
    "a suspended order uses an attempt",
    "a talk fulfils one direction only",
    "an attempt that was not tried is used",
    "an offer lasts for ever",
    "an order turned no-reply keeps its life",
    "legs of a recall suspend its caller's orders",
    "no guard for the callee",
    "no guard for the caller",
    "no reply: no new call needed",
    "no retention, yet the place is kept",
    "one attempt too many",
    "polling does not back off",
    "recalls of a second are counted by the clock's second",
    "silence on a release holds the lines for ever",
    "the CB timer starts anew when the callee is free",
    "the callee of a recall may be in another",
    "the guard goes on while busy",
    "the internal timer for everyone",
    "the life ends a recall in progress",
    "the next order goes without a guard",
    "the youngest goes first",
)
