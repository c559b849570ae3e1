"""The driver in a process that forks or exits."""

from __future__ import annotations

import pytest
from own_process import python

# --- fork -------------------------------------------------------------------------------------------

FORK = """
    import contextlib, gc, os, sys, threading
    from ccbs import Closed, Driver, Overload
    from ccbs.events import Query

    driver = Driver()
    driver.submit([Query(1, "2")])
"""


def test_a_fork_cannot_use_its_parents_driver() -> None:
    program = (
        FORK
        + """
    child = os.fork()
    if not child:
        calls = {
            "submit": lambda: driver.submit([Query(2, "2")]), "drain": driver.drain, "orders": driver.orders,
            "lines": driver.lines, "counters": driver.counters, "close": driver.close,
            "fileno": driver.fileno,
        }
        for name, call in calls.items():
            try:
                call()
            except Closed as error:
                assert str(os.getppid()) in str(error) and "after the fork" in str(error), error
            else:
                os._exit(1)
        own = Driver()
        own.submit([Query(3, "2")])
        own.close()
        assert len(own.drain()) == 1
        del driver
        gc.collect()
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    driver.submit([Query(4, "2")])
    driver.close()
    print([action.request for action in driver.drain()])
    """
    )
    assert python(program) == "[1, 4]\n"


def test_a_fork_amid_traffic_does_not_hang() -> None:
    program = (
        FORK
        + """
    stop = threading.Event()

    def traffic():
        while not stop.is_set():
            # Where others hold the processors the driver's thread may fall behind, which it says.
            with contextlib.suppress(Overload):
                driver.submit([Query(n, "2") for n in range(50)])
            driver.drain()
            driver.orders()

    threads = [threading.Thread(target=traffic) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        child = os.fork()
        if not child:
            try:
                driver.counters()
            except Closed:
                del driver
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
    stop.set()
    for thread in threads:
        thread.join()
    print("done")
    """
    )
    assert python(program) == "done\n"


# --- the interpreter's exit -------------------------------------------------------------------------


def test_an_open_driver_is_closed_at_exit() -> None:
    program = """
    import atexit

    def last():
        try:
            driver.submit([])
        except Closed as error:
            print(error, len(driver.drain()))

    atexit.register(last)
    from ccbs import Closed, Driver
    from ccbs.events import Query

    driver = Driver()
    driver.submit([Query(1, "2")])
    """
    assert python(program) == "the driver was closed 1\n"


@pytest.mark.parametrize(
    "keep",
    [
        "import builtins; builtins.kept = Driver()",
        "class Node: pass\n"
        "node = Node(); node.node = node; node.driver = Driver(); node.driver.submit([Query(1, '2')])",
        "import threading; driver = Driver(); wait = threading.Event().wait\n"
        "threading.Thread(target=lambda: (driver.orders(), wait()), daemon=True).start()",
        "import sys; driver = Driver(); sys.exit()",
        "drivers = [Driver() for _ in range(20)]",
        "import os; driver = Driver(); driver.submit([Query(1, '2')]); os._exit(0)",
    ],
    ids=["builtin", "cycle", "daemon thread", "sys.exit", "many", "os._exit"],
)
def test_an_open_driver_does_not_hold_the_exit_up(keep: str) -> None:
    program = "from ccbs import Driver\nfrom ccbs.events import Query\n" + keep + "\n"
    assert python(program) == ""


def test_asyncio_may_end_with_an_open_driver() -> None:
    program = """
    import asyncio
    from ccbs import Driver
    from ccbs.events import Query

    async def main():
        driver = Driver()
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        loop.add_reader(driver.fileno(), came.set)
        driver.submit([Query(1, "2")])
        await came.wait()
        loop.remove_reader(driver.fileno())

    asyncio.run(main())
    print("done")
    """
    assert python(program) == "done\n"
