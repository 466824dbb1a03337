"""A client's frames are counted and measured before they are read; refusals are clear."""

from __future__ import annotations

import json
from typing import Any

import pytest
import zmq

from orchestrator.core.admission import (
    Caps,
    Refusal,
    find_message_id,
    read_header,
    refuse_protocol,
    refuse_unread,
    response,
    unknown_worker,
)
from tests.core.kit import RESPONSE_FIELDS, RIG, request
from transports.errors import ProtocolError
from transports.headers import Limits, decode_request_header, read_limits

CAPS = Caps()


class Untouchable:
    """A frame that says its size and fails when it is read."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __bytes__(self) -> bytes:
        raise AssertionError("this frame must not be read")


def with_header(text: bytes) -> list[bytes]:
    return [b"alice", b"", text, b"null", b""]


class TestReadHeader:
    def test_a_request_is_read(self) -> None:
        """A request's fields and its size (header, payload, raw) are given."""
        frames = request("7", "stage", "move", payload=b"[1]", raw=b"1234")
        header, size = read_header(frames, 5, CAPS)
        assert (header.messageID, header.thingID, header.objekt) == ("7", "stage", "move")
        assert size == len(frames[2]) + 3 + 4

    def test_frames_of_a_socket_are_read(self) -> None:
        """Uncopied frames are as good as bytes."""
        frames = [zmq.Frame(frame) for frame in request("7")]
        header, _ = read_header(frames, 5, CAPS)
        assert header.messageID == "7"

    def test_absent_fields_have_their_defaults(self) -> None:
        """Only the four mandatory fields are needed; null is as good as left out."""
        short = request(without=("thingID", "objekt", "operation"))
        header, _ = read_header(short, 5, CAPS)
        assert (header.thingID, header.objekt, header.operation) == ("", "", "")
        header, _ = read_header(request(worker=None, payloadContentType=None), 5, CAPS)
        assert header.thingID is None
        assert header.payloadContentType is None

    def test_an_integer_id_stays_an_integer(self) -> None:
        """Message ids are echoed as they came."""
        header, _ = read_header(request(17), 5, CAPS)
        assert header.messageID == 17

    @pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 20_000])
    def test_frames_are_counted_first(self, count: int) -> None:
        """Other than five frames is refused before any frame is read."""
        frames: list[Any] = [Untouchable(1)] * min(count, 5)
        with pytest.raises(Refusal, match=f"this message has {count}") as caught:
            read_header(frames, count, CAPS)
        assert caught.value.type == "ValueError"

    def test_a_large_header_is_not_read(self) -> None:
        """A header over the cap is refused by its size alone."""
        frames: list[Any] = [b"alice", b"", Untouchable(CAPS.header + 1), b"null", b""]
        with pytest.raises(Refusal, match=f"at most {CAPS.header}"):
            read_header(frames, 5, CAPS)

    def test_a_large_message_is_not_read(self) -> None:
        """All frames together count against the cap of a message."""
        small = Caps(message=1000)
        head = request()[2]
        rest = small.message - len(head)
        frames: list[Any] = [b"alice", b"", head, Untouchable(rest - 10), Untouchable(10)]
        assert read_header(frames, 5, small)[1] == small.message
        frames[4] = Untouchable(11)
        with pytest.raises(Refusal, match="at most 1000 are accepted"):
            read_header(frames, 5, small)

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"not json",
            b"[]",
            b"null",
            b'"text"',
            b"{}",
            b"\xff\xfe",
            b'{"messageType": "\xff"}',
            b"{" * 30_000,
            b"[" * 60_000,
            request(without=["messageID"])[2],
            request(without=["messageType"])[2],
            request(without=["senderID"])[2],
            request(without=["receiverID"])[2],
            request(1.5)[2],
            request(True)[2],
            request(None)[2],
            request(["1"])[2],
            request(context=[])[2],
            request(context=5)[2],
            request(context="5")[2],
            request(thingID=3)[2],
            request()[2].replace(b'"1"', b"1" * 5000),
            request(context={"invokation_timeout": 1})[2].replace(b": 1}", b": 1e999}"),
        ],
    )
    def test_unreadable_headers_are_refused(self, text: bytes) -> None:
        """Whatever isn't a header of the wire format is a ValueError for the client."""
        with pytest.raises(Refusal, match="the header can't be read") as caught:
            read_header(with_header(text), 5, CAPS)
        assert caught.value.type == "ValueError"


def test_header_fields_that_are_not_known_are_ignored() -> None:
    header, *_ = read_header(with_header(request("the-id", surplus=1)[2]), 5, CAPS)
    assert header.messageID == "the-id"


