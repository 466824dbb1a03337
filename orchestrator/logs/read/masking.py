"""A config without its secrets: by the names of keys, and by how values look.

It errs on the side of masking: a report that lacks the number of a pin is still of use.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from orchestrator.words import MASK, is_secret

_DRIVER = re.compile(r"[\w.]+:[\w.]+")
_ANCHOR = re.compile(r"&\S+ ")
_REFERENCE = re.compile(r"\$\{[^}]*\}")
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_IN_URL = re.compile(r"://(?:[^\s\"'/@]*:[^\s\"']*|[^\s\"'/?#]*)@")
_BEFORE_HOST = re.compile(r"(?<![\w:/@])[\w.+-]+:[^\s:/@]+@(?=[\w\[])")  # user:password@host
_ASSIGNED = re.compile(
    rf"""(?P<name>[\w.-]+)(?P<sign>["']?\s*(?:=|:(?!//))\s*)
         (?P<value>(?:(?:bearer|basic|digest|token)\s+)?(?:{_QUOTED}|[^\s&;"']+))""",
    re.IGNORECASE | re.VERBOSE,
)
_FLAG = re.compile(rf"(?P<name>(?<!\S)--?[A-Za-z][\w-]*)(?P<sign>\s+)(?P<value>{_QUOTED}|\S+)")
_SCHEME = re.compile(r"\b(bearer|basic|digest)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
# What well known services hand out; JSON web tokens.
_KNOWN = re.compile(
    r"\b(?:gh[a-z]_\w{8,}|github_pat_\w+|glpat-[\w-]+|sk-[\w-]{12,}|xox[a-z]-[\w-]+"
    r"|A[KS]IA[0-9A-Z]{12,}|eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?)"
)


def mask_text(text: str) -> str:
    """A value without what in it looks like a secret.

    Those are credentials in URLs, what is assigned to a secret name or follows such an option, and
    tokens of well known forms.
    """
    if "PRIVATE KEY-----" in text:
        return MASK
    text = _IN_URL.sub(f"://{MASK}@", text)
    text = _BEFORE_HOST.sub(f"{MASK}@", text)
    text = _ASSIGNED.sub(_without_value, text)
    text = _FLAG.sub(_without_value, text)
    text = _SCHEME.sub(rf"\1 {MASK}", text)
    return _KNOWN.sub(MASK, text)


def _without_value(match: re.Match[str]) -> str:
    if not is_secret(match["name"]) or _REFERENCE.fullmatch(match["value"]):
        return match[0]
    return f"{match['name']}{match['sign']}{MASK}"


def mask_config(text: str) -> str:
    """The text of a config with secrets replaced and comments left out, line by line as it was.

    What isn't YAML any more is left out altogether: there nothing tells what is a secret.
    """
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, ValueError, RecursionError) as error:
        # The parser's message isn't told: it may quote what is a secret.
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f", see line {mark.line + 1}"
        return f"# left out: it is no valid YAML{place}\n"
    if root is None:
        return ""
    masker = _Masker(text)
    masker.look_at(root)
    return masker.result()


class _Masker:
    """Collects which parts of a text are replaced, and by what."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._seen: set[tuple[int, bool]] = set()
        self._hidden: dict[tuple[int, int], str] = {}
        self._scalars: dict[tuple[int, int], str] = {}

    def look_at(self, node: Node, *, secret: bool = False) -> None:
        """Look at a value and all that is in it; a secret one is replaced as a whole."""
        if (id(node), secret) in self._seen:
            return  # an alias
        self._seen.add((id(node), secret))
        if isinstance(node, ScalarNode):
            self._scalar(node, secret)
        elif secret and node.value:
            self._hide(node)
        elif isinstance(node, MappingNode):
            self._mapping(node)
        elif isinstance(node, SequenceNode):
            self._sequence(node)

    def _mapping(self, node: MappingNode) -> None:
        scalars = {key.value: value.value for key, value in node.value if _is_text(key, value)}
        # {name: password, value: …} is a pair as well
        named = any(is_secret(scalars.get(each, "")) for each in ("name", "key"))
        for key, value in node.value:
            self.look_at(key)
            name = key.value if isinstance(key, ScalarNode) else ""
            pair = named and name in ("name", "key", "value")
            if name == "driver" and _DRIVER.fullmatch(str(value.value)):
                continue  # auth.server:Client assigns nothing
            self.look_at(value, secret=name == "value" if pair else is_secret(name))

    def _sequence(self, node: SequenceNode) -> None:
        before = ""
        for item in node.value:
            # [--password, …], and [password, …] too
            self.look_at(item, secret=bool(before) and is_secret(before))
            is_name = isinstance(item, ScalarNode) and re.fullmatch(r"[\w.-]+", item.value)
            before = item.value if is_name else ""

    def _scalar(self, node: ScalarNode, secret: bool) -> None:
        start, end = node.start_mark.index, node.end_mark.index
        source = self._text[start:end]
        value = str(node.value)
        masked = MASK if secret and not _is_harmless(node) else mask_text(value)
        if masked == MASK:
            self._hide(node)
        elif masked != value or (source[:1] in ("&", "!") and "#" in source):
            self._scalars[start, end] = _with_line_ends(
                json.dumps(masked, ensure_ascii=False), source
            )
        elif source[:1] in ("|", ">"):
            head, line_end, rest = source.partition("\n")
            self._scalars[start, end] = head.partition("#")[0].rstrip() + line_end + rest
        else:
            self._scalars[start, end] = source

    def _hide(self, node: Node) -> None:
        """Replace a node; one that begins on a line of its own moves up behind its key."""
        end = len(self._text[: node.end_mark.index].rstrip())
        start = len(self._text[: node.start_mark.index].rstrip())
        space = " " if start < node.start_mark.index else ""
        anchor = _ANCHOR.match(self._text, node.start_mark.index)
        name = anchor[0] if anchor else ""
        # In quotes: to YAML a * begins the name of an alias.
        self._hidden[start, max(end, start)] = f'{space}{name}"{MASK}"'

    def result(self) -> str:
        """The text with all replacements, and without comments."""
        parts: list[str] = []
        done = 0
        spans = sorted({**self._scalars, **self._hidden}.items())
        for (start, end), replacement in _outermost(spans):
            parts += [_without_comments(self._text[done:start]), replacement]
            done = end
        text = "".join(parts) + _without_comments(self._text[done:])
        return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def _outermost(
    spans: list[tuple[tuple[int, int], str]],
) -> list[tuple[tuple[int, int], str]]:
    """Without those that begin inside another one: it is replaced as a whole."""
    kept: list[tuple[tuple[int, int], str]] = []
    for span in sorted(spans, key=lambda each: (each[0][0], -each[0][1])):
        if not kept or span[0][0] >= kept[-1][0][1]:
            kept.append(span)
    return kept


def _without_comments(between: str) -> str:
    """What stands between values; there, a # begins a comment."""
    return re.sub(r"[ \t]*#[^\n]*", "", between)


def _with_line_ends(replacement: str, source: str) -> str:
    """Keep the line ends that belong to a block of text."""
    return replacement + source[len(source.rstrip()) :]


def _is_text(key: Any, value: Any) -> bool:
    return isinstance(key, ScalarNode) and isinstance(value, ScalarNode)


def _is_harmless(node: ScalarNode) -> bool:
    """Nothing, yes or no, or a reference such as `${env:NAME}`."""
    if not node.value or str(node.tag).endswith((":null", ":bool")):
        return True
    return _REFERENCE.fullmatch(node.value) is not None
