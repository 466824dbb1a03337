"""All that `ClientFactory.zmq`'s proxy does. Arguments: access point of the server."""

import asyncio
import io
import sys
import time

import numpy
from checks import check, raised, repeat_until, report, until
from hololinked.client import ClientFactory

access_point = sys.argv[1]
one = ClientFactory.zmq(server_id="bench", thing_id="one", access_point=access_point)


@check
def connects_to_each_worker():
    two = ClientFactory.zmq(server_id="bench", thing_id="two", access_point=access_point)
    two.limit = 77
    assert (two.limit, one.limit) == (77, 10)
    two.limit = 10
    assert (one.thing_id, two.thing_id) == ("one", "two")


@check
def property_is_read_and_written():
    one.limit = 20
    assert one.limit == 20
    one.write_property("limit", 10)
    assert one.read_property("limit") == 10
    assert one.name == "bench"


@check
def read_only_property_is_refused():
    raised(AttributeError, lambda: one.write_property("name", "x"))


@check
def members_of_parts_go_by_their_paths():
    one.write_property("parts[0].gain", 2.0)
    assert one.invoke_action("parts[0].double") == 4.0
    assert one.read_property("parts[0].gain") == getattr(one, "parts[0].gain") == 4.0


@check
def several_properties():
    assert one.read_multiple_properties(["name", "limit"]) == {"name": "bench", "limit": 10}
    assert one._get_properties(names=["limit"]) == {"limit": 10}
    assert one._get_properties(limit="top") == {"top": 10}
    own = {"level", "limit", "name", "data", "notes"}
    assert set(one._get_properties()) == {*own, "parts[0].gain"}
    one.write_multiple_properties(limit=12, level=3.0)
    assert one.read_multiple_properties(["limit", "level"]) == {"limit": 12, "level": 3.0}
    error = raised(RuntimeError, lambda: one.write_multiple_properties(limit=10, level=99))
    assert "level" in str(error), error
    assert one.limit == 10


@check
def several_properties_oneway_and_later():
    one.write_multiple_properties(limit=13, oneway=True)
    until(lambda: one.limit == 13)
    message = one.write_multiple_properties(limit=10, noblock=True)
    assert one.read_reply(message) is None
    message = one.read_multiple_properties(["limit"], noblock=True)
    assert one.read_reply(message) == {"limit": 10}


@check
def action_with_positional_arguments():
    assert one.add(1) == 3
    assert one.add(1, 5) == 6
    assert one.invoke_action("add", 1, 5) == 6


@check
def action_with_keyword_arguments():
    assert one.add(a=1, b=5) == 6
    assert one.add(1, b=5) == 6
    assert one.invoke_action("add", a=1) == 3


@check
def values_of_all_kinds():
    for value in (None, True, 0, -1.5, "µ ☃", [1, [2]], {"a": {"b": None}}, 2**70, ""):
        assert one.echo(value) == value, value
    assert one.mode() == "slow"


@check
def oneway():
    assert one.invoke_action("note", "oneway", oneway=True) is None
    until(lambda: "oneway" in one.notes)
    one.invoke_action("fail", oneway=True)
    assert one.write_property("limit", 15, oneway=True) is None
    until(lambda: one.limit == 15)
    one.limit = 10


@check
def noblock_and_read_reply():
    messages = [one.invoke_action("add", number, noblock=True) for number in range(20)]
    # in another order than they were sent
    assert [one.read_reply(message) for message in reversed(messages)] == [
        number + 2 for number in reversed(range(20))
    ]
    message = one.read_property("limit", noblock=True)
    assert one.read_reply(message) == 10
    message = one.write_property("limit", 10, noblock=True)
    assert one.read_reply(message) is None
    message = one.invoke_action("fail", "KeyError", noblock=True)
    raised(KeyError, lambda: one.read_reply(message))


@check
def async_forms():
    async def use():
        assert await one.async_invoke_action("add", 1, b=4) == 5
        assert await one.async_read_property("limit") == 10
        await one.async_write_property("limit", 11)
        assert await one.async_read_property("limit") == 11
        await one.async_write_multiple_properties(limit=10)
        assert await one.async_read_multiple_properties(["limit"]) == {"limit": 10}
        assert await one.async_invoke_action("double", 4) == 8
        try:
            await one.async_invoke_action("fail")
        except ValueError:
            return
        raise AssertionError("no ValueError")

    asyncio.run(use())


@check
def raw_bytes():
    assert one.raw() == b"\x00\x01\x02\x03"
    assert one.raw(size=0) in (b"", None)
    assert one.data == b"\x00\xff\x01"
    assert one.large(1 << 20) == bytes(1 << 20)


@check
def pairs():
    assert list(one.pair()) == [{"size": 3}, b"\x01\x02\x03"]


@check
def arrays_are_bytes_of_npy():
    assert numpy.load(io.BytesIO(one.array())).tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


@check
def builtin_errors():
    for kind in (ValueError, KeyError, ZeroDivisionError, OSError):
        error = raised(kind, lambda kind=kind: one.fail(kind.__name__, "because"))
        assert "because" in str(error)
        assert any("bench.py" in note for note in error.__notes__), error.__notes__


