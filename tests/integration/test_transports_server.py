"""Servers against bare sockets: whatever arrives, the next request is served."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import zmq

from tests.integration.transports_kit import (
    SERVER,
    Echo,
    Place,
    Stranger,
    short_folder,
    spin,
)
from transports import AsyncZMQClient, AsyncZMQServer, BaseZMQServer, RequestMessage, ZMQServerPool
from transports.errors import BreakLoop
from transports.hololinked.messages import ResponseMessage
from transports.serializers import PreserializedData, SerializableData


@pytest.fixture(params=["INPROC", "IPC", "TCP"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with short_folder() as folder:
        place = Place(request.param, folder)
        yield place
        place.close()


@pytest.fixture
def here() -> Iterator[Place]:
    with short_folder() as folder:
        place = Place("INPROC", folder)
        yield place
        place.close()


@pytest.fixture
def echo(place: Place) -> Iterator[Echo]:
    with Echo(place) as echo:
        yield echo


@pytest.fixture
def stranger(place: Place, echo: Echo) -> Iterator[Stranger]:
    with Stranger(place) as stranger:
        yield stranger


@asynccontextmanager
async def serving(place: Place, **kwargs: Any) -> AsyncIterator[AsyncZMQServer]:
    async with AsyncZMQServer(
        id=SERVER, context=place.aio, socket_address=place.address, **kwargs
    ) as server:
        yield server


def assert_serves(stranger: Stranger) -> None:
    stranger.ask("after", b'"after"')
    header, payload = stranger.receive()
    assert (header["messageID"], payload) == ("after", "after")


def test_a_request_is_answered_as_on_the_wire(stranger: Stranger) -> None:
    stranger.ask("7", b"[1.5]")
    header, payload = stranger.receive()
    assert header == {
        "messageType": "REPLY",
        "messageID": "7",
        "receiverID": "stranger",
        "senderID": SERVER,
        "payloadContentType": "application/json",
        "preencodedPayloadContentType": "text/plain",
    }
    assert payload == [1.5]


def test_a_handshake_is_answered(stranger: Stranger) -> None:
    stranger.ask("h", messageType="HANDSHAKE")
    header, payload = stranger.receive()
    assert (header["messageType"], header["messageID"], payload) == ("HANDSHAKE", "h", None)


def test_raw_bytes_come_back_untouched(stranger: Stranger) -> None:
    raw = bytes(range(256)) * 1024
    header = json.dumps(stranger.header(preencodedPayloadContentType="image/png")).encode()
    stranger.send(b"", header, b"null", raw)
    assert stranger.socket.poll(5000)
    frames = stranger.socket.recv_multipart()
    assert frames[4] == raw
    assert json.loads(frames[2])["preencodedPayloadContentType"] == "image/png"


@pytest.mark.parametrize("count", [1, 2, 4, 6, 7, 300])
def test_a_wrong_number_of_frames_is_answered_if_the_header_can_be_read(
    stranger: Stranger, count: int
) -> None:
    frames = [b"", json.dumps(stranger.header("bad")).encode(), *[b"null"] * 300]
    stranger.ask("before", b"1")
    stranger.send(*frames[: count - 1])
    stranger.ask("next", b"2")
    answers = [stranger.receive() for _ in range(2 if count < 3 else 3)]
    by_id = {header["messageID"]: (header["messageType"], payload) for header, payload in answers}
    assert by_id["before"] == ("REPLY", 1)
    assert by_id["next"] == ("REPLY", 2)
    if count >= 3:
        kind, payload = by_id["bad"]
        assert kind == "INVALID_MESSAGE"
        assert payload["exception"]["type"] == "ValueError"
        assert payload["exception"]["outcome"] == "not started"
        assert str(count) in payload["exception"]["message"]


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"null",
        b"{}",
        b"\xff\xfe",
        b'{"messageType":"OPERATION"}',
        b'{"messageType":"X","messageID":[],"senderID":"s","receiverID":"r"}',
        b'{"messageType":"X","messageID":"1","senderID":"s","receiverID":"r",'
        b'"thingExecutionContext":{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
        b'"' + b"x" * 1_000_000 + b'"',
    ],
)
def test_a_header_that_cannot_be_read_touches_nobody_else(
    stranger: Stranger, header: bytes
) -> None:
    stranger.ask("before", b"1")
    stranger.send(b"", header, b"null", b"")
    stranger.ask("next", b"2")
    assert [stranger.receive()[1] for _ in range(2)] == [1, 2]
    assert_serves(stranger)


def test_twenty_thousand_frames_are_refused(stranger: Stranger) -> None:
    header = json.dumps(stranger.header("many")).encode()
    stranger.send(b"", header, *[b""] * 20_000)
    answer, payload = stranger.receive()
    assert answer["messageType"] == "INVALID_MESSAGE"
    assert "20003" in payload["exception"]["message"]
    assert_serves(stranger)


def test_an_answer_goes_to_the_peer_and_not_to_whom_it_names(
    place: Place, stranger: Stranger
) -> None:
    with Stranger(place, "mallory") as mallory:
        mallory.ask("forged", senderID="stranger")
        header, _ = mallory.receive()
        assert header["receiverID"] == "stranger"
        assert_serves(stranger)


def test_a_client_that_is_gone_is_counted(place: Place, echo: Echo, stranger: Stranger) -> None:
    number = 0
    while echo.server.undelivered == 0:
        number += 1
        with Stranger(place, f"brief-{number}") as brief:
            brief.ask("1", objekt="hold")
            brief.ask("2")
            assert brief.receive()[0]["messageID"] == "2"
        stranger.ask("3", objekt="release")
        stranger.receive()
    assert_serves(stranger)


def test_exit_ends_the_loop_after_what_came_before_it(here: Place) -> None:
    async def main() -> list[str]:
        async with serving(here) as server:
            with Stranger(here) as stranger:
                stranger.ask("1")
                stranger.ask("2", messageType="EXIT")
                stranger.ask("3")
                seen = [request.id for request in await server.poll_requests()]
                with pytest.raises(BreakLoop, match="EXIT"):
                    await server.poll_requests()
                seen += [request.id for request in await server.poll_requests()]
                return seen

    assert asyncio.run(main()) == ["1", "3"]


def test_a_server_may_ignore_exit(here: Place) -> None:
    class Lasting(AsyncZMQServer):
        def handled_default_message_types(self, request_message: RequestMessage) -> bool:
            try:
                return super().handled_default_message_types(request_message)
            except BreakLoop:
                return True

    async def main() -> Any:
        async with Lasting(id=SERVER, context=here.aio, transport="INPROC") as server:
            with Stranger(here) as stranger:
                stranger.ask("1", messageType="EXIT")
                stranger.ask("2")
                return (await server.async_recv_request()).id

    assert asyncio.run(main()) == "2"


def test_one_request_at_a_time_or_all_that_are_there(here: Place) -> None:
    async def main() -> None:
        async with serving(here) as server:
            with Stranger(here) as stranger:
                for number in range(600):
                    stranger.ask(str(number))
                assert (await server.async_recv_request()).id == "0"
                seen: list[str] = []
                while len(seen) < 599:
                    batch = await server.async_recv_requests()
                    assert 0 < len(batch) <= 256
                    seen += [request.id for request in batch]
                assert seen == [str(number) for number in range(1, 600)]

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["HANDSHAKE", None])
def test_a_flood_of_what_is_no_request_does_not_hide_one(here: Place, kind: str | None) -> None:
    async def main() -> Any:
        async with serving(here) as server:
            with Stranger(here) as stranger:
                for number in range(900):
                    stranger.ask(str(number), messageType=kind)
                stranger.ask("at last")
                return (await asyncio.wait_for(server.async_recv_request(), 10)).id

    assert asyncio.run(main()) == "at last"


def test_sending_does_not_swallow_the_sign_of_a_request(here: Place) -> None:
    async def main() -> Any:
        async with serving(here) as server:
            with Stranger(here) as stranger:
                stranger.ask("1")
                first = await server.async_recv_request()
                polling = asyncio.create_task(server.poll_requests())
                await asyncio.sleep(0)
                stranger.ask("2")
                spin()
                await server.async_send_response(first)
                return [request.id for request in await asyncio.wait_for(polling, 10)]

    assert asyncio.run(main()) == ["2"]


def test_two_tasks_may_wait_and_a_cancelled_one_loses_nothing(here: Place) -> None:
    async def main() -> set[str]:
        async with serving(here) as server:
            with Stranger(here) as stranger:
                tasks = [asyncio.create_task(server.async_recv_request()) for _ in range(3)]
                await asyncio.sleep(0)
                tasks[0].cancel()
                for number in range(2):
                    stranger.ask(str(number))
                return {(await task).id for task in tasks[1:]}

    assert asyncio.run(main()) == {"0", "1"}


def test_polling_is_stopped_at_once_and_from_any_thread(here: Place) -> None:
    async def main() -> None:
        async with serving(here, poll_timeout=60_000) as server:
            server.stop_polling()
            assert await server.poll_requests() == []
            polling = asyncio.create_task(server.poll_requests())
            await asyncio.sleep(0)
            stopper = threading.Thread(target=server.stop_polling)
            stopper.start()
            assert await asyncio.wait_for(polling, 5) == []
            stopper.join()

    asyncio.run(main())


def test_exit_wakes_who_waits(here: Place) -> None:
    async def main() -> None:
        async with serving(here) as server:
            polling = asyncio.create_task(server.poll_requests())
            receiving = asyncio.create_task(server.async_recv_request())
            await asyncio.sleep(0)
            server.exit()
            assert await asyncio.wait_for(polling, 5) == []
            with pytest.raises(ConnectionAbortedError):
                await asyncio.wait_for(receiving, 5)

    asyncio.run(main())


def test_a_server_lives_through_several_event_loops(here: Place) -> None:
    with (
        AsyncZMQServer(id=SERVER, context=here.aio, transport="INPROC") as server,
        Stranger(here) as stranger,
    ):
        for number in range(3):
            stranger.ask(str(number))
            assert asyncio.run(server.async_recv_request()).id == str(number)


def test_a_second_event_loop_is_refused_while_the_first_waits(here: Place) -> None:
    """It would take the first one's messages, and leave it deaf."""

    async def elsewhere() -> None:
        for call in (server.poll_requests, server.async_recv_request, pool.poll):
            with pytest.raises(RuntimeError, match="in another event loop already"):
                await call()
        with pytest.raises(RuntimeError, match="in another event loop already"):
            await server.async_send_response(RequestMessage.craft_with_message_type("a", SERVER))

    async def main() -> None:
        first = asyncio.create_task(server.async_recv_request())
        await asyncio.sleep(0)
        await asyncio.to_thread(asyncio.run, elsewhere())
        stranger.ask("heard")
        assert (await asyncio.wait_for(first, 10)).id == "heard"

    with (
        AsyncZMQServer(id=SERVER, context=here.aio, transport="INPROC") as server,
        ZMQServerPool(context=here.aio) as pool,
        Stranger(here) as stranger,
    ):
        pool.register_server(server)
        asyncio.run(main())
        stranger.ask("later")  # the loop that was in the way is closed
        assert [each.id for each in asyncio.run(pool.poll())] == ["later"]
        pool.deregister_server(server)


