"""numpy's arrays, scalars and dtypes; numpy itself is loaded when there is one of them.

The bytes of an array stand in the raw frame, where the array that is read from it has its memory.
"""

from __future__ import annotations

import math
import re
import sys
from typing import TYPE_CHECKING, Any

from msgspec.msgpack import Ext

from transports.errors import SerializationError
from transports.serializers import LARGEST
from transports.values.builtin import content, read_content
from transports.values.kinds import Kind, NoForm, name_of
from transports.values.reading import Read, Reader
from transports.values.writing import Write, Writer, pack

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    DType = np.dtype[Any]

_SIMPLE = re.compile(r"[<>|][biufcmMSUV]\d+(\[\d*(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?")
"""What the dtypes that aren't structured are called; numpy would read much more."""
_TITLED = 3  # a field's entry has its title as third element


def find(kind: type) -> Write | None:
    """The function that writes values of a type, if it is one of numpy's."""
    numpy = sys.modules.get("numpy")
    # another thread may be importing it just now; then it has no types yet, nor have values
    if not hasattr(numpy, "dtype"):
        return None
    assert numpy is not None
    if kind is numpy.ndarray:
        return write_array
    if issubclass(kind, numpy.ndarray):
        return _ARRAYS.get(name_of(kind).removeprefix("numpy."))
    if issubclass(kind, numpy.generic):
        return _scalar
    return _dtype if issubclass(kind, numpy.dtype) else None


# -- dtypes ---------------------------------------------------------------------------------------


def dtype_form(dtype: DType) -> Any:
    """A dtype as MessagePack has it.

    Raises:
        NoForm: It has objects, titles, or isn't numpy's own.
    """
    import numpy as np

    if dtype.isbuiltin == 1 and dtype.kind in "biufc":
        return dtype.str
    if dtype.hasobject:
        raise NoForm(
            f"an array of dtype {dtype} holds Python objects, which have no form; convert it to "
            "a numeric or fixed-width dtype, or to a list"
        )
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return ["subarray", dtype_form(base), list(shape)]
    if dtype.names is not None:
        assert dtype.fields is not None
        entries = [dtype.fields[name] for name in dtype.names]
        if any(len(entry) >= _TITLED for entry in entries):
            raise NoForm(f"dtype {dtype} has titles, which have no form; give it names alone")
        formats = [dtype_form(entry[0]) for entry in entries]
        offsets = [entry[1] for entry in entries]
        record = dtype.type is np.record
        names = list(dtype.names)
        return ["struct", names, formats, offsets, dtype.itemsize, dtype.isalignedstruct, record]
    text: str = dtype.str
    if not _SIMPLE.fullmatch(text) or np.dtype(text) != dtype:
        raise NoForm(f"dtype {dtype} isn't one of numpy's own and has no form; convert it")
    return text


def read_dtype(form: Any) -> DType:
    """What `dtype_form` gave.

    Raises:
        SerializationError: It is something else, or a dtype that this machine doesn't have.
    """
    import numpy as np

    if isinstance(form, str):
        if not _SIMPLE.fullmatch(form):
            raise SerializationError(f"{form!r:.80} is no dtype")
        try:
            return np.dtype(form)
        except TypeError as error:
            raise SerializationError(f"this machine has no dtype {form}: {error}") from error
    if form[0] == "subarray":
        _, base, shape = form
        return np.dtype((read_dtype(base), tuple(shape)))
    _, names, formats, offsets, size, aligned, record = form
    parts: Any = {
        "names": names,
        "formats": [read_dtype(each) for each in formats],
        "offsets": offsets,
        "itemsize": size,
    }
    dtype = np.dtype(parts, align=bool(aligned))
    return np.dtype((np.record, dtype)) if record else dtype


def _dtype(writer: Writer, value: DType) -> Ext:
    return Ext(Kind.DTYPE, pack([dtype_form(value)]))


# -- arrays ---------------------------------------------------------------------------------------


def _stored(writer: Writer, array: Array, flavour: str) -> Ext:
    dtype = array.dtype
    if dtype.kind == "T":
        return _strings(writer, array)
    form = dtype_form(dtype)
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    size = array.nbytes
    offset = writer.store(array, size, order) if size else 0
    return Ext(Kind.ARRAY, pack([offset, form, array.shape, order, flavour]))


def write_array(writer: Writer, array: Array) -> Ext:
    """Write an array; its data goes to the raw frame.

    Raises:
        NoForm: It holds what has no form.
    """
    return _stored(writer, array, "")


def _flavoured(flavour: str) -> Write:
    return lambda writer, array: _stored(writer, _base(array), flavour)


