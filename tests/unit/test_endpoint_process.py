"""The SIP endpoint when it is closed, forked or left behind at the exit."""

from __future__ import annotations

import select
import socket

import pytest
from own_process import python

from ccbs import Closed
from ccbs._ccbs import Ended, SipEndpoint

# --- close, fork, exit ------------------------------------------------------------------------------


def test_a_closed_endpoint_takes_nothing() -> None:
    endpoint = SipEndpoint(listen=("127.0.0.1", 0), realm="test")
    endpoint.close()
    endpoint.close()
    with pytest.raises(Closed, match="endpoint is closed"):
        endpoint.answer(1)
    with pytest.raises(Closed, match="endpoint is closed"):
        endpoint.drain()
    assert endpoint.counters()["udp.received"] == 0


def test_whoever_listens_to_the_eventfd_alone_hears_of_the_end() -> None:
    endpoint = SipEndpoint(listen=("127.0.0.1", 0), realm="test")
    leg = endpoint.ring("nobody", shown_number="101", timeout_s=1)
    endpoint.close()

    def readable() -> bool:
        return bool(select.select([endpoint], [], [], 0)[0])

    assert readable()
    (ended,) = endpoint.drain()
    assert isinstance(ended, Ended)
    assert ended.leg == leg
    assert readable()
    with pytest.raises(Closed):
        endpoint.drain()
    assert not readable()


def test_a_fork_cannot_use_its_parents_endpoint() -> None:
    program = """
    import gc, os
    from ccbs import Closed
    from ccbs._ccbs import SipEndpoint

    endpoint = SipEndpoint(listen=("127.0.0.1", 0), realm="test")
    child = os.fork()
    if not child:
        for call in (endpoint.drain, endpoint.close, endpoint.counters, lambda: endpoint.answer(1),
                     lambda: endpoint.local_address, lambda: endpoint.load_prompt("x", b"")):
            try:
                call()
            except Closed as error:
                assert "make a new endpoint after the fork" in str(error)
            else:
                os._exit(1)
        del endpoint
        gc.collect()
        raise SystemExit(0)
    assert os.waitpid(child, 0)[1] == 0
    endpoint.set_trunk("t", address=("127.0.0.1", 9))
    print("done")
    """
    assert python(program) == "done\n"


def test_an_open_endpoint_is_closed_at_exit() -> None:
    program = """
    import socket
    from ccbs._ccbs import SipEndpoint

    endpoint = SipEndpoint(listen=("127.0.0.1", 0), realm="test")
    cycle = [endpoint]
    cycle.append(cycle)
    print(endpoint.local_address[1])
    """
    port = int(python(program))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", port))
