"""Which requests of a client are unanswered, and which answers nobody has asked for yet. Pure."""

from __future__ import annotations

import re
from collections import OrderedDict
from enum import Enum, auto

from transports.errors import ProtocolError
from transports.hololinked.messages import ResponseMessage

MessageId = str | int
_TEXT = re.compile(rb'"([!#-\[\]-~]{1,255})"')
"""A JSON string that is written as it is."""


class _State(Enum):
    EXPECTED = auto()
    LOST = auto()
    """The connection went while it was expected: nobody can tell whether it was performed."""


_Entry = _State | ResponseMessage | ProtocolError


class Answers:
    """The books of one client.

    Args:
        most: How many requests are remembered, answered or not; beyond it the oldest are
            forgotten.
        most_strays: How many answers are kept that belong to no request known here.
    """

    def __init__(self, most: int = 10_000, most_strays: int = 64) -> None:
        self._most = most
        self._most_strays = most_strays
        self._entries: OrderedDict[MessageId, _Entry] = OrderedDict()
        self._strays: OrderedDict[MessageId, _Entry] = OrderedDict()
        self._forgotten: OrderedDict[MessageId, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, message_id: MessageId) -> bool:
        return message_id in self._entries

    def expect(self, message_id: MessageId) -> None:
        """A request was sent, or somebody waits for an answer by this id.

        Raises:
            KeyError: It was forgotten.
        """
        if message_id in self._entries:
            return
        if message_id in self._forgotten:
            raise KeyError(self._gone(message_id))
        self._entries[message_id] = self._strays.pop(message_id, _State.EXPECTED)
        if len(self._entries) > self._most:
            oldest, _ = self._entries.popitem(last=False)
            self.forget(oldest)

    def arrived(self, response: ResponseMessage) -> None:
        """An answer came."""
        message_id: MessageId = response.id
        if message_id in self._entries:
            self._entries[message_id] = response
        elif message_id not in self._forgotten:
            self._strays[message_id] = response
            if len(self._strays) > self._most_strays:
                self._strays.popitem(last=False)

    def unreadable(self, header: bytes, error: ProtocolError) -> list[MessageId]:
        """A message came that can't be read; those whose requests its header names are told.

        Args:
            header: What should have been a header.
            error: What is wrong with the message.

        Returns:
            The message ids of these.
        """
        named = {text.decode() for text in _TEXT.findall(header)}
        expected = [name for name in named if self._entries.get(name) is _State.EXPECTED]
        for message_id in expected:
            self._entries[message_id] = error
        return list(expected)

    def lost(self) -> None:
        """The connection is gone: what is unanswered stays so."""
        for message_id, state in self._entries.items():
            if state is _State.EXPECTED:
                self._entries[message_id] = _State.LOST

    def forget(self, message_id: MessageId) -> None:
        """Nobody will ask for this answer any more; should it come, it is dropped."""
        self._entries.pop(message_id, None)
        self._forgotten[message_id] = None
        if len(self._forgotten) > self._most:
            self._forgotten.popitem(last=False)

    def take(self, message_id: MessageId) -> ResponseMessage | None:
        """The answer, once; None while it is expected.

        Raises:
            ConnectionAbortedError: The connection was lost before it came.
            ProtocolError: It came, and can't be read.
            KeyError: It was forgotten, or taken before.
        """
        state = self._entries.get(message_id)
        if state is None:
            raise KeyError(self._gone(message_id))
        if state is _State.EXPECTED:
            return None
        del self._entries[message_id]
        if isinstance(state, ResponseMessage):
            return state
        if isinstance(state, ProtocolError):
            raise ProtocolError(
                f"the answer to message {message_id!r} can't be read: {state}; whether the server "
                "performed the operation is unknown"
            )
        raise ConnectionAbortedError(
            f"the server disconnected before it answered message {message_id!r}: "
            "whether it performed the operation is unknown"
        )

    def _gone(self, message_id: MessageId) -> str:
        return (
            f"the answer to message {message_id!r} was given up, or dropped for {self._most} "
            "newer ones"
        )