class TestLimits:
    """The server execution context, in both spellings."""

    DEFAULTS = Limits(1.0, 2.0)

    def read(self, context: Any) -> Limits:
        header = decode_request_header(request(context=context)[2])
        return read_limits(header.serverExecutionContext, self.DEFAULTS)

    def test_absent(self) -> None:
        """A context that is left out means the worker's defaults."""
        header = decode_request_header(request()[2])
        assert read_limits(header.serverExecutionContext, self.DEFAULTS) == self.DEFAULTS

    @pytest.mark.parametrize(
        ("context", "limits"),
        [
            (None, Limits(None, None, False)),
            ({}, Limits(None, None, False)),
            ({"invokation_timeout": 3}, Limits(3.0, None)),
            ({"execution_timeout": 0.5}, Limits(None, 0.5)),
            ({"invokationTimeout": 3, "executionTimeout": 4}, Limits(3.0, 4.0)),
            ({"invokation_timeout": 1, "invokationTimeout": 9}, Limits(1.0, None)),
            ({"invokation_timeout": None, "invokationTimeout": 9}, Limits(None, None)),
            ({"invocation_timeout": 3}, Limits(None, None)),
            ({"execution_timeout": None, "oneway": True}, Limits(None, None, True)),
            ({"oneway": False}, Limits(None, None, False)),
            ({"oneway": None}, Limits(None, None, False)),
            ({"fetch_execution_logs": True}, Limits(None, None, False)),
            ({"execution_timeout": 10**400}, Limits(None, None)),
            ({"defaults": True}, Limits(1.0, 2.0)),
            ({"defaults": True, "execution_timeout": 9}, Limits(1.0, 9.0)),
            ({"defaults": True, "execution_timeout": None}, Limits(1.0, None)),
            ({"defaults": "yes"}, Limits(None, None)),
        ],
    )
    def test_both_spellings(self, context: Any, limits: Limits) -> None:
        """Snake case goes first; null or missing keys are no limit, unless defaults are asked."""
        assert self.read(context) == limits

    @pytest.mark.parametrize("value", [0, -1, -0.5, pytest.param(-(10**400), id="huge")])
    def test_nothing_is_no_time(self, value: float) -> None:
        """Zero or less, however far below, is no time at all and never "no limit"."""
        limit = self.read({"invokation_timeout": value}).invocation_timeout
        assert limit is not None
        assert limit <= 0

    @pytest.mark.parametrize("value", ["5", True, False, [], {}, [1], "x" * 10_000])
    @pytest.mark.parametrize("name", ["invokation_timeout", "executionTimeout"])
    def test_a_timeout_is_a_number(self, name: str, value: Any) -> None:
        """Anything else than a number or null is refused, in a short message naming the key."""
        with pytest.raises(ProtocolError, match=name) as caught:
            self.read({name: value})
        assert len(str(caught.value)) < 200
        refusal = refuse_protocol(caught.value)
        assert (refusal.type, refusal.message) == ("ValueError", str(caught.value))


class TestRefusals:
    def test_unknown_worker_near(self) -> None:
        """A misspelled worker is a KeyError that names the near one."""
        refusal = unknown_worker("rig", "stge", ["stage", "camera"])
        assert refusal.type == "KeyError"
        assert "'stge'" in refusal.message
        assert "did you mean 'stage'?" in refusal.message

    @pytest.mark.parametrize("name", ["zzz", "", None])
    def test_unknown_worker_far(self, name: str | None) -> None:
        """A name like no other gets the list of those that there are."""
        assert "it has camera, stage" in unknown_worker("rig", name, ["stage", "camera"]).message

    def test_response_has_exactly_the_six_fields(self) -> None:
        """Clients fail on any other key, so a response has the six and JSON null as payload."""
        frames = response(b"alice", 7, "alice", RIG, "HANDSHAKE")
        assert frames[:2] == [b"alice", b""]
        assert frames[3:] == [b"null", b""]
        header = json.loads(frames[2])
        assert set(header) == RESPONSE_FIELDS
        assert (header["messageID"], header["receiverID"]) == (7, "alice")
        assert header["senderID"] == RIG

    def refused(self, frames: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        refusal = Refusal("ValueError", "what is wrong")
        answer = refuse_unread(frames[0], find_message_id(frames), RIG, refusal)
        assert answer[0] == bytes(frames[0])
        assert len(answer) == 5
        return json.loads(answer[2]), json.loads(answer[3])["exception"]

    def test_the_id_is_looked_for(self) -> None:
        """A header that can't be used still gives its id, so that the caller is answered."""
        header, error = self.refused(request("the-id", thingID=5))
        assert header["messageType"] == "INVALID_MESSAGE"
        assert header["messageID"] == "the-id"
        assert header["receiverID"] == "alice"
        assert (error["type"], error["message"]) == ("ValueError", "what is wrong")
        assert error["outcome"] == "not started"

    @pytest.mark.parametrize(
        "frames",
        [
            [b"alice"],
            [b"alice", b""],
            [b"alice", b"", b""],
            with_header(b"{}"),
            with_header(b'{"messageID": 5}'),
            with_header(b'{"messageID": "' + b"x" * 200 + b'"}'),
            with_header(b" " * 4096 + b'"messageID": "far"'),
        ],
    )
    def test_without_an_id(self, frames: list[bytes]) -> None:
        """Where no id is found near the start the answer has an empty one."""
        assert self.refused(frames)[0]["messageID"] == ""

    def test_odd_bytes(self) -> None:
        """Identities and ids that aren't UTF-8 don't stop the refusal."""
        frames = [b"\xff\x00", b"", b'{"messageID": "\xff"}', b"", b""]
        header, _ = self.refused(frames)
        assert header["receiverID"] == "\ufffd\x00"
        assert header["messageID"] == "\ufffd"
