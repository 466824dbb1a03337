"""Content types: values there and back, and clear errors for what has no form in one."""

from __future__ import annotations

import base64
import collections
import contextlib
import datetime
import decimal
import enum
import json
import math
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.joined import joined
from transports.errors import SerializationError
from transports.serializers import (
    JSON,
    MSGPACK,
    NPY,
    TEXT,
    PreserializedData,
    SerializableData,
    decode,
    decode_array,
    encode,
    encode_array,
    split_result,
)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)
DTYPES = (
    npst.boolean_dtypes()
    | npst.integer_dtypes()
    | npst.unsigned_integer_dtypes()
    | npst.floating_dtypes()
    | npst.complex_number_dtypes()
    | npst.datetime64_dtypes()
    | npst.unicode_string_dtypes()
)
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(min_dims=0, min_side=0, max_side=5))


class Colour(enum.Enum):
    RED = "red"


@given(PLAIN)
@pytest.mark.parametrize("content_type", [JSON, MSGPACK])
def test_plain_values_come_back_equal(content_type: str, value: Any) -> None:
    assert decode(encode(value, content_type), content_type) == value


@given(ARRAYS)
def test_arrays_come_back_equal_in_value_type_and_shape(array: Any) -> None:
    found = decode(encode(array, NPY), NPY)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)


@given(ARRAYS, st.sampled_from("CFA"))
def test_the_layout_of_memory_does_not_matter(array: Any, order: Any) -> None:
    laid = np.array(array, order=order)[::-1] if array.ndim else array
    np.testing.assert_array_equal(decode_array(encode_array(laid)), laid)


@given(ARRAYS)
def test_numpy_reads_our_arrays_and_we_numpys(array: Any) -> None:
    import io

    np.testing.assert_array_equal(
        np.load(io.BytesIO(bytes(encode_array(array))), allow_pickle=False), array
    )
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    np.testing.assert_array_equal(decode_array(stream.getvalue()), array)


def test_a_decoded_array_uses_the_memory_it_came_in() -> None:
    data = encode_array(np.zeros(3))
    decode_array(data)[0] = 5
    assert decode_array(data)[0] == 5


@given(st.binary(max_size=300))
@pytest.mark.parametrize("content_type", [JSON, MSGPACK, TEXT, NPY])
def test_bytes_of_a_stranger_are_a_value_or_a_serialization_error(
    content_type: str, data: bytes
) -> None:
    with contextlib.suppress(SerializationError):
        decode(data, content_type)


@given(st.binary(max_size=60), st.integers(0, 3), st.text(max_size=60))
def test_a_forged_array_header_is_a_serialization_error(
    tail: bytes, version: int, description: str
) -> None:
    text = description.encode()
    size = len(text).to_bytes(2 if version < 2 else 4, "little")
    forged = b"\x93NUMPY" + bytes([version, 0]) + size + text + tail
    with pytest.raises(SerializationError):
        decode_array(forged)


@pytest.mark.parametrize(
    "description",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000000000000000000,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 1000000000000000000000000000)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 8)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '|V0', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': 7, 'fortran_order': False, 'shape': (1,)}",
        "(" * 3000,
    ],
)
def test_array_headers_that_lie_are_serialization_errors(description: str) -> None:
    text = description.encode() + b"\n"
    forged = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8)
    with pytest.raises(SerializationError, match=r"\.npy"):
        decode_array(forged)


def test_an_array_of_objects_does_not_travel() -> None:
    with pytest.raises(SerializationError, match="Python objects"):
        encode_array(np.array([object()]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "null"),
        (math.inf, "null"),
        (b"ab", json.dumps(base64.b64encode(b"ab").decode())),
        (Colour.RED, '"red"'),
        (datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC), '"2024-05-01T12:00:00Z"'),
        (datetime.timedelta(seconds=90), '"PT90S"'),
        (decimal.Decimal("1.50"), '"1.50"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ((1, 2), "[1,2]"),
        (collections.deque([1]), "[1]"),
        ({}.keys(), "[]"),
        ({1: 2}, '{"1":2}'),
        (2**70, str(2**70)),
        (np.array([[1, 2]]), "[[1,2]]"),
        (np.float64(1.5), "1.5"),
    ],
)
def test_json_has_the_forms_of_the_wire(value: Any, text: str) -> None:
    assert bytes(encode(value, JSON)) == text.encode()


def test_an_exception_is_described_as_on_the_wire() -> None:
    described = decode(encode(ValueError("no"), JSON), JSON)
    assert (described["type"], described["message"]) == ("ValueError", "no")
    assert described["traceback"]


def test_a_mask_is_not_lost_in_silence() -> None:
    with pytest.raises(SerializationError, match="mask"):
        encode_array(np.ma.array([1, 2], mask=[0, 1]))


def test_an_array_that_no_message_can_hold_is_refused_before_it_is_copied() -> None:
    with pytest.raises(SerializationError, match="10000000000 bytes"):
        encode_array(np.broadcast_to(np.uint8(1), (100_000, 100_000)))


def test_messagepack_keeps_bytes_nan_and_arrays() -> None:
    value = {"raw": b"\0\1", "nan": math.nan, "array": np.arange(3)}
    found = decode(encode(value, MSGPACK), MSGPACK)
    assert found["raw"] == b"\0\1"
    assert math.isnan(found["nan"])
    np.testing.assert_array_equal(found["array"], np.arange(3))


@pytest.mark.parametrize("content_type", [JSON, MSGPACK, NPY])
@pytest.mark.parametrize("value", [object(), 1j, {"deep": [lambda: None]}])
def test_a_value_without_a_form_is_a_type_error(content_type: str, value: Any) -> None:
    with pytest.raises(TypeError):
        encode(value, content_type)


def test_a_list_that_holds_itself_is_a_type_error() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TypeError, match="can't be encoded"):
        encode(value, JSON)


@pytest.mark.parametrize("content_type", [None, "", "application/x-pickle", "application/JSON"])
def test_a_content_type_without_a_codec_names_those_that_have_one(content_type: Any) -> None:
    for call in (encode, decode):
        with pytest.raises(SerializationError, match="application/json"):
            call(b"null", content_type)


def test_a_pickle_is_never_opened() -> None:
    import pickle

    class Canary:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("unpickled",))

    with pytest.raises(SerializationError):
        decode(pickle.dumps(Canary()), "application/x-pickle")


def test_a_result_of_hololinkeds_clients_is_spread_over_two_frames() -> None:
    array = np.arange(6).reshape(2, 3)
    for value in (None, 1.5, {"a": [1]}, b"raw", (1, b"raw"), [1, 2], b"", (1, b"")):
        assert joined(*split_result(value)) == value
    np.testing.assert_array_equal(joined(*split_result(array)), array)
    first, second = joined(*split_result(("meta", array)))
    assert first == "meta"
    np.testing.assert_array_equal(second, array)


@pytest.mark.parametrize("raw", [b"", b"raw", bytearray(b"raw"), memoryview(b"raw")])
def test_a_pair_of_nothing_and_bytes_is_as_hololinkeds_clients_expect_it(raw: Any) -> None:
    payload, _, frame, label = split_result((None, raw))
    assert (payload, bytes(frame)) == (b"null", bytes(raw))
    assert label == "application/octet-stream"


def test_a_serializable_value_is_decoded_when_asked_for() -> None:
    assert SerializableData([1]).serialize() == b"[1]"
    assert SerializableData(b"[1]").deserialize() == [1]
    assert SerializableData([1]).deserialize() == [1]
    assert PreserializedData(b"x").content_type == "application/octet-stream"
