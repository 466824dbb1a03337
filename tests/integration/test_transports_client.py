"""Blocking clients: bounded waits, shared by threads, at work again when their server is."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import zmq

from tests.integration.transports_kit import (
    SERVER,
    Echo,
    Place,
    Stranger,
    short_folder,
    value,
)
from transports import AsyncZMQClient, AsyncZMQServer, BaseZMQClient, SyncZMQClient
from transports.errors import BreakLoop, ProtocolError
from transports.headers import execution_context
from transports.hololinked.messages import RequestMessage, ResponseMessage
from transports.serializers import PreserializedData


@pytest.fixture(params=["INPROC", "IPC", "TCP"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with short_folder() as folder:
        place = Place(request.param, folder)
        yield place
        place.close()


@pytest.fixture
def echo(place: Place) -> Iterator[Echo]:
    with Echo(place) as echo:
        yield echo


@pytest.fixture
def client(place: Place, echo: Echo) -> Iterator[SyncZMQClient]:
    with connect(place) as client:
        yield client


def connect(place: Place, id: str = "me", **kwargs: Any) -> SyncZMQClient:
    given = {"socket_address": place.address, "handshake_timeout": 10_000} | kwargs
    return SyncZMQClient(id, SERVER, context=place.context, **given)


def echoed(client: SyncZMQClient, data: Any, objekt: str = "x") -> Any:
    answer = client.execute("stage", objekt, "writeproperty", value(data), timeout=10)
    assert answer.type == "REPLY"
    return answer.payload.deserialize()


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Run a call in a thread; what it returns or raises ends up in the list."""
    result: list[Any] = []

    def run() -> None:
        try:
            result.append(call())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


def refused(client: SyncZMQClient) -> bool:
    """Whether a request isn't even sent."""
    try:
        client.send_request("stage", "stale", "readproperty")
    except ConnectionError:
        return True
    return False


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        os.sched_yield()


def test_a_value_goes_there_and_back(client: SyncZMQClient) -> None:
    assert echoed(client, {"x": [1.5, None, "é"]}) == {"x": [1.5, None, "é"]}


def test_large_raw_bytes_go_there_and_back(client: SyncZMQClient) -> None:
    raw = os.urandom(1 << 20)
    answer = client.execute(
        "stage", "x", "writeproperty", None, PreserializedData(raw, "image/png"), timeout=10
    )
    assert answer.preserialized_payload.value == raw
    assert answer.preserialized_payload.content_type == "image/png"
    assert answer.payload.deserialize() is None


def test_answers_are_had_in_any_order(client: SyncZMQClient) -> None:
    ids = [client.send_request("stage", str(n), "writeproperty", value(n)) for n in range(20)]
    for number in reversed(range(20)):
        assert client.recv_response(ids[number], timeout=10).payload.deserialize() == number


def test_a_handshake_is_fast(place: Place, echo: Echo) -> None:
    """Half a second is what a first guess that is lost costs; the best of three is no guess."""
    times = []
    for number in range(3):
        start = time.perf_counter()
        with connect(place, f"me{number}"):
            times.append(time.perf_counter() - start)
    assert min(times) < 0.25


@pytest.mark.parametrize("spelling", ["socket_address", "access_point", "transport"])
def test_the_address_has_three_names(place: Place, echo: Echo, spelling: str) -> None:
    with SyncZMQClient("me", SERVER, context=place.context, **{spelling: place.address}) as client:
        assert client.socket_address == place.address
        assert echoed(client, 1) == 1


def test_a_oneway_request_is_sent_and_never_waited_for(client: SyncZMQClient, echo: Echo) -> None:
    oneway = execution_context(oneway=True)
    with pytest.raises(ValueError, match="oneway"):
        client.execute("stage", "x", "readproperty", server_execution_context=oneway)
    client.send_request("stage", "quiet", "readproperty", server_execution_context=oneway)
    assert echoed(client, 1) == 1
    assert echo.seen[-2:] == ["quiet", "x"]


