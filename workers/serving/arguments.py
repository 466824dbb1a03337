"""A request's frames as Python values, fitted to the driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transports import serializers
from transports.errors import SerializationError
from transports.headers import RequestHeader
from transports.serializers import NPY, XORCH, Buffer, decode_array
from transports.values import codec
from workers.driver.calls import Misfit, Parameters
from workers.driver.coroutines import call_here
from workers.driver.opening import Call
from workers.failures import Refused


def decoded(request: RequestHeader, payload: Buffer, raw: Buffer = b"") -> Any:
    """The payload's value.

    Raises:
        Refused: No codec for its content type, or the bytes aren't of it.
    """
    try:
        if request.payloadContentType == XORCH:
            return codec.decode(payload, raw)
        return serializers.decode(payload, request.payloadContentType)
    except SerializationError as error:
        raise Refused("ValueError", str(error)) from error


def value_of(request: RequestHeader, payload: Buffer, raw: Buffer) -> Any:
    """The value to write; of other clients than ours frame 4, if there is one, else the payload.

    Raises:
        Refused: The frame can't be decoded.
    """
    if request.payloadContentType != XORCH and len(raw):
        return _raw_value(request, raw)
    return decoded(request, payload, raw)


def arguments_of(
    request: RequestHeader, payload: Buffer, raw: Buffer
) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments of an action.

    Ours are a list of the ones and a mapping of the others. Of other clients frame 4 is the first
    positional one, the payload has the keywords and, under `__args__`, more positional ones.

    Raises:
        Refused: A frame can't be decoded, or doesn't hold arguments.
    """
    given = decoded(request, payload, raw)
    if request.payloadContentType == XORCH:
        return _ours(given)
    args: list[Any] = [_raw_value(request, raw)] if len(raw) else []
    if given is None:
        return args, {}
    if not isinstance(given, dict):
        raise Refused(
            "AttributeError",  # what the wire format has for this mistake
            "the payload of an action must be null or an object of keyword arguments, "
            f"not {type(given).__name__}",
        )
    more = given.pop("__args__", None)
    if more is not None:
        if not isinstance(more, list):
            raise Refused("TypeError", f"__args__ must be a list, not {type(more).__name__}")
        args += more
    return args, given


def _ours(given: Any) -> tuple[list[Any], dict[str, Any]]:
    if given is None:
        return [], {}
    if type(given) is list and len(given) == 2:
        args, kwargs = given
        if type(args) is list and type(kwargs) is dict and all(type(key) is str for key in kwargs):
            return args, kwargs
    raise Refused("TypeError", "arguments are a list of positional ones and a mapping of others")


class Fitting:
    """Calls an action once the arguments fit its annotations; learns these at the first call.

    Args:
        title: What it is called in errors, with its signature: `stage.move(x: float)`.
        run: Calls a function where the driver's code is to run.
    """

    def __init__(self, title: str, run: Call) -> None:
        self._title = title
        self._run = run
        self._parameters: Parameters | None = None
        self._is_known = False

    def call(self, action: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call the action.

        Raises:
            Refused: The arguments don't fit; it wasn't called.
            Exception: What the action raises.
        """
        if not self._is_known:
            try:
                self._parameters = Parameters(action)
            except (TypeError, ValueError):
                self._parameters = None  # of C code, which says for itself what it takes
            self._is_known = True
        if self._parameters is not None:
            try:
                args, kwargs = self._parameters.fit(args, kwargs)
            except Misfit as misfit:
                raise Refused("TypeError", f"{self._title}: {misfit}") from None
        if self._run is call_here:
            return action(*args, **kwargs)
        return self._run(lambda: action(*args, **kwargs))


def _raw_value(request: RequestHeader, raw: Buffer) -> Any:
    if request.preencodedPayloadContentType != NPY:
        return bytes(raw)
    try:
        return decode_array(raw)
    except SerializationError as error:
        raise Refused("ValueError", str(error)) from error
