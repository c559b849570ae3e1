"""The driver from Python: wake-up, bounds, close, fork, the interpreter's exit."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import select
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from ccbs import CcbsError, Closed, Driver, Engine, InvalidValue, Limits, Overload, Profile
from ccbs.actions import Accepted, Action, Denied, NothingOrdered, Reply, Ring, Step
from ccbs.events import CallFailed, Event, LineFree, Order, Query, Service

WITHIN = 20.0
"""Bounds a wait for what must come (seconds)."""


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.close()


def readable(driver: Driver, within: float) -> bool:
    return bool(select.select([driver], [], [], within)[0])


def collect(driver: Driver, count: int) -> list[Action]:
    """At least so many actions, as they come."""
    told: list[Action] = []
    while len(told) < count:
        assert readable(driver, WITHIN), f"only {len(told)} of {count} actions came"
        told += driver.drain()
    return told


def requests(told: list[Action]) -> list[int]:
    return [action.request for action in told if isinstance(action, Reply)]


def asked(first: int, last: int) -> list[Event]:
    return [Query(request, "2") for request in range(first, last + 1)]


# --- the way of an event ----------------------------------------------------------------------------


def test_an_order_goes_through(driver: Driver) -> None:
    profile = Profile.autodial(cb_timer_external_s=1)
    before = time.time_ns() // 1_000_000
    driver.submit([Service("2", profile), LineFree("2"), CallFailed("2", "1"), Order(5, "2")])
    reply, step = collect(driver, 2)[:2]
    assert reply == Reply(5, Accepted(1, "1", 1))
    assert isinstance(step, Step)
    assert step.due is not None
    assert abs(step.due - before) < 3_600_000, "times are Unix milliseconds"
    assert driver.orders()[0].callee == "1"
    assert {view.line for view in driver.lines()} == {"1", "2"}
    (ring, _) = collect(driver, 2)
    assert isinstance(ring, Ring), "the CB timer of one second fires by itself"


def test_the_eventfd_follows_the_queue(driver: Driver) -> None:
    assert not readable(driver, 0)
    driver.submit([Query(1, "2")])
    assert readable(driver, WITHIN)
    assert driver.drain() == [Reply(1, NothingOrdered())]
    assert not readable(driver, 0)
    assert driver.drain() == []


async def test_asyncio_is_woken(driver: Driver) -> None:
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[Action] = asyncio.Queue()

    def on_readable() -> None:
        for action in driver.drain():
            told.put_nowait(action)

    loop.add_reader(driver.fileno(), on_readable)
    try:
        for request in range(100):
            driver.submit([Query(request, "2")])
            async with asyncio.timeout(WITHIN):
                assert await told.get() == Reply(request, NothingOrdered())
    finally:
        loop.remove_reader(driver.fileno())


def test_batches_keep_their_order(driver: Driver) -> None:
    for first in range(0, 20_000, 100):
        driver.submit(asked(first, first + 99))
    assert requests(collect(driver, 20_000)) == list(range(20_000))


def test_threads_may_share_a_driver(driver: Driver) -> None:
    def submit(first: int) -> None:
        for request in range(first, first + 1_000):
            driver.submit([Query(request, "2")])

    threads = [threading.Thread(target=submit, args=(1_000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    seen = requests(collect(driver, 4_000))
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(4_000))
    for n in range(4):
        own = [request for request in seen if request // 1_000 == n]
        assert own == sorted(own)


def test_counters_have_the_driver_in_them(driver: Driver) -> None:
    driver.submit(asked(1, 3))
    collect(driver, 3)
    counters = driver.counters()
    assert counters["driver_events"] == 3
    assert counters["driver_actions"] == 3
    assert 1 <= counters["driver_commits"] <= 3
    assert counters["driver_events_refused"] == 0
    assert set(Engine().counters()) <= set(counters)


# --- bounds -----------------------------------------------------------------------------------------


def test_a_batch_beyond_the_queue_is_refused_whole() -> None:
    driver = Driver(queue_limit=3)
    with pytest.raises(Overload, match="never fit a queue of 3"):
        driver.submit(asked(1, 4))
    driver.submit(asked(5, 7))
    assert requests(collect(driver, 3)) == [5, 6, 7]
    assert driver.counters()["driver_overloads"] == 1
    driver.close()


def test_who_does_not_drain_is_overloaded_and_loses_nothing() -> None:
    driver = Driver(queue_limit=2)
    taken = []
    with pytest.raises(Overload, match="drain the actions"):  # noqa: PT012
        for request in range(1_000):
            driver.submit([Query(request, "2")])
            taken.append(request)
    assert requests(collect(driver, len(taken))) == taken
    driver.submit([Query(5_000, "2")])
    assert requests(collect(driver, 1)) == [5_000]
    driver.close()


def test_limits_reach_the_engine() -> None:
    driver = Driver(Limits(orders_total=1))
    driver.submit([Service("2", Profile.autodial()), CallFailed("2", "1"), CallFailed("2", "3")])
    driver.submit([Order(1, "2", "1"), Order(2, "2", "3")])
    replies = {a.request: a.reply for a in collect(driver, 3) if isinstance(a, Reply)}
    assert replies[2] == Denied("overload", short_term=True)
    driver.close()


@pytest.mark.parametrize("limit", [0, -1])
def test_a_queue_of_nothing_is_refused(limit: int) -> None:
    with pytest.raises(InvalidValue, match=f"queue_limit: {limit} is below") as caught:
        Driver(queue_limit=limit)
    assert caught.value.field == "queue_limit"


def test_what_is_no_event_is_refused(driver: Driver) -> None:
    with pytest.raises(TypeError, match=r"events\[1\]: expected an event, got NoneType"):
        driver.submit([Query(1, "2"), None])  # type: ignore[list-item]
    driver.submit([Query(2, "2")])
    assert requests(collect(driver, 1)) == [2]


# --- the interpreter's lock -------------------------------------------------------------------------


def test_the_thread_works_while_the_interpreter_is_held(driver: Driver) -> None:
    class PollFd(ctypes.Structure):
        _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))

    # A PyDLL does not release the interpreter's lock: the driver has to write its eventfd without it.
    poll = ctypes.PyDLL(None).poll
    waiting = PollFd(driver.fileno(), select.POLLIN, 0)
    driver.submit([Query(1, "2")])
    assert poll(ctypes.byref(waiting), 1, int(WITHIN * 1_000)) == 1


def test_others_run_while_a_batch_is_applied() -> None:
    engine = Engine()
    batch = [event for line in range(50_000) for event in (LineFree(str(line)), Query(line, "2"))]
    ticks = 0
    stop = threading.Event()
    begun = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            begun.set()
            time.sleep(0)

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=tick)
    # With this interval nobody is made to give the lock up: it is released only by who lets go of it.
    sys.setswitchinterval(1_000)
    try:
        thread.start()
        begun.wait(WITHIN)
        for _ in range(50):
            before = ticks
            engine.apply(batch, 0)
            if ticks > before:
                break
        else:
            pytest.fail("the lock was held all the time")
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        thread.join(WITHIN)


# --- close ------------------------------------------------------------------------------------------


def test_close_applies_what_was_taken(driver: Driver) -> None:
    driver.submit(asked(1, 1_000))
    driver.close()
    driver.close()
    with pytest.raises(Closed, match="driver was closed"):
        driver.submit([Query(1, "2")])
    assert readable(driver, 0)
    assert requests(driver.drain()) == list(range(1, 1_001))
    # Whoever listens to the eventfd alone hears of the end as well.
    assert readable(driver, 0)
    with pytest.raises(Closed, match="driver was closed"):
        driver.drain()
    assert not readable(driver, 0)
    assert driver.orders() == []
    assert driver.counters()["driver_events"] == 1_000


def test_errors_of_the_driver_have_one_base() -> None:
    assert issubclass(Closed, CcbsError)
    assert issubclass(Overload, CcbsError)


def test_a_driver_that_is_collected_ends_its_thread() -> None:
    def threads() -> int:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("Threads:"))

    before = threads()
    drivers = [Driver() for _ in range(5)]
    assert threads() >= before + 5
    gone = [weakref.ref(driver) for driver in drivers]
    del drivers
    gc.collect()
    assert [ref() for ref in gone] == [None] * 5
    # The kernel takes a joined thread off its list a moment later.
    deadline = time.monotonic() + WITHIN
    while threads() > before:
        assert time.monotonic() < deadline, "the threads go on"
        time.sleep(0)
