"""Each value of the table through the codec alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.integration.value_table import CASES, judge
from transports.values.codec import (
    argument_told,
    decode,
    encode,
    encode_arguments,
)
from transports.values.kinds import NoForm


@pytest.mark.parametrize("name", CASES)
def test_a_value_is_the_same_or_what_is_documented_or_refused(name: str) -> None:
    case = CASES[name]
    if case.refused:
        with pytest.raises(NoForm, match=case.refused):
            encode(case.make())
        return
    assert judge(name, decode(*encode(case.make()))) == ""


@pytest.mark.parametrize("name", CASES)
def test_an_argument_is_the_same_or_what_is_documented_or_refused(name: str) -> None:
    case = CASES[name]
    if case.refused or case.argument:
        for args, kwargs, place in (((1, case.make()), {}, "2"), ((), {"x": case.make()}, "x")):
            with pytest.raises(NoForm) as caught:
                encode_arguments(args, kwargs)
            assert argument_told(caught.value).startswith(f"argument {place}")
        return
    args, kwargs = decode(*encode_arguments((1, case.make()), {"x": case.make()}))
    assert args[0] == 1
    assert judge(name, args[1]) == judge(name, kwargs["x"]) == ""


@pytest.mark.parametrize("name", [name for name, each in CASES.items() if not each.refused])
def test_a_value_that_has_come_can_be_sent_on(name: str) -> None:
    """What stands for another value is sent as that is."""
    once = decode(*encode(CASES[name].make()))
    assert judge(name, decode(*encode(once))) == ""


def test_arrays_have_their_memory_in_the_raw_frame() -> None:
    value = {"a": np.arange(5), "b": [np.ones((2, 3)), b"x" * 5000]}
    payload, raw = encode(value)
    memory = bytearray(raw)
    back = decode(payload, memory)
    whole = np.frombuffer(memory, np.uint8)
    for each in (back["a"], back["b"][0]):
        assert np.shares_memory(each, whole)
        assert each.flags.writeable
        assert (each.ctypes.data - whole.ctypes.data) % 64 == 0
    assert not decode(payload, bytes(raw))["a"].flags.writeable


def test_what_was_encoded_stays_as_it_was() -> None:
    array = np.arange(4)
    payload, raw = encode([array])
    array[:] = 0
    assert decode(payload, raw)[0].tolist() == [0, 1, 2, 3]


def test_long_bytes_that_are_alone_are_not_copied() -> None:
    value = b"x" * 10_000
    assert encode(value)[1] is value