@pytest.mark.parametrize("inside", [True, False])
def test_answers_that_are_no_replies_work_in_a_loop_and_outside(here: Place, inside: bool) -> None:
    async def receive(server: AsyncZMQServer, act: Callable[[RequestMessage], None]) -> None:
        request = await server.async_recv_request()
        if inside:
            act(request)
        else:
            await asyncio.to_thread(act, request)

    with (
        AsyncZMQServer(id=SERVER, context=here.aio, transport="INPROC") as server,
        Stranger(here) as stranger,
    ):
        acts: list[tuple[str, Callable[[RequestMessage], None], Any]] = [
            ("HANDSHAKE", server.handshake, None),
            ("TIMEOUT", server.handle_timeout, "invokation"),
            ("TIMEOUT", lambda request: server.handle_timeout(request, "execution"), "execution"),
            ("EXCEPTION", lambda r: server.handle_error_message(r, KeyError("k")), "failed"),
            ("INVALID_MESSAGE", lambda r: server.handle_invalid_message(r, KeyError("k")), "not"),
        ]
        for kind, act, expected in acts:
            stranger.ask(kind)
            asyncio.run(receive(server, act))
            header, payload = stranger.receive()
            assert (header["messageType"], header["messageID"]) == (kind, kind)
            if isinstance(payload, dict):
                assert payload["exception"]["outcome"].startswith(expected)
            else:
                assert payload == expected