def test_a_wait_is_bounded_and_the_answer_can_still_be_had(client: SyncZMQClient) -> None:
    message_id = client.send_request("stage", "hold", "writeproperty", value("late"))
    with pytest.raises(TimeoutError, match=r"within 0\.05 s"):
        client.recv_response(message_id, timeout=0.05)
    assert echoed(client, 1, "release") == 1
    assert client.recv_response(message_id, timeout=10).payload.deserialize() == "late"


def test_an_execution_that_was_given_up_is_forgotten(client: SyncZMQClient) -> None:
    with pytest.raises(TimeoutError):
        client.execute("stage", "hold", "readproperty", timeout=0.01)
    assert echoed(client, 1, "release") == 1
    assert len(client._answers) == 0


def test_a_payload_without_a_form_is_told_before_anything_is_sent(
    client: SyncZMQClient, echo: Echo
) -> None:
    with pytest.raises(TypeError, match="can't be encoded"):
        client.execute("stage", "bad", "writeproperty", value(object()))
    with pytest.raises(ProtocolError, match="invokation"):
        client.execute("stage", "bad", "x", server_execution_context={"invokationTimeout": "5"})
    assert echoed(client, 1) == 1
    assert "bad" not in echo.seen


def test_threads_share_a_client_and_get_their_own_answers(client: SyncZMQClient) -> None:
    def work(worker: int) -> list[Any]:
        return [echoed(client, [worker, n]) for n in range(100)]

    with ThreadPoolExecutor(8) as pool:
        for worker, answers in enumerate(pool.map(work, range(8))):
            assert answers == [[worker, n] for n in range(100)]


def test_one_thread_waits_while_another_works(client: SyncZMQClient, echo: Echo) -> None:
    waiting, result = in_thread(lambda: echoed(client, "held", "hold"))
    until(lambda: "hold" in echo.seen)
    for number in range(20):
        assert echoed(client, number) == number
    assert echoed(client, "go", "release") == "go"
    waiting.join(10)
    assert result == ["held"]


def test_no_server_is_told_in_time(place: Place) -> None:
    start = time.monotonic()
    with pytest.raises(ConnectionError, match="nothing accepts connections there") as caught:
        connect(place, handshake_timeout=100)
    assert time.monotonic() - start < 5
    assert place.address in str(caught.value)


def test_a_server_by_another_id_is_told(place: Place) -> None:
    with (
        Echo(place, "other"),
        pytest.raises(ConnectionError, match="doesn't go by the id 'bench'"),
    ):
        connect(place, handshake_timeout=200)


def test_an_id_in_use_is_told_and_is_free_when_its_owner_leaves(place: Place, echo: Echo) -> None:
    owner = connect(place)
    with pytest.raises(ConnectionError, match="id of this client is in use"):
        connect(place, handshake_timeout=300)
    assert echoed(owner, 1) == 1
    if place.transport == "INPROC":
        owner.exit()  # there a connection that was ignored once stays so
        return
    waiting, result = in_thread(lambda: connect(place))
    owner.exit()
    waiting.join(15)
    with result[0] as heir:
        assert echoed(heir, 2) == 2


def test_a_client_may_come_before_its_server(place: Place) -> None:
    waiting, result = in_thread(lambda: connect(place))
    with Echo(place):
        waiting.join(15)
        with result[0] as client:
            assert echoed(client, 1) == 1


def test_without_a_handshake_the_first_request_connects(place: Place) -> None:
    with connect(place, handshake=False, poll_timeout=50) as client:
        with pytest.raises(ConnectionError, match="nothing accepts"):
            echoed(client, 1)
        client.poll_timeout = 10_000
        with Echo(place):
            assert echoed(client, 2) == 2


def test_a_client_survives_any_number_of_disconnections(place: Place) -> None:
    with Echo(place) as echo, connect(place, poll_timeout=10_000) as client:
        for number in range(6):
            try:
                assert echoed(client, number) == number
            except ConnectionAbortedError:  # sent to the one that was going
                assert echoed(client, number) == number
            echo.stop()
            echo.start()


