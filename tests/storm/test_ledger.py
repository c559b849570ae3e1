"""The judge of the storm notices each kind of broken promise."""

from __future__ import annotations

from .ledger import Ledger


def ordered(*callers: str) -> Ledger:
    ledger = Ledger(life=1)
    for caller in callers:
        ledger.asks(caller)
        ledger.hears_accepted(caller)
    return ledger


def reborn(ledger: Ledger, *standing: str, why: str | None = None) -> Ledger:
    ledger.killed()
    ledger.life += 1
    ledger.restarted(set(standing), lambda caller, after: why)
    return ledger


def test_an_order_that_is_gone_is_lost_unless_it_ended_with_a_reason() -> None:
    assert reborn(ordered("1", "2"), "2").lost == ["the order of 1 was confirmed and is gone"]
    assert reborn(ordered("1"), why="expired").lost == []
    assert reborn(ordered("1"), "1").lost == []


def test_what_an_earlier_order_came_to_says_nothing_of_a_later_one() -> None:
    ledger = ordered("1")
    ledger.asks("1", 20.0)
    ledger.hears_accepted("1")
    ledger.killed()
    ledger.restarted(set(), lambda caller, after: "completed" if after <= 10.0 else None)
    assert ledger.lost == ["the order of 1 was confirmed and is gone"]


def test_an_order_that_is_never_carried_out_is_lost() -> None:
    ledger = ordered("1", "2")
    ledger.rung("1")
    ledger.talks("1")
    ledger.close()
    assert ledger.lost == ["2 was never recalled"]


def test_a_cancel_that_was_confirmed_holds() -> None:
    ledger = ordered("1", "2")
    for caller in ("1", "2"):
        ledger.asks_cancel(caller)
        ledger.hears_cancelled(caller)
    ledger.rung("1")
    assert ledger.doubled == ["1 was recalled after the cancel was confirmed"]
    assert reborn(ledger, "2").lost == ["the cancel of 2 was confirmed, its order stands"]


def test_a_cancel_that_nobody_heard_may_have_been_carried_out_or_not() -> None:
    ledger = ordered("1", "2")
    ledger.asks_cancel("1")
    ledger.asks_cancel("2")
    reborn(ledger, "2")
    ledger.rung("2")
    assert (ledger.lost, ledger.doubled) == ([], [])


def test_two_recalls_of_one_attempt_are_doubled() -> None:
    ledger = ordered("1", "2", "3")
    ledger.rung("1")
    ledger.rung("1")
    ledger.rung("2")
    ledger.talks("2")
    ledger.recall_over("2")
    ledger.rung("2")
    ledger.rung("4")
    assert ledger.doubled == [
        "1 was recalled twice for one attempt",
        "2 was recalled after a recall in life 1",
        "4 was recalled and had ordered nothing",
    ]


def test_a_recall_that_a_kill_cut_off_may_come_again_but_only_if_its_order_stands() -> None:
    ledger = ordered("1", "2")
    for caller in ("1", "2"):
        ledger.rung(caller)
        ledger.talks(caller)
    reborn(ledger, "1")
    ledger.rung("1")
    assert ledger.doubled == []
    assert ledger.counts["cut_off"] == 1
    ledger.rung("2")
    assert ledger.doubled == ["2 was recalled after a recall in life 1"]