def test_the_base_says_what_a_subclass_must_define() -> None:
    server = BaseZMQServer("bare")
    request = RequestMessage.craft_with_message_type("me", "bare", "HANDSHAKE")
    calls: list[tuple[str, Callable[[], object]]] = [
        ("_handshake", lambda: server.handled_default_message_types(request)),
        ("_handle_timeout", lambda: server.handle_timeout(request)),
        ("_handle_invalid_message", lambda: server.handle_invalid_message(request, KeyError())),
        ("_handle_error_message", lambda: server.handle_error_message(request, KeyError())),
    ]
    for name, call in calls:
        with pytest.raises(NotImplementedError, match=name):
            call()


def test_a_hook_that_fails_in_the_background_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(BaseZMQServer):
        async def _handshake(self, request_message: RequestMessage) -> None:
            raise RuntimeError("no pen")

    async def main() -> None:
        server = Failing("failing")
        server.handshake(RequestMessage.craft_with_message_type("me", "failing"))
        while server._background:
            await asyncio.sleep(0)

    asyncio.run(main())
    assert "no pen" in caplog.text


@pytest.mark.parametrize("value", [-1, 1.5, "25", True])
def test_a_poll_timeout_is_a_number_of_milliseconds(here: Place, value: Any) -> None:
    with pytest.raises(ValueError, match="milliseconds"):
        AsyncZMQServer(id=SERVER, context=here.aio, transport="INPROC", poll_timeout=value)