def test_who_waits_is_told_at_once_that_the_server_went(place: Place) -> None:
    with Echo(place) as echo, connect(place, poll_timeout=10_000) as client:
        for _ in range(3):
            calls = [in_thread(lambda: echoed(client, 1, "silence")) for _ in range(3)]
            until(lambda: echo.seen.count("silence") == 3)
            echo.stop()
            for thread, result in calls:
                thread.join(10)
                assert isinstance(result[0], ConnectionAbortedError)
            echo.seen.clear()
            echo.start()
            assert echoed(client, 2) == 2


def test_a_server_that_came_back_while_nobody_looked_does_not_hide_the_loss(
    place: Place,
) -> None:
    """The request went down with the first server: its answer never comes."""
    with Echo(place) as echo, connect(place, poll_timeout=10_000) as client:
        lost = client.send_request("stage", "silence", "readproperty")
        until(lambda: "silence" in echo.seen)
        echo.stop()
        echo.start()
        with pytest.raises(ConnectionAbortedError, match="is unknown"):
            client.recv_response(lost, timeout=10)
        assert echoed(client, 1) == 1


@pytest.mark.parametrize("place", ["IPC", "TCP"], indirect=True)
def test_a_client_does_not_reconnect_unasked(place: Place) -> None:
    """What was lost would then look as if it were still on its way."""
    with Echo(place) as echo, connect(place, poll_timeout=10_000) as client:
        lost = client.send_request("stage", "silence", "readproperty")
        until(lambda: "silence" in echo.seen)
        echo.stop()
        echo.start()
        echo.server.socket.monitor("inproc://accepted", zmq.EVENT_ACCEPTED)
        with place.context.socket(zmq.PAIR) as accepted:
            accepted.connect("inproc://accepted")
            assert not accepted.poll(300)
            with pytest.raises(ConnectionAbortedError):
                client.recv_response(lost, timeout=10)
            assert accepted.poll(10_000)
            echo.server.socket.disable_monitor()


def test_an_answer_that_came_before_the_server_went_is_had(place: Place) -> None:
    with Echo(place) as echo, connect(place) as client:
        answered = client.send_request("stage", "hold", "writeproperty", value(1))
        until(lambda: "hold" in echo.seen)
        with Stranger(place) as stranger:
            stranger.ask("1", objekt="release")
            stranger.ask("2")  # answered after ours was sent
            assert [stranger.receive()[0]["messageID"] for _ in range(2)] == ["1", "2"]
        until(lambda: client._connection.state()[0])
        echo.stop()
        assert client.recv_response(answered, timeout=10).payload.deserialize() == 1


def test_requests_to_an_absent_server_are_not_sent_later(place: Place) -> None:
    with Echo(place) as echo, connect(place, poll_timeout=50) as client:
        assert echoed(client, 1) == 1
        echo.stop()
        until(lambda: refused(client))
        for _ in range(3):
            assert refused(client)
        echo.seen.clear()
        client.poll_timeout = 10_000
        echo.start()
        assert echoed(client, 2) == 2
        assert echo.seen == ["x"]


def test_stop_ends_the_waits_in_progress_and_no_later_one(
    client: SyncZMQClient, echo: Echo
) -> None:
    calls = [in_thread(lambda: echoed(client, 1, "silence")) for _ in range(3)]
    until(lambda: echo.seen.count("silence") == 3)
    client.stop()
    for thread, result in calls:
        thread.join(10)
        assert isinstance(result[0], BreakLoop)
    assert echoed(client, 2) == 2


def test_exit_ends_the_waits_in_progress(client: SyncZMQClient, echo: Echo) -> None:
    calls = [in_thread(lambda: echoed(client, 1, "silence")) for _ in range(3)]
    until(lambda: echo.seen.count("silence") == 3)
    client.exit()
    client.exit()
    for thread, result in calls:
        thread.join(10)
        assert isinstance(result[0], ConnectionAbortedError)
    with pytest.raises(ConnectionAbortedError, match="exited"):
        echoed(client, 2)


