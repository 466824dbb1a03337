"""What performs a request: one function for each entry of a dispatcher's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transports.headers import RequestHeader
from transports.serializers import Buffer
from workers.driver.kinds import PLAIN
from workers.driver.properties import Properties, Reader, Writer
from workers.failures import Refused
from workers.serving.arguments import arguments_of, decoded, value_of

Handler = Callable[[RequestHeader, Buffer, Buffer], Any]
Met = Callable[[str, Any], bool]
"""Is given a property's name and value; tells whether the value has members of its own."""


def reader(read: Reader, name: str, met: Met | None) -> Handler:
    """Reads a property; `met` is given what it is, unless that is plain."""
    if met is None:
        return lambda request, payload, raw: read()

    def read_and_look(request: RequestHeader, payload: Buffer, raw: Buffer) -> Any:
        value = read()
        if type(value) not in PLAIN:
            met(name, value)
        return value

    return read_and_look


def writer(write: Writer) -> Handler:
    """Writes a property."""
    return lambda request, payload, raw: write(value_of(request, payload, raw))


def many_reader(properties: Properties) -> Handler:
    """Reads those that are named, or all."""
    return lambda request, payload, raw: properties.get(request.objekt or None)


def many_writer(properties: Properties) -> Handler:
    """Writes those that the payload has values for."""

    def write(request: RequestHeader, payload: Buffer, raw: Buffer) -> None:
        values = decoded(request, payload, raw)
        if not isinstance(values, dict):
            raise Refused("TypeError", "several properties are written by an object of values")
        properties.set(**values)

    return write


def caller(function: Callable[..., Any]) -> Handler:
    """Calls a function with the arguments as they come."""

    def invoke(request: RequestHeader, payload: Buffer, raw: Buffer) -> Any:
        args, kwargs = arguments_of(request, payload, raw)
        return function(*args, **kwargs)

    return invoke