def _base(array: Array) -> Array:
    import numpy as np

    return np.ndarray.view(array, np.ndarray)


def _strings(writer: Writer, array: Array) -> Ext:
    """An array of texts of any length: no bytes that could be copied."""
    if hasattr(array.dtype, "na_object"):
        raise NoForm("an array of text with an na_object has no form; send it as a list")
    return writer.extension(
        Kind.STRINGS, [list(array.shape), writer.items(array, array.ravel().tolist())]
    )


def _masked(writer: Writer, array: Any) -> Ext:
    import numpy as np

    if array is np.ma.masked:
        return Ext(Kind.MASKED, pack([None, None, None, None]))
    mask = np.ma.getmask(array)
    data = write_array(writer, np.ma.getdata(array, subok=False))
    bits = None if mask is np.ma.nomask else write_array(writer, mask)
    fill = writer.write(array.fill_value)
    return writer.extension(Kind.MASKED, [data, bits, fill, bool(array.hardmask)])


_ARRAYS: dict[str, Write] = {
    "memmap": _flavoured(""),
    "recarray": _flavoured("rec"),
    "rec.recarray": _flavoured("rec"),
    "matrix": _flavoured("matrix"),
    "matrixlib.defmatrix.matrix": _flavoured("matrix"),
    "ma.core.MaskedArray": _masked,
    "ma.MaskedArray": _masked,
    "ma.core.MaskedConstant": _masked,
}
"""Subclasses of an array; any other may have more than its numbers, such as a unit."""


def _scalar(writer: Writer, value: Any) -> Any:
    kind = value.dtype.kind
    if kind == "U":
        return writer.extension(Kind.SCALAR, ["U", writer.write(str.__str__(value))])
    if kind == "S":
        return writer.extension(Kind.SCALAR, ["S", content(writer, bytes(value))])
    form = dtype_form(value.dtype)
    return Ext(Kind.SCALAR, pack([form, content(writer, value.tobytes())]))


# -- reading --------------------------------------------------------------------------------------


def _read_array(reader: Reader, data: memoryview) -> Any:
    import numpy as np

    offset, form, sides, order, flavour = reader.fields(data, 5)
    dtype = read_dtype(form)
    shape = tuple(sides)
    if dtype.hasobject or not all(type(side) is int and side >= 0 for side in shape):
        raise SerializationError(f"an array of {dtype} and shape {shape!r:.80} can't be")
    count = math.prod(shape)
    size = count * dtype.itemsize
    if count > LARGEST:
        raise SerializationError(f"an array of {count} elements is too large")
    if size:
        array: Any = np.ndarray(shape, dtype, reader.piece(offset, size), order=order)
    else:
        array = np.empty(shape, dtype, order=order)
    if flavour == "rec":
        return array.view(np.recarray)
    return array.view(np.matrix) if flavour == "matrix" else array


def _read_strings(reader: Reader, data: memoryview) -> Any:
    import numpy as np

    shape, texts = reader.fields(data, 2)
    kind: Any = np.dtypes.StringDType()  # type: ignore[attr-defined, unused-ignore]
    return np.array(texts, dtype=kind).reshape(shape)


def _read_masked(reader: Reader, data: memoryview) -> Any:
    import numpy as np

    numbers, mask, fill, hard = reader.fields(data, 4)
    if numbers is None:
        return np.ma.masked
    if mask is None:
        mask = np.ma.nomask
    if isinstance(fill, np.void):
        fill = np.array(fill, dtype=numbers.dtype)
    return np.ma.MaskedArray(numbers, mask=mask, fill_value=fill, hard_mask=bool(hard))


def _read_scalar(reader: Reader, data: memoryview) -> Any:
    import numpy as np

    form, field = reader.fields(data, 2)
    if form == "U":
        return np.str_(field)
    octets = bytes(read_content(reader, field))
    if form == "S":
        return np.bytes_(octets)
    dtype = read_dtype(form)
    if dtype.itemsize != len(octets):
        raise SerializationError(f"a {dtype} has {dtype.itemsize} bytes, not {len(octets)}")
    if not octets:
        return np.zeros((), dtype)[()]
    return np.frombuffer(bytearray(octets), dtype)[0]


READERS: dict[int, Read] = {
    Kind.ARRAY: _read_array,
    Kind.SCALAR: _read_scalar,
    Kind.MASKED: _read_masked,
    Kind.STRINGS: _read_strings,
    Kind.DTYPE: lambda reader, data: read_dtype(reader.fields(data, 1)[0]),
}
