"""What stands among a config's arguments for something that only a worker has.

`$callback` and `$token` as `events:` says, and `$module:NAME` for what a module holds. A text that
begins with a dollar sign is written with two.
"""

from __future__ import annotations

MARK = "$"
CALLBACK, TOKEN = "$callback", "$token"


def is_marked(text: str) -> bool:
    """Whether a text stands for something else, or is meant to."""
    return text.startswith(MARK) and not text.startswith(2 * MARK)


def constant(text: str) -> str:
    """The `module:NAME` that a text stands for; empty if it stands for none."""
    return text[len(MARK) :] if is_marked(text) and ":" in text else ""


def unmarked(text: str) -> str:
    """A text that stands for itself, without the second dollar sign."""
    return text[text.startswith(2 * MARK) :]
