"""What a request was given, in words: short, without secrets, and nothing is made of its bytes."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any

import numpy as np
import pytest

from orchestrator.access.value_limits import VALUE
from orchestrator.core.effects import Asked, Fact
from orchestrator.rig.arguments import LONGEST_READ, LONGEST_SHOWN, MOST_SHOWN, by_name, in_words
from orchestrator.rig.audit import Audit
from orchestrator.rig.callers import Callers
from tests.core.rig_kit import Bench
from transports.levels import AUDIT
from transports.references import Reference
from transports.serializers import JSON, OCTETS, XORCH, encode
from transports.values import codec

INVOKE, WRITE, READ = "invokeaction", "writeproperty", "readproperty"


def asked(
    payload: Any, raw: Any = b"", operation: str = INVOKE, content_type: str | None = XORCH
) -> Asked:
    return Asked(
        client=b"alice",
        operation=operation,
        content_type=content_type,
        payload=payload,
        raw=raw,
        arrived=1.0,
        started=2.0,
    )


def called(*args: Any, _member: str = "move", _names: tuple[str, ...] = (), **kwargs: Any) -> str:
    return in_words(asked(*codec.encode_arguments(args, kwargs)), _member, _names, str)


def written(value: Any, member: str = "speed") -> str:
    return in_words(asked(*codec.encode(value), operation=WRITE), member, (), str)


class Mode(enum.Enum):
    FAST = 1


class TestForms:
    def test_arguments_are_as_they_are_typed(self) -> None:
        assert called(5.0, "x", axis=[1, 2], on=True) == "5.0, 'x', axis=[1, 2], on=True"
        assert called() == ""

    def test_values_of_many_kinds(self) -> None:
        assert called((1, 2), {3}, dt.timedelta(seconds=1)) == (
            "(1, 2), {3}, datetime.timedelta(seconds=1)"
        )
        assert "FAST" in called(Mode.FAST)

    def test_what_is_written(self) -> None:
        assert written(2.5) == "2.5"
        assert written(None) == "None"

    def test_of_a_read_there_is_nothing(self) -> None:
        assert in_words(asked(b"\xc0", operation=READ), "speed", (), str) == ""

    def test_arrays_and_bytes_are_told_of(self) -> None:
        assert called(np.zeros((100, 100))) == "<array> (80,000 bytes beside)"
        assert called(b"x" * 5000) == "<bytes> (5,000 bytes beside)"
        assert called(np.float64(1)) == "<number>"

    def test_what_is_in_shared_memory_is_told_by_its_size(self) -> None:
        payload, raw = codec.encode_arguments((np.zeros((100, 100)),), {})
        assert len(raw)
        found = in_words(asked(payload, Reference(1, 1, 80_000)), "show", (), str)
        assert found == "<array> (80,000 bytes beside)"

    @pytest.mark.parametrize(
        ("payload", "expected"),
        [
            ({"x": 1, "__args__": [5]}, "5, x=1"),
            (None, ""),
            ([1, 2], "[1, 2]"),
            ({"__args__": 7, "x": 1}, "{'__args__': 7, 'x': 1}"),
        ],
    )
    def test_of_other_clients(self, payload: Any, expected: str) -> None:
        found = in_words(asked(encode(payload, JSON), content_type=JSON), "move", (), str)
        assert found == expected

    def test_their_bytes(self) -> None:
        found = in_words(asked(b"null", b"abc", content_type=JSON), "move", (), str)
        assert found == "<bytes> (3 bytes beside)"


class TestBounds:
    def test_what_is_long_is_cut_and_that_is_told(self) -> None:
        found = called("x" * 1000)
        assert found == f"'{'x' * (LONGEST_SHOWN - 1)}… (1,002 characters)"

    def test_what_is_many_is_counted(self) -> None:
        assert called(*range(MOST_SHOWN + 5)).endswith("19, (5 more)")

    def test_what_is_large_is_not_read(self) -> None:
        assert called("x" * LONGEST_READ).endswith(" bytes, not read)")

    @pytest.mark.parametrize("content_type", [XORCH, JSON, OCTETS, None])
    def test_what_is_rubbish_is_told_as_such(self, content_type: str | None) -> None:
        found = in_words(asked(b"\xc1\xff{", content_type=content_type), "move", (), str)
        assert found == "(3 bytes that can't be read)"

    def test_an_extension_that_is_rubbish_too(self) -> None:
        mapping = b"\x92\x91\xc7\x01\x05\xc1\x80"  # a mapping of nothing
        assert "can't be read" in in_words(asked(mapping), "move", (), str)


class TestSecrets:
    def test_by_keyword_name_and_key(self) -> None:
        assert called("u", password="x", opts={"api_key": "y", "n": [{"token": 1}]}) == (
            "'u', password=****, opts={'api_key': '****', 'n': [{'token': '****'}]}"
        )

    def test_by_the_parameter_s_name(self) -> None:
        assert called("u", "x", _names=("user", "password")) == "'u', ****"

    def test_by_the_member(self) -> None:
        assert called("x", _member="set_password") == "****"
        assert written("x", "auth.token") == "****"

    def test_those_of_the_config_before_anything_is_cut(self) -> None:
        long = "s3cret-" * 100
        found = in_words(
            asked(*codec.encode(long), operation=WRITE), "label", (), lambda t: t.replace(long, "*")
        )
        assert found == "'*'"


def test_a_record_has_who_from_where_with_what_and_how_long() -> None:
    bench = Bench()
    peer = bench.rig.broker.peers["a"]
    peer.description = {"actions": {"login": {"input": {"properties": {"user": {}, "pin": {}}}}}}
    callers = Callers()
    callers.came(b"alice", "10.0.0.7")
    audit = Audit(bench.rig, callers)
    given = asked(*codec.encode_arguments(("u", 1234), {}))
    about = {"worker": "a", "member": "login", "request": "1"}
    assert audit.fields(Fact(AUDIT, "done", about), given, 5.0) == {
        **about,
        "peer": "10.0.0.7",
        "arguments": "'u', ****",
        "waited": 1.0,
        "seconds": 3.0,
    }
    assert "seconds" not in audit.fields(Fact("debug", "arrived", about), given, 5.0)


class TestByName:
    """For who judges what an operation is given: for sure, or not at all."""

    @pytest.mark.parametrize(
        ("content_type", "payload", "expected"),
        [
            (JSON, b"null", {}),
            (JSON, b'{"x": 1}', {"x": 1}),
            (JSON, b'{"__args__": [1, 2]}', {"x": 1, "y": 2}),
            (JSON, b'{"__args__": [1], "z": 3}', {"x": 1, "z": 3}),
            (XORCH, bytes(codec.encode_arguments((1.5,), {"y": None})[0]), {"x": 1.5, "y": None}),
        ],
    )
    def test_arguments_have_their_names(
        self, content_type: str, payload: bytes, expected: dict[str, Any]
    ) -> None:
        assert by_name(content_type, payload, b"", True, ["x", "y"]) == expected

    def test_a_value_that_is_written(self) -> None:
        assert by_name(JSON, b"[1, 2]", b"", False, []) == {VALUE: [1, 2]}

    @pytest.mark.parametrize(
        ("content_type", "payload", "raw", "told"),
        [
            (JSON, b"null", b"bytes", "it comes as bytes"),
            (JSON, b"{", b"", "can't be read"),
            ("text/none", b"1", b"", "can't be read"),
            (JSON, b'{"__args__": 5}', b"", "its arguments are none"),
            (JSON, b'{"__args__": [1, 2, 3]}', b"", "more arguments than there are names"),
            (JSON, b'{"__args__": [1], "x": 2}', b"", "x is given twice"),
            (JSON, b'"' + b"x" * 20_000 + b'"', b"", "more than 16384 bytes"),
        ],
    )
    def test_what_cant_be_judged(
        self, content_type: str, payload: bytes, raw: bytes, told: str
    ) -> None:
        with pytest.raises(ValueError, match=told):
            by_name(content_type, payload, raw, True, ["x", "y"])