def test_a_server_that_does_not_read_is_told(place: Place) -> None:
    """Its queue fills up; what doesn't fit isn't sent, and all is well once it reads again."""
    with (
        AsyncZMQServer(
            id=SERVER,
            context=place.aio,
            socket_address=place.address,
            socket_options={zmq.RCVHWM: 2},
        ) as server,
        connect(place, handshake=False, poll_timeout=200, socket_options={zmq.SNDHWM: 2}) as client,
    ):
        raw = PreserializedData(bytes(1 << 20))
        sent = 0

        def send_until_it_is_full() -> None:
            nonlocal sent
            while sent < 5000:
                client.send_request("stage", "x", "writeproperty", None, raw)
                sent += 1

        with pytest.raises(TimeoutError, match="doesn't read"):
            send_until_it_is_full()

        async def read_all() -> int:
            seen = 0
            while seen < sent:
                seen += len(await server.async_recv_requests())
            return seen

        assert asyncio.run(asyncio.wait_for(read_all(), 20)) == sent
        client.poll_timeout = 10_000
        client.send_request("stage", "x", "readproperty")
        assert asyncio.run(asyncio.wait_for(server.async_recv_request(), 10)).header.objekt == "x"


@pytest.mark.parametrize(
    "frames",
    [
        [b"one"],
        [b"", b"two"],
        [b"", b"{}", b"null", b""],
        [b"", b"{}", b"null", b"", b"six", b"seven"],
        [b"", b'{"messageType":"REPLY","messageID":"1","receiverID":"me"}', b"null", b""],
    ],
)
def test_what_a_server_sends_amiss_is_ignored(place: Place, frames: list[bytes]) -> None:
    with (
        AsyncZMQServer(id=SERVER, context=place.aio, socket_address=place.address) as server,
        connect(place, handshake=False, poll_timeout=10_000) as client,
    ):
        call, result = in_thread(lambda: echoed(client, 1))

        async def serve() -> None:
            request = await server.async_recv_request()
            await server.socket.send_multipart([b"me", *frames])
            await server.async_send_response(request, request.payload)

        asyncio.run(asyncio.wait_for(serve(), 10))
        call.join(10)
        assert result == [1]


def test_unwanted_answers_do_not_pile_up(place: Place) -> None:
    with (
        AsyncZMQServer(id=SERVER, context=place.aio, socket_address=place.address) as server,
        connect(place, handshake=False, poll_timeout=10_000) as client,
    ):
        call, result = in_thread(lambda: echoed(client, 1))

        async def serve() -> None:
            request = await server.async_recv_request()
            for number in range(500):
                stray = ResponseMessage.craft_from_arguments("me", SERVER, "REPLY", str(number))
                await server.socket.send_multipart(stray.byte_array)
            await server.async_send_response(request, request.payload)

        asyncio.run(asyncio.wait_for(serve(), 10))
        call.join(10)
        assert result == [1]
        assert len(client._answers) == 0
        assert client.recv_response("499", timeout=0).id == "499"
        with pytest.raises(TimeoutError):
            client.recv_response("0", timeout=0)


def test_a_context_of_asyncio_is_refused(place: Place) -> None:
    with pytest.raises(TypeError, match=r"zmq\.asyncio\.Context"):
        SyncZMQClient("me", SERVER, context=place.aio, socket_address=place.address)
    with pytest.raises(TypeError, match=r"a zmq\.asyncio\.Context is needed"):
        AsyncZMQClient("me", SERVER, context=place.context, socket_address=place.address)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["IPC", "TCP"], indirect=True)
def test_a_client_with_a_context_of_its_own_ends_it(place: Place, echo: Echo) -> None:
    with SyncZMQClient("me", SERVER, True, "IPC", socket_address=place.address) as client:
        assert echoed(client, 1) == 1
        context = client.context
    assert context.closed


@pytest.mark.parametrize("poll_timeout", [0, -1, 1.5, None, True])
def test_a_poll_timeout_is_a_positive_number(poll_timeout: Any) -> None:
    with pytest.raises(ValueError, match="positive number of milliseconds"):
        BaseZMQClient(id="me", server_id=SERVER, poll_timeout=poll_timeout)


