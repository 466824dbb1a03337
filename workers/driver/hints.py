"""Annotations as their authors wrote them, and what they stand for.

Nothing here fails for an annotation: what can't be known is `inspect.Parameter.empty`. It needs
the standard library alone: `orch check` uses it in interpreters that lack what a worker needs.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable
from typing import Any

QUALIFIERS = (typing.Final, typing.ClassVar, typing.Required, typing.NotRequired)
"""They say how a name is used, not what it is."""


class Array:
    """Stands for numpy.ndarray where only the text of the annotation is known."""


def resolve(annotation: Any, scope: dict[str, Any]) -> Any:
    """The object that an annotation stands for; `inspect.Parameter.empty` if it can't be known.

    Args:
        annotation: An annotation, possibly as text.
        scope: Global names of the module in which it was written.
    """
    if not isinstance(annotation, str):
        return annotation
    try:
        # the text is the driver's own code, which was imported already
        return eval(annotation, scope)
    except Exception:  # noqa: BLE001  names for type checkers only, newer syntax, anything
        head = annotation.partition("[")[0].rpartition(".")[2]
        return Array if head in ("ndarray", "NDArray") else inspect.Parameter.empty


def scope_of(owner: Any) -> dict[str, Any]:
    """The names in which a class or function was written: global, and of classes in its class."""
    names = getattr(owner, "__globals__", None)
    if names is None:
        names = vars(sys.modules.get(getattr(owner, "__module__", ""), typing))
    found: dict[str, Any] = names
    nested = _classes_within(owner, found)
    return nested | found if nested else found


def _classes_within(owner: Any, names: dict[str, Any]) -> dict[str, Any]:
    """Classes in the body of a class, or of the one that a function is written in."""
    if not isinstance(owner, type):
        where = getattr(owner, "__qualname__", None)
        around = where.rpartition(".")[0] if isinstance(where, str) else ""
        first, *rest = around.split(".")
        owner = names.get(first)
        for name in rest:
            owner = vars(owner).get(name) if isinstance(owner, type) else None
    if not isinstance(owner, type):
        return {}
    return {name: each for name, each in vars(owner).items() if isinstance(each, type)}


_ANNOTATIONS: dict[str, Any] = {}
_SIGNATURE: dict[str, Any] = {}
_get_annotations: Callable[..., dict[str, Any]]
if sys.version_info >= (3, 14):
    import annotationlib

    # without evaluating names that only type checkers see
    _ANNOTATIONS["format"] = _SIGNATURE["annotation_format"] = annotationlib.Format.FORWARDREF
    _get_annotations = annotationlib.get_annotations
else:
    _get_annotations = inspect.get_annotations


def own_annotations(owner: Any) -> dict[str, Any]:
    """The annotations in the body of one class or function, unresolved where they must be."""
    try:
        return dict(_get_annotations(owner, **_ANNOTATIONS))
    except Exception:  # noqa: BLE001  an object may answer for its annotations with anything
        return {}


def signature_of(function: Any) -> inspect.Signature:
    """The signature of a callable.

    Raises:
        ValueError, TypeError: It has none, as many functions in C.
    """
    return inspect.signature(function, **_SIGNATURE)
