"""What the subscribers of a procedure do, each act with what their phones must see, show and hear.

Every act returns its evidence in words, or fails with what was seen instead.
"""

from __future__ import annotations

import asyncio
import time

from .listening import RINGBACK_HZ, heard_prompts, hears_prompts, hears_tone
from .phone import Display, Phone
from .wire import Identity
from .world import CALLEE, KEEPER, LANGUAGE, ORDERER, Party, World

__all__ = ["Course"]

SOON_S = 5.0
"""Within this a phone that is on this machine has answered, rung or been released (s)."""
PROMPT_S = 12.0
"""Within this a prompt is over (s)."""
TIMER_TOLERANCE_S = 0.5


def _prompt(name: str) -> str:
    return f"{LANGUAGE}/{name}"


class Course:
    """One run of one procedure.

    :param world: its phones and switches.
    :param callee: №1, or №7 in the procedure with an external callee.
    """

    def __init__(self, world: World, callee: Party = CALLEE) -> None:
        self.world = world
        self.callee = callee
        self.attempts_begun = 0
        self._timer_s = float(
            world.settings.cb_timer_external_s if callee.external else world.settings.cb_timer_internal_s
        )
        self._timer_from = 0.0
        """When the CB timer was started: the order's acceptance, then each attempt's end (Unix time, s)."""
        self._order: int | None = None
        self._call_began: dict[str, float] = {}
        """When the phone's present call began, by number (Unix time, s): its sound is what came later."""

    def _phone(self, party: Party) -> Phone:
        return self.world.phone(party)

    # --- the first call, which keeps the callee busy ---------------------------------------------------

    async def lifts_handset(self, party: Party) -> str:
        """The phone is registered and has no call: what it makes dial tone on."""
        phone = self._phone(party)
        registered = await phone.wire.expect("REGISTER", 200, "received", timeout=SOON_S)
        calls = await phone.calls_now()
        assert calls == 0, f"{party.label} has {calls} calls and no dial tone"
        return f"registered ({registered.header('contact') or 'no contact'}), no call: dial tone"

    async def keeper_calls(self) -> str:
        """№4 dials the callee: 180 at №4, the callee's phone rings and shows №4."""
        caller, callee = self._phone(KEEPER), self._phone(self.callee)
        before, self._call_began[KEEPER.number] = callee.wire.mark(), time.time()
        await caller.dial(self.callee.number)
        display = await callee.rings(since=before, timeout=SOON_S)
        _shows(self.callee, display, KEEPER)
        ringing = await caller.wire.expect("INVITE", 180, "received", timeout=SOON_S)
        return f"180 at №4 ({ringing.at:.3f}); the display shows {display.event}"

    async def callee_answers_keeper(self) -> str:
        """The callee lifts the handset: both have a call and hear one another."""
        self._call_began[self.callee.number] = time.time()
        return await self._answer(self.callee, KEEPER)

    async def _answer(self, callee: Party, caller: Party) -> str:
        phone, other = self._phone(callee), self._phone(caller)
        before = phone.mark()
        await phone.accept()
        await phone.expect("CALL_ESTABLISHED", since=before, timeout=SOON_S)
        await other.expect("CALL_ESTABLISHED", timeout=SOON_S)
        return await self._talk(callee, caller)

    async def _talk(self, one: Party, two: Party, *, from_now: bool = False) -> str:
        told = await asyncio.gather(
            *(
                hears_tone(
                    self._phone(hearer),
                    speaker.says_hz,
                    since=self._call_began[hearer.number],
                    timeout=SOON_S,
                    from_now=from_now,
                )
                for hearer, speaker in ((one, two), (two, one))
            )
        )
        return f"{one.label} {told[0]} of {two.label}, {two.label} {told[1]} of {one.label}"

    async def still_talking(self) -> str:
        """The callee and №4 still have their call and hear one another now."""
        for party in (self.callee, KEEPER):
            assert await self._phone(party).calls_now() == 1, f"{party.label} lost its call"
        return await self._talk(self.callee, KEEPER, from_now=True)

    # --- busy, and the order ---------------------------------------------------------------------------

    async def orderer_finds_busy(self) -> str:
        """№2 dials the callee: 486 at №2, and the callee's phone is left alone."""
        phone, callee = self._phone(ORDERER), self._phone(self.callee)
        before, callee_before, events = phone.wire.mark(), callee.wire.mark(), phone.mark()
        await phone.dial(self.callee.number)
        busy = await phone.wire.expect("INVITE", 486, "received", since=before, timeout=SOON_S)
        await phone.expect("CALL_CLOSED", since=events, timeout=SOON_S)
        disturbed = list(callee.wire.select("INVITE", direction="received", since=callee_before))
        assert not disturbed, f"call waiting is off, but {self.callee.label} was called: {disturbed[0]}"
        return f"{busy.text.splitlines()[0]} at №2: busy tone"

    async def orderer_presses_key(self) -> str:
        """№2's phone dials what its key holds; the order is confirmed by the prompt, then released."""
        phone = self._phone(ORDERER)
        key = self.world.callback_key
        assert key == "*37#", f"the key dials {key!r}"
        before, began = phone.wire.mark(), time.time()
        await phone.dial(key)
        accepted = await phone.wire.expect("INVITE", 200, "received", since=before, timeout=SOON_S)
        sent = next(phone.wire.select("INVITE", direction="sent", since=before))
        assert sent.dialled == key, f"№2's phone dialled {sent.dialled}"
        self._timer_from = accepted.at
        heard = await hears_prompts(
            phone, self.world.recogniser, _prompt("order-accepted"), since=began, timeout=PROMPT_S
        )
        await phone.wire.expect("BYE", None, "received", since=before, timeout=PROMPT_S)
        orders = await self.world.orders()
        assert len(orders) == 1, f"one order was to stand: {orders}"
        order = orders[0]
        assert (order["caller"], order["callee"]) == (ORDERER.number, self.callee.number), order
        self._order = order["order"]
        return f"the key dials {key}; №2 {heard}; order {self._order} stands"

    async def callee_hangs_up(self) -> str:
        """The callee hangs up: BYE at №4; both phones' call logs and the switch's show the numbers."""
        callee, keeper = self._phone(self.callee), self._phone(KEEPER)
        before = keeper.wire.mark()
        await callee.hang_up()
        released = await keeper.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
        assert callee.call_log() == [("incoming", KEEPER.number)], callee.call_log()
        assert keeper.call_log() == [("outgoing", self.callee.number)], keeper.call_log()
        record = await self._record(KEEPER.number, self.callee.number)
        assert record["cause"] == "answered", record
        assert record["answered"] is not None, record
        assert record["recall"] is False, record
        failed = await self._record(ORDERER.number, self.callee.number)
        assert failed["cause"] == "busy", failed
        logs = "; ".join(f"{phone.label}: {' '.join(phone.call_log()[0])}" for phone in (callee, keeper))
        return f"BYE at №4 ({released.at:.3f}); call logs: {logs}"

    async def _record(self, caller: str, callee: str, *, recall: bool = False) -> dict[str, object]:
        deadline = time.time() + SOON_S
        while True:
            calls = await self.world.calls()
            found = [
                call
                for call in calls
                if (call["caller"], call["callee"], call["recall"]) == (caller, callee, recall)
            ]
            if found or time.time() > deadline:
                break
            await asyncio.sleep(0.05)
        assert len(found) == 1, f"one record {caller} → {callee} was to be in the call log: {calls}"
        return found[0]

    # --- the recall ------------------------------------------------------------------------------------

    async def orderer_is_recalled(self) -> str:
        """At the expiry of the CB timer №2's phone rings, shows the callee, answers and hears the prompt."""
        phone = self._phone(ORDERER)
        since = _after(phone, self._timer_from)
        due = self._timer_from + self._timer_s
        display = await phone.rings(since=since, timeout=max(due - time.time(), 0) + 3.0)
        late = display.invite.at - due
        assert abs(late) <= TIMER_TOLERANCE_S, f"the recall came {late:+.2f} s from the CB timer's expiry"
        shown = display.event
        assert shown.number == self.callee.number, f"№2's display shows {shown}"
        assert "Обратный вызов" in (shown.name or ""), f"№2's display shows {shown}"
        self.attempts_begun += 1
        self._call_began[ORDERER.number] = time.time()
        self._callee_mark = self._phone(self.callee).wire.mark()
        events = phone.mark()
        await phone.accept()
        await phone.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        heard = await self._orderer_hears("activated")
        return (
            f"INVITE {display.invite.at - self._timer_from:.2f} s after the timer's start; "
            f"the display shows {shown}; №2 {heard}"
        )

    async def _orderer_hears(self, *prompts: str) -> str:
        return await hears_prompts(
            self._phone(ORDERER),
            self.world.recogniser,
            *map(_prompt, prompts),
            since=self._call_began[ORDERER.number],
            timeout=PROMPT_S,
        )

    async def callee_rings(self) -> str:
        """The callee's phone rings and shows №2; №2 hears ringback."""
        display = await self._phone(self.callee).rings(since=self._callee_mark, timeout=SOON_S)
        _shows(self.callee, display, ORDERER)
        evidence = f"the display shows {display.event}, asserted {display.asserted}"
        if self.callee.external:
            for identity in self.world.far_identities()[-1]:
                assert identity is not None, "the trunk was not told who calls"
                assert identity.number == ORDERER.number, f"the trunk was told {identity}"
            evidence += "; the far switch received №2 in From and P-Asserted-Identity"
        ringback = await hears_tone(
            self._phone(ORDERER),
            RINGBACK_HZ,
            since=self._call_began[ORDERER.number],
            timeout=SOON_S,
        )
        return f"{evidence}; №2 {ringback}"

    async def callee_answers_recall(self) -> str:
        """The callee lifts the handset: it and №2 hear one another, phone to phone; the order is gone."""
        callee, orderer = self._phone(self.callee), self._phone(ORDERER)
        self._call_began[self.callee.number] = time.time()
        talk = await self._answer(self.callee, ORDERER)
        described = {
            (m.media.address, m.media.port) for m in callee.wire.messages if m.direction == "sent" and m.media
        }
        # A switch may tell the number that answered first, and where its media is in another re-INVITE.
        await orderer.wire.expect(
            "INVITE", None, "received", initial=False,
            since=_after(orderer, self._call_began[ORDERER.number]), timeout=SOON_S,
            where=lambda m: m.media is not None and (m.media.address, m.media.port) in described,
        )  # fmt: skip
        orders = await self.world.orders()
        assert orders == [], f"a completed order still stands: {orders}"
        return talk

    async def recall_is_logged(self) -> str:
        """№2 hangs up: BYE at the callee; the call log has the recall with its order."""
        callee = self._phone(self.callee)
        before = callee.wire.mark()
        await self._phone(ORDERER).hang_up()
        await callee.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
        record = await self._record(ORDERER.number, self.callee.number, recall=True)
        printed = await self.world.switch.command("calls")
        assert printed == await self.world.calls(), printed
        assert record["cause"] == "answered", record
        assert record["order"] == self._order, record
        assert callee.call_log()[-1] == ("incoming", ORDERER.number), callee.call_log()
        return f"BYE at {self.callee.label}; the call log has the recall for order {self._order}"

    # --- attempts that fail ----------------------------------------------------------------------------

    async def callee_is_found_busy(self) -> str:
        """№2 hears that the callee is busy again, at last that no attempt is left, and is released."""
        return await self._attempt_fails("callee-busy-again", self.world.busy_reason)

    async def callee_does_not_answer(self) -> str:
        """The callee's phone rings, shows №2 and is left ringing; №2 hears why and is released."""
        ringing = await self.callee_rings()
        callee = self._phone(self.callee)
        invite = next(callee.wire.select("INVITE", direction="received", since=self._callee_mark))
        cancel = await callee.wire.expect(
            "CANCEL", None, "received", since=self._callee_mark,
            timeout=self.world.settings.callee_ring_s + SOON_S,
        )  # fmt: skip
        rang = cancel.at - invite.at
        assert abs(rang - self.world.settings.callee_ring_s) <= 1.0, f"it rang for {rang:.1f} s"
        failed = await self._attempt_fails("callee-no-answer", None)
        return f"{ringing}; CANCEL after {rang:.1f} s; {failed}"

    async def _attempt_fails(self, why: str, cause: str | None) -> str:
        orderer = self._phone(ORDERER)
        last = self.attempts_begun == self.world.settings.attempts
        expected = ["activated", why] + (["attempts-used-up"] if last else [])
        heard = await self._orderer_hears(*expected)
        since = _after(orderer, self._call_began[ORDERER.number])
        released = await orderer.wire.expect("BYE", None, "received", since=since, timeout=PROMPT_S)
        all_heard = await heard_prompts(
            orderer, self.world.recogniser, since=self._call_began[ORDERER.number]
        )
        assert [found.name for found in all_heard] == list(map(_prompt, expected)), all_heard
        if cause is not None:
            reason = released.header("reason") or "no Reason"
            assert cause in reason.replace(" ", ""), f"the BYE has {reason}"
            disturbed = list(
                self._phone(self.callee).wire.select("INVITE", direction="received", since=self._callee_mark)
            )
            assert not disturbed, f"{self.callee.label} was called while busy: {disturbed[0]}"
        self._timer_from = released.at
        return f"№2 {heard}, then BYE"

    async def attempts_stop(self, cause: str) -> str:
        """The order has ended: none stands, the log of the switch says why, and №2 is not called again.

        :param cause: of the recalls in the call log.
        """
        phone, settings = self._phone(ORDERER), self.world.settings
        since = _after(phone, self._timer_from)
        ended = await self.world.switch.expect_line("attempts-exhausted", timeout=SOON_S)
        orders = await self.world.switch.command("orders")
        assert orders == [], f"an order still stands: {orders}"
        calls = await self.world.switch.command("calls")
        recalls = [call for call in calls if call["recall"]]
        assert [
            (call["caller"], call["callee"], call["cause"], call["order"]) for call in recalls
        ] == settings.attempts * [(ORDERER.number, self.callee.number, cause, self._order)], recalls
        watched = self._timer_from + self._timer_s + 2.0 - time.time()
        await phone.wire.expect_none("INVITE", "received", since=since, initial=True, during=max(watched, 0))
        return f"{ended.strip()}; no order stands; no call in the {self._timer_s:g} s after"


def _after(phone: Phone, at: float) -> int:
    """The mark of the first message after the Unix time ``at`` (s)."""
    return next(
        (i for i, message in enumerate(phone.wire.messages) if message.at >= at), len(phone.wire.messages)
    )


def _shows(party: Party, display: Display, caller: Party) -> None:
    expected = Identity(caller.number, caller.name)
    assert display.caller.number == caller.number, f"From at {party.label}: {display.caller}"
    assert display.event == expected, f"{party.label} shows {display.event}, not {expected}"
    assert display.asserted is not None, f"no P-Asserted-Identity at {party.label}"
    assert display.asserted.number == caller.number, f"asserted at {party.label}: {display.asserted}"