def test_many_clients_at_once(place: Place, echo: Echo) -> None:
    def work(number: int) -> Any:
        with connect(place, f"client-{number}") as client:
            return echoed(client, number)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(100))) == list(range(100))


@pytest.mark.parametrize("place", ["IPC"], indirect=True)
def test_clients_leave_no_descriptor_and_no_thread(place: Place, echo: Echo) -> None:
    def traces() -> int:
        return len(os.listdir("/proc/self/fd")) + len(os.listdir("/proc/self/task"))

    async def awaited() -> None:
        async with AsyncZMQClient("awaited", SERVER, socket_address=place.address) as client:
            await client.async_execute("stage", "x", "readproperty")

    def one_of_each() -> None:
        asyncio.run(awaited())
        with SyncZMQClient("me", SERVER, socket_address=place.address) as client:
            assert echoed(client, 1) == 1
        with pytest.raises(ConnectionError):
            SyncZMQClient("me", "nobody", socket_address=place.address, handshake_timeout=1)

    one_of_each()
    before = traces()
    for _ in range(5):
        one_of_each()
    until(lambda: traces() <= before)  # the server closes its ends in its own time


class Garbler:
    """A server that greets, and answers with what it is told to."""

    def __init__(self, place: Place) -> None:
        self.socket = place.context.socket(zmq.ROUTER)
        self.socket.set(zmq.IDENTITY, SERVER.encode())
        self.socket.bind(place.address)

    def serve(self, answers: Callable[[dict[str, Any]], list[list[bytes]]]) -> None:
        while self.socket.poll(10_000):
            client, _, header, *_ = self.socket.recv_multipart()
            request = json.loads(header)
            answer = {
                "messageType": "REPLY",
                "messageID": request["messageID"],
                "senderID": SERVER,
                "receiverID": request["senderID"],
            }
            if request["messageType"] == "HANDSHAKE":
                good = json.dumps(answer | {"messageType": "HANDSHAKE"}).encode()
                self.socket.send_multipart([client, b"", good, b"null", b""])
                continue
            for frames in answers(answer):
                self.socket.send_multipart([client, *frames])
            return


@pytest.mark.parametrize(
    "garble",
    [
        lambda good: [b"", json.dumps(good | {"messageType": 5}).encode(), b"null", b""],
        lambda good: [b"", json.dumps(good).encode()[:-1], b"null", b""],
        lambda good: [b"", json.dumps(good).encode(), b"null"],
        lambda good: [b"", json.dumps(good).encode(), b"null", b"", b"", b""],
        lambda good: [b"", json.dumps({"messageID": good["messageID"]}).encode(), b"null", b""],
    ],
    ids=["wrong type", "cut", "four frames", "seven frames", "fields missing"],
)
def test_an_answer_that_cannot_be_read_is_an_error_for_its_caller_alone(
    place: Place, garble: Callable[[dict[str, Any]], list[bytes]]
) -> None:
    server = Garbler(place)
    with connect_to(server, place, lambda good: [garble(good)]) as client:
        waiting = RequestMessage.craft_with_message_type("me", SERVER).id
        with ThreadPoolExecutor() as pool:
            other = pool.submit(client.recv_response, waiting, 0.5)
            with pytest.raises(ProtocolError, match="can't be read"):
                client.execute("stage", "x", "readproperty", timeout=20)
            with pytest.raises(TimeoutError):
                other.result()
    server.socket.close(0)


def test_header_fields_of_an_answer_that_are_not_known_are_ignored(place: Place) -> None:
    server = Garbler(place)
    with connect_to(
        server, place, lambda good: [[b"", json.dumps(good | {"new": [1]}).encode(), b"7", b""]]
    ) as client:
        answer = client.execute("stage", "x", "readproperty", timeout=20)
        assert answer.payload.deserialize() == 7
    server.socket.close(0)


@contextmanager
def connect_to(
    server: Garbler, place: Place, answers: Callable[[dict[str, Any]], list[list[bytes]]]
) -> Iterator[SyncZMQClient]:
    serving = threading.Thread(target=server.serve, args=(answers,))
    serving.start()
    try:
        with connect(place) as client:
            yield client
    finally:
        serving.join()
