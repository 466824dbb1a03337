"""hololinked's Things as drivers: with their properties, actions, events and codecs.

What its servers check before they touch a Thing is checked here as well: bounds, schemas of
arguments, the state machine. Results are encoded by the Thing's own serializers, so that its
clients see the bytes that they saw before.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from transports import terms
from transports.serializers import JSON, Buffer, SerializableData
from workers.driver.adapters.adapted import Adapted, Members, Publish
from workers.driver.describe import ACTION, EVENT, PROPERTY, Description, mark_concurrent
from workers.driver.schemas import Schema, signature_of, signature_text
from workers.spec import WorkerSpec

log = logging.getLogger("workers")

_NOT_SERVED = {"exit"}
"""Actions that end the program of a Thing; the rig alone decides about that."""


def adapt_thing(thing: Any, spec: WorkerSpec) -> Adapted:
    """Adapt a Thing.

    Raises:
        SpecError: A name in the spec's `concurrent` is none of its properties or actions.
    """
    loop = _EventLoop()
    loop.take(thing)
    for part in thing.sub_things.values():
        loop.take(part)  # it isn't served, but it may push its events
    description = _describe(thing)
    mark_concurrent(description, set(spec.concurrent), spec.place)
    mark_concurrent(description, set(spec.stops), spec.place, "cancel")
    names = {
        event.get_unique_identifier(thing): name for name, event in thing.events.descriptors.items()
    }

    def attach(publish: Publish | None) -> None:
        loop.publish = None if publish is None else _publisher(thing, names, publish)

    from hololinked.core.thing import Thing  # type: ignore[import-not-found, unused-ignore]

    inherited = type(thing).__exit__ is Thing.__exit__
    return Adapted(
        _Members(thing, description), description, attach, ("__exit__",) if inherited else ()
    )


class _EventLoop:
    """Stands where a Thing finds the loop that runs it, and the bus for its events."""

    def __init__(self) -> None:
        self.publish: Callable[[str, Any], None] | None = None
        self.event_bus = _Bus(self)

    def take(self, thing: Any) -> None:
        """Be the loop of a Thing."""
        thing.eventloop = self

    def stop(self) -> None:
        """What a Thing's `exit` calls."""
        log.warning("exit() of a Thing does nothing in a rig; stop its worker with: orch stop")


class _Bus:
    """Where a Thing publishes."""

    def __init__(self, loop: _EventLoop) -> None:
        self._loop = loop

    def publish(self, event_id: str, data: Any) -> None:
        """Publish the data of an event that is named as `<thing id>/<event name>`."""
        publish = self._loop.publish
        if publish is not None:
            publish(event_id, data)


def _publisher(thing: Any, names: dict[str, str], publish: Publish) -> Callable[[str, Any], None]:
    def forward(event_id: str, data: Any) -> None:
        name = names.get(event_id)
        if name is not None:
            # bytes alone travel as they are: its servers write a pair as one value
            publish(name, data if isinstance(data, bytes) else _written(thing, name, data))

    return forward


class _Members(Members):
    """A Thing's members as attributes, used as its own servers use them."""

    def __init__(self, thing: Any, description: Description) -> None:
        members: dict[str, Any] = {
            "_thing": thing,
            "_properties": {name: thing.properties[name] for name in description[PROPERTY]},
            "_actions": {
                name: _action(thing, name, thing.actions[name]) for name in description[ACTION]
            },
        }
        vars(self).update(members)

    _thing: Any
    _properties: dict[str, Any]
    _actions: dict[str, Callable[..., Any]]

    def __getattr__(self, name: str) -> Any:
        action = self._actions.get(name)
        if action is not None:
            return action
        if name in self._properties:
            return _encoded(self._thing, name, getattr(self._thing, name))
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        # not setattr: this one asks the state machine
        self._properties[name].external_set(self._thing, value)


def _action(thing: Any, name: str, action: Any) -> Callable[..., Any]:
    if action.descriptor.iscoroutine:

        async def perform(*args: Any, **kwargs: Any) -> Any:
            return _encoded(thing, name, await action.external_call(*args, **kwargs))

        return perform

    def invoke(*args: Any, **kwargs: Any) -> Any:
        return _encoded(thing, name, action.external_call(*args, **kwargs))

    return invoke


def _encoded(thing: Any, name: str, value: Any) -> Any:
    """A value as the Thing's serializer for that member writes it; raw bytes stay themselves."""
    if value is None or isinstance(value, Buffer):
        return value
    if type(value) is tuple and len(value) == 2 and isinstance(value[1], bytes):
        return _encoded(thing, name, value[0]), value[1]
    return _written(thing, name, value)


def _written(thing: Any, name: str, value: Any) -> Any:
    """A value as the Thing's serializer for that member writes it."""
    from hololinked import Serializers  # type: ignore[import-not-found, unused-ignore]

    serializer = Serializers.for_object(thing.id, type(thing).__name__, name)
    data = serializer.dumps(value)
    if serializer.content_type == JSON:
        return msgspec.Raw(data)
    return SerializableData(data, serializer.content_type)


# -- description --------------------------------------------------------------------------------


def _describe(thing: Any) -> Description:
    description: Description = {"title": type(thing).__name__}
    text = inspect.cleandoc(type(thing).__doc__ or "")
    if text:
        description["description"] = text
    description[PROPERTY] = {
        name: _property(thing, descriptor)
        for name, descriptor in thing.properties.remote_objects.items()
        if not name.startswith("_")
    }
    description[ACTION] = {
        name: _action_affordance(thing, descriptor)
        for name, descriptor in thing.actions.descriptors.items()
        if not name.startswith("_") and name not in _NOT_SERVED
    }
    description[EVENT] = {
        name: _affordance(thing, descriptor, descriptor.doc)
        for name, descriptor in thing.events.plain.items()
        if not name.startswith("_")
    }
    return description


def _property(thing: Any, descriptor: Any) -> Schema:
    affordance = _affordance(thing, descriptor, descriptor.doc)
    if descriptor.readonly:
        affordance["readOnly"] = True
    if descriptor.observable:
        affordance["observable"] = True
    return affordance


def _action_affordance(thing: Any, descriptor: Any) -> Schema:
    function = getattr(descriptor.obj, "__func__", descriptor.obj)
    affordance = _affordance(thing, descriptor, function.__doc__)
    signature = signature_of(function)
    parameters = list(signature.parameters.values())[1:]
    affordance[terms.SIGNATURE] = signature_text(parameters, signature.return_annotation)
    affordance[terms.CONCURRENT] = not descriptor.synchronous
    return affordance


def _affordance(thing: Any, descriptor: Any, doc: str | None) -> Schema:
    try:
        affordance: Schema = dict(descriptor.to_metadata(thing).json())
        msgspec.json.encode(affordance)
    except Exception:  # noqa: BLE001  it has no description of a property without a type, say
        affordance = {}
    # its descriptions have lost their line ends, or are those of the descriptor's class
    affordance.pop("description", None)
    affordance.pop("forms", None)
    text = inspect.cleandoc(doc or "")
    if text:
        affordance["description"] = text
    return affordance