@check
def other_errors():
    # what has no builtin of one argument, or would end the client, comes as one of these two
    kinds = {
        "Custom": Exception,
        "SystemExit": RuntimeError,
        "KeyboardInterrupt": RuntimeError,
        "UnicodeDecodeError": RuntimeError,
    }
    for kind, local in kinds.items():
        error = raised(local, lambda kind=kind: one.fail(kind, "because"))
        assert "because" in str(error)


@check
def wrong_arguments():
    raised(TypeError, lambda: one.add())
    raised(TypeError, lambda: one.add(1, nothing=2))


@check
def unknown_thing():
    error = raised(
        KeyError,
        lambda: ClientFactory.zmq(server_id="bench", thing_id="tow", access_point=access_point),
    )
    assert "two" in str(error)


@check
def execution_logs():
    one.talk._thing_execution_context = {"fetch_execution_logs": True}
    answer = one.talk("hi")
    assert answer["return_value"] == 2
    newest, oldest = answer["execution_logs"]
    assert (newest["message"], newest["level"]) == ("then hi", "ERROR"), newest
    assert oldest["message"] == "first hi"
    assert set(newest) == {"level", "timestamp", "thread_id", "message"}
    one.fail._thing_execution_context = {"fetch_execution_logs": True}
    raised(ValueError, lambda: one.fail())
    assert one.fail.last_zmq_response.payload.deserialize()["execution_logs"] is not None
    one.fail._thing_execution_context = {"fetch_execution_logs": False}


@check
def execution_timeout():
    one.wait._execution_timeout = 0.2
    began = time.monotonic()
    error = raised(TimeoutError, lambda: one.wait(4.0))
    assert "xecution" in str(error)
    assert time.monotonic() - began < 3.5
    one.cancel()


@check
def invocation_timeout():
    one.wait._execution_timeout = 10.0
    message = one.invoke_action("wait", 10.0, noblock=True)
    one.add._invokation_timeout = 0.2
    error = raised(TimeoutError, lambda: one.add(1))
    assert "nvokation" in str(error)
    one.add._invokation_timeout = 5.0
    one.cancel()
    assert one.read_reply(message) is True


@check
def ping():
    assert one.td["properties"]
    from hololinked.client.zmq.consumed_interactions import ZMQAction
    from hololinked.core import Thing

    resource = Thing.ping.to_metadata()
    resource.override_defaults(name="ping", thing_id="one")
    ping = ZMQAction(
        resource=resource,
        sync_client=one.add._sync_zmq_client,
        async_client=one.add._async_zmq_client,
        owner_inst=None,
        logger=one.logger,
    )
    assert ping() is None


@check
def events():
    got = []
    one.subscribe_event("ticked", callbacks=lambda event: got.append(event.data))
    repeat_until(one.tick, lambda: got)
    one.unsubscribe_event("ticked")
    assert got[0] == {"n": 0}


@check
def concurrent_event_callbacks():
    got = []
    calls = [lambda event: got.append(event.data), lambda event: got.append(event.data)]
    one.subscribe_event("ticked", callbacks=calls, concurrent=True)
    repeat_until(one.tick, lambda: len(got) >= 2)
    one.unsubscribe_event("ticked")


@check
def events_in_asyncio():
    got = []

    async def use():
        async def callback(event):
            got.append(event.data)

        one.subscribe_event("ticked", callbacks=callback, asynch=True)
        for _ in range(200):
            await one.async_invoke_action("tick")
            await asyncio.sleep(0.03)
            if got:
                break
        one.unsubscribe_event("ticked")

    asyncio.run(use())
    assert got[0] == {"n": 0}


@check
def raw_event():
    got = []
    one.subscribe_event("blob", callbacks=lambda event: got.append(event.data))
    repeat_until(one.send_blob, lambda: got)
    one.unsubscribe_event("blob")
    assert got[0] == b"\x07\x08"


@check
def observed_property():
    got = []
    one.observe_property("level", callbacks=lambda event: got.append(event.data))
    values = iter(range(1000))
    repeat_until(lambda: one.write_property("level", next(values) % 10), lambda: len(got) >= 2)
    one.unobserve_property("level")
    assert got[0] != got[1]


@check
def description_tells_types():
    td = one.TD
    level = td["properties"]["level"]
    assert (level["type"], level["unit"], level["observable"]) == ("number", "V", True)
    assert level["description"] == "The level."
    assert td["properties"]["name"]["readOnly"] is True
    assert td["actions"]["add"]["input"]["properties"]["b"]["default"] == 2
    scheme = access_point.split("://")[0].lower()
    for kind in ("properties", "actions", "events"):
        for affordance in td[kind].values():
            assert all(form["href"].startswith(scheme + "://") for form in affordance["forms"])


@check
def members_are_listed():
    assert "add" in {each.resource.name for each in one.actions}
    assert "level" in {each.resource.name for each in one.properties}
    assert "ticked" in {each.resource.name for each in one.events}


report()
