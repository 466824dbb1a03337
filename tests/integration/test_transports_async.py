"""Awaited clients and their pool: many calls at once, cancelled, cut off, and at work again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import zmq
import zmq.asyncio

from tests.integration.transports_kit import (
    SERVER,
    Echo,
    Place,
    Stranger,
    short_folder,
    spin,
    value,
)
from transports import AsyncZMQClient, AsyncZMQServer, MessageMappedZMQClientPool, SyncZMQClient
from transports.errors import BreakLoop
from transports.headers import execution_context
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


def connect(place: Place, id: str = "me", **kwargs: Any) -> AsyncZMQClient:
    given = {"socket_address": place.address, "handshake_timeout": 10_000} | kwargs
    return AsyncZMQClient(id, SERVER, context=place.aio, **given)


async def echoed(client: AsyncZMQClient, data: Any, objekt: str = "x") -> Any:
    answer = await client.async_execute("stage", objekt, "writeproperty", value(data), timeout=10)
    assert answer.type == "REPLY"
    return answer.payload.deserialize()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def stopped(echo: Echo) -> None:
    await asyncio.to_thread(echo.stop)


def test_many_tasks_share_a_client(place: Place, echo: Echo) -> None:
    async def main() -> None:
        async with connect(place) as client:
            answers = await asyncio.gather(*(echoed(client, n) for n in range(300)))
            assert answers == list(range(300))

    asyncio.run(main())


def test_a_handshake_goes_on_in_the_background(place: Place) -> None:
    async def main() -> None:
        with connect(place) as client:
            with pytest.raises(TimeoutError, match="20 ms"):
                await client.handshake_complete(20)
            with Echo(place):
                await client.handshake_complete(10_000)
                await client.handshake_complete(0)
                assert await echoed(client, 1) == 1

    asyncio.run(main())


def test_a_handshake_that_failed_is_told_once_and_can_be_repeated(place: Place) -> None:
    async def main() -> None:
        with connect(place, handshake_timeout=20) as client:
            with pytest.raises(ConnectionError, match="nothing accepts"):
                await client.handshake_complete()
            with Echo(place):
                await client.handshake_complete(10_000)
                assert await echoed(client, 1) == 1

    asyncio.run(main())


def test_outside_of_a_loop_the_constructor_waits(place: Place) -> None:
    with pytest.raises(ConnectionError, match="nothing accepts"):
        connect(place, handshake_timeout=20)
    # over inproc the one that gave up is connected all the same, once there is a server
    with Echo(place), connect(place, "another") as client:
        assert asyncio.run(echoed(client, 1)) == 1
        assert asyncio.run(echoed(client, 2)) == 2  # in another loop


def test_entering_waits_for_the_handshake_and_cleans_up_after_it(place: Place) -> None:
    async def main() -> None:
        client = connect(place, handshake_timeout=20)
        with pytest.raises(ConnectionError):
            async with client:
                pytest.fail("entered")
        assert client.socket.closed

    asyncio.run(main())


def test_a_cancelled_call_loses_only_its_own_answer(place: Place, echo: Echo) -> None:
    async def main() -> None:
        async with connect(place) as client:
            held = asyncio.create_task(echoed(client, "held", "hold"))
            others = [asyncio.create_task(echoed(client, n, "hold")) for n in range(20)]
            await until(lambda: echo.seen.count("hold") == 21)
            held.cancel()
            for task in others[::2]:
                task.cancel()
            await echoed(client, None, "release")
            done = await asyncio.gather(held, *others, return_exceptions=True)
            assert [each for each in done if isinstance(each, int)] == list(range(1, 20, 2))
            assert len(client._answers) == 0

    asyncio.run(main())


def test_a_wait_is_bounded_and_the_answer_can_still_be_had(place: Place, echo: Echo) -> None:
    async def main() -> None:
        async with connect(place) as client:
            late = await client.async_send_request("stage", "hold", "writeproperty", value(1))
            with pytest.raises(TimeoutError):
                await client.async_recv_response(late, timeout=0.01)
            await echoed(client, None, "release")
            answer = await client.async_recv_response(late, timeout=10)
            assert answer.payload.deserialize() == 1
            with pytest.raises(ValueError, match="oneway"):
                await client.async_execute(
                    "t", "x", "y", server_execution_context=execution_context(oneway=True)
                )

    asyncio.run(main())


def test_who_waits_is_told_at_once_that_the_server_went(place: Place) -> None:
    async def main() -> None:
        with Echo(place) as echo:
            async with connect(place, poll_timeout=10_000) as client:
                for _ in range(3):
                    echo.seen.clear()
                    calls = [asyncio.create_task(echoed(client, n, "silence")) for n in range(5)]
                    await until(lambda: len(echo.seen) == 5)
                    await stopped(echo)
                    for call in calls:
                        with pytest.raises(ConnectionAbortedError):
                            await call
                    echo.start()
                    assert await echoed(client, 1) == 1

    asyncio.run(main())


def test_sending_does_not_swallow_the_sign_of_an_answer(
    place: Place, echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with connect(place) as client:
            held = asyncio.create_task(echoed(client, "held", "hold"))
            await until(lambda: "hold" in echo.seen)
            send = client._connection.send

            def send_once_the_answer_is_there(frames: Any) -> Any:
                with Stranger(place) as stranger:
                    stranger.ask("1", objekt="release")
                    stranger.ask("2")
                    assert [stranger.receive()[0]["messageID"] for _ in range(2)] == ["1", "2"]
                spin()
                return send(frames)

            monkeypatch.setattr(client._connection, "send", send_once_the_answer_is_there)
            await client.async_send_request("stage", "silence", "readproperty")
            assert await asyncio.wait_for(held, 5) == "held"

    asyncio.run(main())


def test_who_waits_for_room_is_told_when_there_is_some(place: Place) -> None:
    async def main() -> None:
        async with (
            AsyncZMQServer(
                id=SERVER,
                context=place.aio,
                socket_address=place.address,
                socket_options={zmq.RCVHWM: 2},
            ) as server,
            connect(
                place, handshake=False, poll_timeout=60_000, socket_options={zmq.SNDHWM: 2}
            ) as client,
        ):
            raw = PreserializedData(bytes(1 << 20))
            sent = 0

            async def send() -> None:
                nonlocal sent
                await client.async_send_request("stage", "x", "writeproperty", None, raw)
                sent += 1

            async def fill() -> None:
                while True:
                    await asyncio.wait_for(send(), 0.3)

            with pytest.raises(TimeoutError):
                await fill()
            waiting = asyncio.create_task(send())
            await asyncio.sleep(0)
            seen = 0
            while seen < sent:
                seen += len(await asyncio.wait_for(server.async_recv_requests(), 10))
            await asyncio.wait_for(waiting, 10)

    asyncio.run(main())


def test_those_that_look_for_a_server_do_it_once_for_all(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with connect(place, handshake=False, poll_timeout=300) as client:
            renewals = 0
            renew = client._connection.renew

            def counted() -> None:
                nonlocal renewals
                renewals += 1
                renew()

            monkeypatch.setattr(client._connection, "renew", counted)
            calls = await asyncio.gather(
                *(echoed(client, n) for n in range(20)), return_exceptions=True
            )
            assert {type(call) for call in calls} == {ConnectionError}
            assert 0 < renewals < 40  # each for itself would do it about a hundred times

    asyncio.run(main())


def test_stop_and_exit_end_the_waits_in_progress(place: Place, echo: Echo) -> None:
    async def main() -> None:
        async with connect(place) as client:
            ends: list[tuple[Callable[[], None], type[Exception]]] = [
                (client.stop, BreakLoop),
                (lambda: None, BreakLoop),
                (client.exit, ConnectionAbortedError),
            ]
            for end, error in ends:
                echo.seen.clear()
                call = asyncio.create_task(echoed(client, 1, "silence"))
                await until(lambda: "silence" in echo.seen)
                if error is BreakLoop:  # from any thread
                    thread = threading.Thread(target=client.stop)
                    thread.start()
                    thread.join()
                end()
                with pytest.raises(error):
                    await call
            with pytest.raises(ConnectionAbortedError):
                await echoed(client, 2)

    asyncio.run(main())


def test_the_socket_may_be_used_by_hand_beside_it(place: Place, echo: Echo) -> None:
    """A zmq.asyncio socket watches the same descriptor; neither may stop the other."""

    async def main() -> None:
        async with connect(place) as client:
            request, _ = client._compose("t", "x", "writeproperty", value(7), None, None, None)
            await client.socket.send_multipart(request.byte_array)
            answer = await client.async_recv_response(request.id, timeout=10)
            assert answer.payload.deserialize() == 7
            assert await echoed(client, 8) == 8

    asyncio.run(main())


def test_a_pool_reaches_things_by_name(place: Place, echo: Echo) -> None:
    async def main() -> None:
        async with MessageMappedZMQClientPool(
            "pool", ["one", "two"], [SERVER, SERVER], transport=place.address, context=place.aio
        ) as pool:
            await pool.handshake_complete(10_000)
            pool.register(pool["one"], "stage")
            pool.register(pool["one"], "laser")
            pool.register(pool["two"], "camera")
            pool.start_polling()
            pool.start_polling()
            for thing in ("stage", "laser", "camera"):
                answer = await pool.async_execute(thing, "x", "writeproperty", value(thing))
                assert answer.payload.deserialize() == thing
                assert pool.get_client_protocol(thing) == place.transport
            assert pool.get_client_id_from_thing_id("laser") == "one"
            assert pool.get_thing_id_from_client_id("one") == "laser"
            assert {client.id for client in pool} == {"one", "two"}
            assert "two" in pool
            for call in (pool.get_client_id_from_thing_id, pool.get_client_protocol):
                with pytest.raises(ValueError, match="'nobody'"):
                    call("nobody")
            with pytest.raises(ValueError, match="'nobody'"):
                pool.get_thing_id_from_client_id("nobody")
            with pytest.raises(ValueError, match="'nobody'"):
                await pool.async_execute("nobody", "x", "readproperty")

    asyncio.run(main())


def test_a_pool_asks_all_at_once(place: Place, echo: Echo) -> None:
    async def main() -> None:
        async with pool_of(place, "a", "b", "c") as pool:
            answers = await pool.async_execute_in_all("x", "writeproperty", value(1))
            assert {name: each.payload.deserialize() for name, each in answers.items()} == {
                "a": 1,
                "b": 1,
                "c": 1,
            }
            some = await pool.async_execute_in_all("x", "readproperty", thing_ids=["b"])
            assert list(some) == ["b"]
            things = await pool.async_execute_in_all_things("x", "readproperty")
            assert set(things) == {"a", "b", "c"}
            echo.seen.clear()
            assert set(await pool.ping_all_servers(timeout=10)) == {"a", "b", "c"}
            assert echo.seen == ["ping"] * 3
            with pytest.raises(TimeoutError) as caught:
                await pool.async_execute_in_all("silence", "readproperty", timeout=0.01)
            assert caught.value.__notes__ == ["in the Thing 'a'"]

    asyncio.run(main())


def pool_of(place: Place, *things: str) -> MessageMappedZMQClientPool:
    """A pool with a client for each Thing, polling."""
    clients = [f"client-{thing}" for thing in things]
    pool = MessageMappedZMQClientPool(
        "pool", clients, [SERVER] * len(clients), context=place.aio, access_point=place.address
    )
    for client, thing in zip(clients, things, strict=True):
        pool.register(pool[client], thing)
    pool.start_polling()
    return pool


def test_a_pools_late_answers_are_dropped(place: Place, echo: Echo) -> None:
    async def main() -> None:
        async with pool_of(place, "stage") as pool:
            late = await pool.async_send_request("stage", "hold", "writeproperty", value(1))
            with pytest.raises(TimeoutError):
                await pool.async_recv_response("stage", late, timeout=0.01)
            await pool.async_execute("stage", "release", "readproperty", timeout=10)
            for unknown in (late, "no such id"):
                with pytest.raises(KeyError, match="is expected"):
                    await pool.async_recv_response("stage", unknown, timeout=10)

    asyncio.run(main())


def test_a_pool_tells_its_callers_and_comes_back_by_itself(place: Place) -> None:
    async def main() -> None:
        with Echo(place) as echo:
            async with pool_of(place, "stage", "laser") as pool:
                await pool.handshake_complete(10_000)
                for _ in range(3):
                    echo.seen.clear()
                    calls = [
                        asyncio.create_task(pool.async_execute(name, "silence", "readproperty"))
                        for name in ("stage", "laser")
                    ]
                    await until(lambda: len(echo.seen) == 2)
                    await stopped(echo)
                    for call in calls:
                        with pytest.raises(ConnectionAbortedError):
                            await call
                    echo.start()
                    # nobody asks, and yet the clients reach the server again
                    await until(lambda: all(client._up for client in pool))
                    answer = await pool.async_execute("stage", "x", "writeproperty", value(1))
                    assert answer.payload.deserialize() == 1

    asyncio.run(main())


@pytest.mark.parametrize("place", ["INPROC"], indirect=True)
def test_one_server_of_a_pool_that_went_leaves_the_others(place: Place) -> None:
    async def main() -> None:
        with Echo(place) as echo:
            async with pool_of(place, "stage") as pool:
                other = AsyncZMQServer(id="other", context=place.aio, transport="INPROC")
                pool.create_new("client-other", "other", "INPROC")
                pool.register(pool["client-other"], "laser")
                doomed = asyncio.create_task(pool.async_execute("laser", "x", "readproperty"))
                assert (await other.async_recv_request()).thing_id == "laser"
                alive = asyncio.create_task(pool.async_execute("stage", "hold", "readproperty"))
                await until(lambda: "hold" in echo.seen)
                other.exit()
                with pytest.raises(ConnectionAbortedError):
                    await doomed
                await pool.async_execute("stage", "release", "readproperty", timeout=10)
                assert (await alive).type == "REPLY"

    asyncio.run(main())


def test_stopping_a_pool_ends_its_calls(place: Place, echo: Echo) -> None:
    async def main() -> None:
        async with pool_of(place, "stage") as pool:
            call = asyncio.create_task(pool.async_execute("stage", "silence", "readproperty"))
            await until(lambda: "silence" in echo.seen)
            pool.stop_polling()
            with pytest.raises(BreakLoop):
                await call
            pool.start_polling()
            assert (await pool.async_execute("stage", "x", "readproperty")).type == "REPLY"

    asyncio.run(main())


def test_a_pool_refuses_what_does_not_fit(place: Place, echo: Echo) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="1 client_ids for 0 server_ids"):
            MessageMappedZMQClientPool("pool", ["me"], [], context=place.aio)
        with pytest.raises(TypeError, match="'adress'"):
            MessageMappedZMQClientPool("pool", [], [], context=place.aio, adress="x")
        async with pool_of(place, "stage") as pool:
            with pytest.raises(ValueError, match="another client"):
                pool.create_new("client-stage", SERVER, place.address)
            with pytest.raises(TypeError, match="AsyncZMQClient"):
                pool.register(object())  # type: ignore[arg-type]
            with (
                connect(place, "client-stage", handshake=False) as other,
                pytest.raises(ValueError, match="another client"),
            ):
                pool.register(other)
            with pytest.raises(ValueError, match="milliseconds"):
                pool.poll_timeout = -1

    asyncio.run(main())


@pytest.mark.parametrize("place", ["IPC", "TCP"], indirect=True)
def test_a_pool_with_a_context_of_its_own_ends_it(place: Place, echo: Echo) -> None:
    async def main() -> zmq.asyncio.Context:
        pool = MessageMappedZMQClientPool("pool", ["me"], [SERVER], transport=place.address)
        with pool:
            pool.register(pool["me"], "stage")
            pool.handshake(10_000)
            await pool.handshake_complete(10_000)
            assert (await pool.async_execute("stage", "x", "readproperty")).type == "REPLY"
            return pool.context  # type: ignore[return-value]

    assert asyncio.run(main()).closed


def test_blocking_and_awaited_clients_share_a_server(place: Place, echo: Echo) -> None:
    async def main(blocking: SyncZMQClient) -> None:
        async with connect(place, "awaited") as client:

            async def ask(number: int) -> Any:
                call: Awaitable[Any] = asyncio.to_thread(
                    blocking.execute, "t", "x", "writeproperty", value(number), timeout=10
                )
                ours, theirs = await asyncio.gather(echoed(client, number), call)
                return ours == theirs.payload.deserialize() == number

            assert all(await asyncio.gather(*(ask(n) for n in range(30))))

    with SyncZMQClient(
        "blocking", SERVER, context=place.context, socket_address=place.address
    ) as blocking:
        asyncio.run(main(blocking))
