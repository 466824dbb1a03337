"""Plain words for messages: what was given, and what was probably meant."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = [
    "MASK",
    "counted",
    "did_you_mean",
    "forms_of",
    "hide",
    "is_secret",
    "nearest",
    "one_line",
    "quoted",
    "say",
    "unknown_key",
    "without_secrets",
]

MASK = "****"
"""Stands for what nobody is to see."""
LEAST_HIDDEN = 6
"""Characters of a text that is hidden, at least: shorter ones occur by chance everywhere."""
LONGEST_HIDDEN = 1000
"""Characters of a form: what is longer is hidden piece by piece."""

# Secrets by their names. The words of one: camelCase, snake_case, dots and digits part them.
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
# Wherever they stand in a name, also as part of a word: mypassword, authtokens.
_PARTS = re.compile(
    "passw|passphrase|passcode|pwd|secret|token|credential|cookie|api_?key|(?:^|_)auth(?!ors?(?:_|$))|oauth"
    "|private|license|licence"
)
_WORDS = {"creds", "cred", "dsn", "psk", "community", "bearer", "jwt", "otp", "totp", "webhook"}
# They mean a secret at the end of a name (api_key, not key_count), or before one of _AFTER.
_LAST = {"pass", "key", "keys", "pin", "pat", "pw", "session", "salt", "signature", "sig"}
_LAST_PARTS = ("pass", "key")  # userpass, sshkey
_AFTER = {"id", "value", "data", "hex", "pem", "base64", "b64", "string", "text"}

_LONGEST_PATH = 4096  # characters; half a path is of no use


def counted(number: int, noun: str) -> str:
    """A number of things: `1 record`, `2 records`."""
    return f"{number} {noun}{'s'[: number != 1]}"


def one_line(text: str, limit: int = 300) -> str:
    """The text on one line that is safe to print: white space folded, controls escaped.

    Args:
        text: anything, also what a driver wrote.
        limit: characters after which it is cut (an ellipsis marks the cut).
    """
    # Cut first: the text may be huge.
    folded = " ".join(text[: limit * 4].split())
    if len(folded) > limit:
        folded = folded[: limit - 1] + "…"
    return "".join(
        character
        if character.isprintable()  # no controls, no marks such as the bidirectional ones
        else character.encode("unicode_escape").decode("ascii")
        for character in folded
    )


def quoted(text: str | os.PathLike[str], limit: int = 80) -> str:
    """The text or path in double quotes, on one line; a text is cut when it is long."""
    if not isinstance(text, str):
        text, limit = os.fspath(text), _LONGEST_PATH
    return f'"{one_line(text, limit)}"'


def say(value: object) -> str:
    """What a value of the config is, in words: ``the number 3``, ``the text "x"``, ``a list``."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {one_line(str(value), 40)}"
        case str():
            return f"the text {quoted(value)}"
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return f"a {type(value).__name__}"


def nearest(word: str, options: Iterable[str]) -> str | None:
    """The option that `word` was probably meant to be; None when no option is near.

    Case, and ``-`` against ``_``, don't count as a difference.
    """
    import difflib

    by_form: dict[str, str] = {}
    for option in options:
        by_form.setdefault(_form(option), option)
    # Beyond this length it is no name, and difflib takes quadratic time.
    form = _form(word[:200])
    matches = difflib.get_close_matches(form, by_form, n=5, cutoff=0.6)
    # Letters that changed places are the commonest slip, and difflib doesn't know it.
    swapped = [match for match in matches if sorted(match) == sorted(form)]
    return by_form[(swapped or matches)[0]] if matches else None


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """The end of a sentence: ``; did you mean "driver"?``, or nothing when no option is near."""
    option = nearest(word, options)
    return f"; did you mean {quoted(option)}?" if option is not None else ""


def unknown_key(key: object, known: Sequence[str], whose: str = "") -> str:
    """What is said of a key that isn't known, with what may be meant and what there is.

    Args:
        key: The key, of any type.
        known: Those that there are.
        whose: What it was a key of, such as ` of an address`.
    """
    hint = did_you_mean(str(key), known)
    return f"unknown key {quoted(str(key))}{whose}{hint}; known: {', '.join(known)}"


def _form(word: str) -> str:
    return word.casefold().replace("-", "_")


def tcp_pairs(addresses: Iterable[str], events: Iterable[str]) -> list[str]:
    """The addresses that a tunnel or another machine needs, as people read them.

    Args:
        addresses: Where a rig takes requests.
        events: Where it publishes events, in the same order.
    """
    return [
        f"{request}, events at {event}"
        for request, event in zip(addresses, events, strict=False)
        if request.startswith("tcp://")
    ]


def forms_of(texts: Iterable[str]) -> tuple[str, ...]:
    """All that a secret may look like where something is told, the longest first.

    Each of its lines is one, as output is told line by line, if it is at least `LEAST_HIDDEN` long.
    """
    from urllib.parse import quote, quote_plus

    found: set[str] = set()
    for line in (line for text in texts for line in text.splitlines()):
        for at in range(0, len(line), LONGEST_HIDDEN):
            piece = line[at : at + LONGEST_HIDDEN]
            found |= {piece, repr(piece)[1:-1], ascii(piece)[1:-1], piece.replace('"', '\\"')}
            found |= {json.dumps(piece, ensure_ascii=each)[1:-1] for each in (True, False)}
            for coded in (quote(piece), quote(piece, safe=""), quote_plus(piece)):
                found |= {coded, re.sub(r"%..", lambda code: code[0].lower(), coded)}
    return tuple(sorted((each for each in found if len(each) >= LEAST_HIDDEN), key=len)[::-1])


def hide(text: str, forms: Iterable[str]) -> str:
    """A text with each of these forms masked, also where one was cut short with an ellipsis."""
    for form in forms:
        text = text.replace(form, MASK)
        if "…" in text:
            for length in range(len(form) - 1, LEAST_HIDDEN - 1, -1):
                text = text.replace(f"{form[:length]}…", f"{MASK}…")
    return text


def without_secrets(value: Any) -> Any:
    """A value without those in it whose keys tell of a secret; of dicts and lists alone."""
    if type(value) is dict:
        told = value.items()
        return {key: MASK if is_secret(str(key)) else without_secrets(each) for key, each in told}
    return [without_secrets(each) for each in value] if type(value) is list else value


def is_secret(name: str) -> bool:
    """Whether a key, a variable or an option of this name is likely to hold a secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    while len(words) > 1 and (words[-1] in _AFTER or words[-1].isdigit()):
        words.pop()
    if _PARTS.search("_".join(words)) or _WORDS.intersection(words):
        return True
    return bool(words) and (words[-1] in _LAST or words[-1].endswith(_LAST_PARTS))