def test_a_reply_may_have_any_type(here: Place) -> None:
    async def main() -> ResponseMessage:
        async with serving(here) as server:
            client = AsyncZMQClient("me", SERVER, False, "INPROC", here.aio)
            async with client:
                message_id = await client.async_send_request("stage", "x", "readproperty")
                request = await server.async_recv_request()
                await server.async_send_response_with_message_type(
                    request, "EXCEPTION", SerializableData({}), PreserializedData(b"\0", "x/y")
                )
                with pytest.raises(TypeError):
                    await server.async_send_response(request, SerializableData(object()))
                return await client.async_recv_response(message_id, 5)

    answer = asyncio.run(main())
    assert answer.type == "EXCEPTION"
    assert answer.preserialized_payload.value == b"\0"


def test_a_pool_serves_each_server(here: Place) -> None:
    async def main() -> dict[str, Any]:
        async def serve(pool: ZMQServerPool) -> None:
            while requests := await pool.poll():
                for request in requests:
                    await pool.async_send_response(
                        id=request.receiver_id,
                        request_message=request,
                        payload=SerializableData(request.receiver_id),
                    )

        with ZMQServerPool(ids=["a", "b"], context=here.aio, transport="INPROC") as pool:
            pool.register_server(AsyncZMQServer(id="c", context=here.aio, transport="INPROC"))
            serving = asyncio.create_task(serve(pool))
            found = {}
            for name in "abc":
                async with AsyncZMQClient("me", name, True, "INPROC", here.aio) as client:
                    answer = await client.async_execute("t", "x", "readproperty", timeout=5)
                    found[name] = answer.payload.deserialize()
            pool.stop_polling()
            await asyncio.wait_for(serving, 5)
            return found

    assert asyncio.run(main()) == {"a": "a", "b": "b", "c": "c"}


def test_a_pool_knows_its_servers(here: Place) -> None:
    with ZMQServerPool(context=here.aio) as pool:
        server = AsyncZMQServer(id="a", context=here.aio, transport="INPROC")
        pool.register_server(server)
        pool.register_server(server)
        assert "a" in pool
        assert pool["a"] is server
        assert list(pool) == ["a"]
        with pytest.raises(TypeError, match="AsyncZMQServer"):
            pool.register_server(object())  # type: ignore[arg-type]
        with pytest.raises(NotImplementedError):
            pool.create_socket(id="x")
        pool.deregister_server(server)
        assert "a" not in pool
        server.exit()


def test_a_pool_passes_on_one_servers_exit_message(here: Place) -> None:
    async def main() -> None:
        with (
            ZMQServerPool(ids=[SERVER], context=here.aio, transport="INPROC") as pool,
            Stranger(here) as stranger,
        ):
            stranger.ask("1")
            stranger.ask("2", messageType="EXIT")
            assert [request.id for request in await pool.poll()] == ["1"]
            with pytest.raises(BreakLoop):
                await pool.poll()
            stranger.ask("3")
            assert (await pool.async_recv_request(SERVER)).id == "3"
            stranger.ask("4")
            assert [request.id for request in await pool.async_recv_requests(SERVER)] == ["4"]

    asyncio.run(main())


def test_a_pool_that_cannot_bind_leaves_nothing(here: Place) -> None:
    with pytest.raises(zmq.ZMQError):
        ZMQServerPool(ids=["a", "b"], context=here.aio, transport="inproc://same")
