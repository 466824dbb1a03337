"""What a worker refuses by itself: requests of a lease that has ended since they were sent."""

from __future__ import annotations

from typing import Any

import pytest

from transports.headers import LEASE, OPERATION, Operation, RequestHeader
from transports.link import Fenced
from workers.failures import Refused
from workers.serving.fence import Fence


def request(number: Any, operation: Operation = Operation.INVOKE) -> RequestHeader:
    return RequestHeader(
        messageType=OPERATION,
        messageID="1",
        senderID="ada",
        receiverID="lab",
        objekt="move",
        operation=str(operation),
        thingExecutionContext={LEASE: number},
    )


def test_an_older_lease_comes_too_late() -> None:
    """It is told who has it now; the newest one, and who names none, pass."""
    fence = Fence("stage")
    fence.check(request(1))
    fence.rise(Fenced(3, "it is leased to bob (scan)"))
    with pytest.raises(Refused) as refused:
        fence.check(request(2))
    told = refused.value.payload.decode()
    assert "lease 2 of stage has ended" in told
    assert "it is leased to bob (scan)" in told
    for passes in (request(3), request(None), request(2, Operation.READ)):
        fence.check(passes)


def test_it_never_falls() -> None:
    """The two lanes may tell in another order."""
    fence = Fence("stage")
    fence.rise(Fenced(3, ""))
    fence.rise(Fenced(2, ""))
    assert fence.number == 3
