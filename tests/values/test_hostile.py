"""Bytes of anybody: a value, or a SerializationError, and nothing made that they don't hold."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from transports.errors import SerializationError
from transports.values.codec import decode, encode
from transports.values.kinds import Kind
from transports.values.tables import READERS

KINDS = sorted(READERS)
SAMPLES: list[Any] = [
    *(None, True, -1, 2**63, 1.5, "x", b"x", [], {}, "a", "<f8", "|V0", "<U3", "<M8[ns]", "C", "F"),
    *("struct", "subarray", "dict", "counter", "pandas", "pint", "xarray", "DataFrame", "Quantity"),
    *("Series", "Index", "category", "zoned", "string", "nullable", "array", "objects", "multi"),
    *("range", "index", "posix", "Europe/Berlin", "../../etc/passwd", "enum", "Flag", "builtins"),
    *("int", "ValueError", "OSError", "numpy", "ndarray", "os", "environ", "tuple", "d", "u"),
]
leaves = st.sampled_from(SAMPLES) | st.integers(-5, 2**64 - 1) | st.text(max_size=3)


def extended(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Anything that MessagePack has, with the extensions of ours around it."""
    lists = st.lists(children, max_size=6)
    extension = st.builds(
        lambda kind, content: Ext(kind, msgspec.msgpack.encode(content)),
        st.sampled_from(KINDS),
        lists | children,
    )
    return (
        lists
        | st.dictionaries(st.text(max_size=2), children, max_size=3)
        | extension
        | st.builds(Ext, st.sampled_from(KINDS) | st.integers(-128, 127), st.binary(max_size=12))
    )


def read(payload: bytes, raw: bytes) -> None:
    """Read it; whatever comes of it is a value or that error."""
    with suppress(SerializationError):
        decode(payload, raw)


@settings(max_examples=400, deadline=None)
@given(value=st.recursive(leaves, extended, max_leaves=25), raw=st.binary(max_size=70))
def test_any_content_of_extensions(value: Any, raw: bytes) -> None:
    read(msgspec.msgpack.encode(value), raw)


@settings(max_examples=200, deadline=None)
@given(payload=st.binary(), raw=st.binary(max_size=70))
@example(b"\xdd\xff\xff\xff\xff", b"")
@example(b"\x91" * 100_000, b"")
@example(b"", b"")
def test_any_bytes(payload: bytes, raw: bytes) -> None:
    read(payload, raw)


def nested(kind: int, depth: int) -> bytes:
    content = b"\x90"
    for _ in range(depth):
        content = msgspec.msgpack.encode([Ext(kind, content)])
    return content


@pytest.mark.parametrize("kind", [Kind.TUPLE, Kind.FROZENSET, Kind.DEQUE])
def test_endless_nesting_is_refused(kind: int) -> None:
    with pytest.raises(SerializationError):
        decode(nested(kind, sys.getrecursionlimit() + 2000))  # other tests may raise it


def packed(kind: int, *fields: Any) -> bytes:
    return msgspec.msgpack.encode(Ext(kind, msgspec.msgpack.encode(fields)))


@pytest.mark.parametrize(
    ("payload", "raw"),
    [
        (packed(Kind.ARRAY, 0, "<f8", [2**40], "C", ""), bytes(8)),
        (packed(Kind.ARRAY, 0, "|V0", [2**40], "C", ""), b""),
        (packed(Kind.ARRAY, 0, "<f8", [2**62, 2**62, 0], "C", "matrix"), b""),
        (packed(Kind.ARRAY, 0, "<f8", [-1], "C", ""), bytes(8)),
        (packed(Kind.ARRAY, -8, "<f8", [1], "C", ""), bytes(8)),
        (packed(Kind.ARRAY, 0, "|O", [1], "C", ""), bytes(8)),
        (packed(Kind.ARRAY, 0, "|O8", [1], "C", ""), bytes(8)),
        (packed(Kind.ARRAY, 0, "O", [1], "C", ""), bytes(8)),
        (packed(Kind.ARRAY, 0, "f8,f8", [1], "C", ""), bytes(16)),
        (packed(Kind.BYTES, 0, 2**62), b"x"),
        (packed(Kind.FRACTION, "1", "0"), b""),
        (packed(Kind.PACKAGE, "os", "system", ["true"]), b""),
        (packed(Kind.PACKAGE, "pandas", "read_pickle", ["x"]), b""),
        (packed(Kind.EXCEPTION, "eval", []), b""),
        (packed(99, 1), b""),
    ],
    ids=lambda each: each.hex()[:40],
)
def test_what_claims_more_than_it_has_is_refused(payload: bytes, raw: bytes) -> None:
    with pytest.raises(SerializationError):
        decode(payload, raw)


def test_bytes_of_the_raw_frame_are_copied_once() -> None:
    """Else a short message would be made a long one."""
    one = Ext(Kind.BYTES, msgspec.msgpack.encode([0, 5000]))
    assert decode(msgspec.msgpack.encode([one]), bytes(5000)) == [bytes(5000)]
    with pytest.raises(SerializationError, match="claim the same bytes"):
        decode(msgspec.msgpack.encode([one, one]), bytes(5000))


def test_a_message_imports_nothing() -> None:
    """The class of an enumeration is looked for among what is imported, and only there."""
    for kind, fields in (
        (Kind.ENUM, ("antigravity", "A", "B", 1, "")),
        (Kind.NAMED_TUPLE, ("antigravity", "A", ["x"], [1])),
        (Kind.DATACLASS, ("antigravity", "A", {"x": 1})),
        (Kind.RECORD, ("antigravity", "A", {"x": 1}, {}, False)),
    ):
        assert decode(packed(kind, *fields)) is not None
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("module", ["os", "subprocess", "builtins"])
def test_a_name_that_is_no_enumeration_or_named_tuple_stands_in(module: str) -> None:
    value = decode(packed(Kind.ENUM, module, "system", "x", 1, ""))
    assert type(value).__name__ == "EnumValue"
    assert type(decode(packed(Kind.NAMED_TUPLE, module, "Popen", ["a"], [1]))).__name__ == (
        "NamedRecord"
    )
    assert type(decode(packed(Kind.DATACLASS, module, "Popen", {"args": 1}))).__name__ == "Record"


def test_an_array_cannot_reach_beyond_the_frame() -> None:
    payload, raw = encode(np.arange(4))
    with pytest.raises(SerializationError, match="raw frame has 31 bytes"):
        decode(payload, memoryview(raw)[:31])
