"""Content types: the codecs of payload frames that other clients know.

JSON follows RFC 8259 in both directions; NaN and infinities become null, bytes become base64
text, arrays become nested lists. Arrays that travel on their own use the .npy format
(https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), which describes itself
and has readers in every language. Pickle is never decoded.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from transports.errors import SerializationError

if TYPE_CHECKING:
    import numpy as np

JSON = "application/json"
MSGPACK = "application/msgpack"
TEXT = "text/plain"
NPY = "application/x-npy"
NULL = b"null"
"""None, as JSON."""
LARGEST = 512 * 1024 * 1024
"""Bytes of a message at most."""
OCTETS = "application/octet-stream"
XORCH = "application/x-orch"
"""Of our own clients and workers; `transports.values.codec` has it."""

Buffer = bytes | bytearray | memoryview
ARRAY_EXTENSION = 1  # MessagePack extension type of a numpy array, in .npy form


def is_array(value: object) -> bool:
    """Whether `value` is a numpy array, without importing numpy to find out."""
    return isinstance(value, _numpy_type("ndarray"))


def _is_scalar(value: object) -> bool:
    return isinstance(value, _numpy_type("generic"))


def _numpy_type(name: str) -> type | tuple[()]:
    # Another thread may be importing numpy just now; then it has no types yet, nor have values.
    return getattr(sys.modules.get("numpy"), name, ())


def encode_array(array: np.ndarray[Any, Any]) -> bytearray:
    """Encode an array as .npy, with one copy of its data.

    Raises:
        SerializationError: The array holds Python objects, which only pickle could carry; or a
            mask, which .npy has no place for; or it is larger than a message may be.
        TypeError: Not an array.
    """
    import numpy as np
    from numpy.lib import format as npy

    if not isinstance(array, np.ndarray):
        raise TypeError(f"a value of type {type(array).__qualname__} is no array for {NPY}")
    if array.dtype.hasobject:
        raise SerializationError(
            f"an array of dtype {array.dtype} holds Python objects and can't travel as .npy; "
            "convert it to a numeric or fixed-width dtype"
        )
    if isinstance(array, np.ma.MaskedArray):
        raise SerializationError(
            "a masked array can't travel as .npy, its mask would be lost; send array.filled() or "
            "its data and mask apart"
        )
    if array.nbytes > LARGEST:
        raise SerializationError(
            f"an array of {array.nbytes} bytes is too large; a message has {LARGEST} at most"
        )
    head = io.BytesIO()
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    description = npy.header_data_from_array_1_0(array)
    description["fortran_order"] = fortran
    npy.write_array_header_1_0(head, description)
    offset = head.tell()
    encoded = bytearray(offset + array.nbytes)
    encoded[:offset] = head.getbuffer()
    if array.nbytes:
        flat = np.frombuffer(encoded, dtype=array.dtype, offset=offset)
        target = flat.reshape(array.shape, order="F" if fortran else "C")
        np.copyto(target, array, casting="no")
    return encoded


def decode_array(data: Buffer) -> np.ndarray[Any, Any]:
    """Decode .npy bytes; the array uses the memory of `data` and is writable if that is.

    Raises:
        SerializationError: The bytes are not a .npy of a plain dtype.
    """
    import math
    import tokenize

    import numpy as np
    from numpy.lib import format as npy

    view = memoryview(data)
    head = io.BytesIO(bytes(view[: 64 * 1024]))
    try:
        version = npy.read_magic(head)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = reader(head)
        if dtype.hasobject:
            raise ValueError("its dtype holds Python objects")
        if any(side < 0 for side in shape):
            raise ValueError(f"its shape is {shape}")
        count = math.prod(shape)
        if count * dtype.itemsize > view.nbytes - head.tell():
            raise ValueError(f"it has fewer bytes than {count} of {dtype} need")
        if not count:
            return np.empty(shape, dtype=dtype)
        flat = np.frombuffer(view, dtype=dtype, count=count, offset=head.tell())
        return flat.reshape(shape, order="F" if fortran else "C")
    except (
        ValueError,
        TypeError,
        OverflowError,
        # numpy reads the description as Python's source of a dictionary
        SyntaxError,
        RecursionError,
        MemoryError,
        tokenize.TokenError,
    ) as error:
        raise SerializationError(f"not a readable .npy array: {error}") from error


def _plain(value: Any) -> Any:
    """What msgspec doesn't encode by itself, in terms of what it does."""
    if is_array(value):
        return value.tolist()
    if _is_scalar(value):
        return value.item()
    for name in ("model_dump", "json"):
        method = getattr(value, name, None)
        if callable(method) and not isinstance(value, type):
            return method()
    if isinstance(value, BaseException):
        from transports.exceptions import describe_exception

        return describe_exception(value)
    if isinstance(value, (set, frozenset, tuple)) or type(value).__name__ in (
        "deque",
        "array",
        "dict_keys",
        "dict_values",
    ):
        return list(value)
    raise TypeError(f"a value of type {type(value).__qualname__} can't be encoded as JSON")


def _extension(value: Any) -> Any:
    if is_array(value):
        return msgspec.msgpack.Ext(ARRAY_EXTENSION, bytes(encode_array(value)))
    if _is_scalar(value):
        return value.item()
    raise TypeError(f"a value of type {type(value).__qualname__} can't be encoded as MessagePack")


def _from_extension(code: int, data: memoryview) -> Any:
    if code == ARRAY_EXTENSION:
        return decode_array(bytes(data))
    raise SerializationError(f"MessagePack extension type {code} is not known")


_json_encoder = msgspec.json.Encoder(enc_hook=_plain)
_json_decoder = msgspec.json.Decoder()
_msgpack_encoder = msgspec.msgpack.Encoder(enc_hook=_extension)
_msgpack_decoder = msgspec.msgpack.Decoder(ext_hook=_from_extension)


def _encode_text(value: Any) -> bytes:
    return str(value).encode()


def _decode_text(data: Buffer) -> str:
    return bytes(data).decode()


_ENCODERS: dict[str, Callable[[Any], Buffer]] = {
    JSON: _json_encoder.encode,
    MSGPACK: _msgpack_encoder.encode,
    TEXT: _encode_text,
    NPY: encode_array,
}
_DECODERS: dict[str, Callable[[Any], Any]] = {
    JSON: _json_decoder.decode,
    MSGPACK: _msgpack_decoder.decode,
    TEXT: _decode_text,
    NPY: decode_array,
}


def encode(value: Any, content_type: str | None = JSON) -> Buffer:
    """Encode a value as a payload frame.

    Raises:
        SerializationError: No codec for `content_type`.
        TypeError: The value, or one inside it, has no form in that content type.
    """
    encoder = _ENCODERS.get(content_type or "")
    if encoder is None:
        raise SerializationError(_no_codec(content_type))
    try:
        return encoder(value)
    except (OverflowError, RecursionError, UnicodeEncodeError) as error:
        raise TypeError(f"the value can't be encoded as {content_type}: {error}") from error


def decode(data: Buffer, content_type: str | None = JSON) -> Any:
    """Decode a payload frame.

    Raises:
        SerializationError: No codec for `content_type`, or the bytes aren't of it.
    """
    decoder = _DECODERS.get(content_type or "")
    if decoder is None:
        raise SerializationError(_no_codec(content_type))
    try:
        return decoder(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SerializationError(f"the payload isn't valid {content_type}: {error}") from error


def _no_codec(content_type: str | None) -> str:
    known = ", ".join(sorted(_ENCODERS))
    return f"content type {content_type!r} has no codec here; known: {known}"


@dataclass
class SerializableData:
    """A value that is encoded when it is sent and decoded when it is asked for.

    Attributes:
        value: The value, or its encoded bytes as received.
        content_type: How it is, or will be, encoded.
    """

    value: Any
    content_type: str | None = JSON

    def serialize(self) -> Buffer:
        """The payload frame. Raises as `encode` does."""
        if isinstance(self.value, Buffer):
            return self.value
        return encode(self.value, self.content_type)

    def deserialize(self) -> Any:
        """The value. Raises as `decode` does."""
        if not isinstance(self.value, Buffer):
            return self.value
        return decode(self.value, self.content_type)


@dataclass
class PreserializedData:
    """Bytes that travel as they are; the content type is a label for the reader."""

    value: Buffer
    content_type: str | None = OCTETS


def split_result(value: Any) -> tuple[Buffer, str, Buffer, str]:
    """Spread a result over payload and raw frame.

    Bytes travel raw, a numpy array raw as .npy; a pair whose second element is either has its
    first element in the payload; a SerializableData as it says; anything else is JSON. This is
    what hololinked's clients read; ours have `application/x-orch`.

    Returns:
        payload, its content type, raw frame, its content type

    Raises:
        SerializationError, TypeError: A part can't be encoded.
    """
    payload: Any = value
    raw: Buffer = b""
    raw_type = TEXT  # what an empty frame is labelled
    body = None
    if isinstance(value, Buffer) or is_array(value):
        payload, body = None, value
    elif type(value) is tuple and len(value) == 2:
        second = value[1]
        if isinstance(second, Buffer) or is_array(second):
            payload, body = value
    if body is not None:
        if isinstance(body, Buffer):
            raw, raw_type = bytes(body), OCTETS
        else:
            raw, raw_type = encode_array(body), NPY
    if isinstance(payload, SerializableData):
        return payload.serialize(), payload.content_type or JSON, raw, raw_type
    return encode(payload, JSON), JSON, raw, raw_type
