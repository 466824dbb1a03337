"""What a callable takes, and arguments fitted to it before it is called."""

from __future__ import annotations

import difflib
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workers.driver.fields import allowing
from workers.driver.fitter import Fitter, Unfit, a
from workers.driver.fitting import fitter_of, is_object
from workers.driver.hints import own_annotations, resolve, scope_of, signature_of
from workers.driver.objects import object_fitter

Problem = tuple[int | str | None, str]
Arguments = tuple[Sequence[Any], dict[str, Any]]

_EMPTY = inspect.Parameter.empty
_BY_POSITION = frozenset(
    (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
)


class Misfit(Exception):
    """Arguments don't fit.

    Attributes:
        problems: For each where it stands and what is wrong: the index among the positional
            arguments, the name among the others, None for what lacks or is too much.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(text for _, text in problems))
        self.problems = problems


class Parameters:
    """What a callable takes.

    Args:
        function: A function, bound method, class or other callable.

    Raises:
        ValueError, TypeError: It doesn't tell, as many functions in C.
    """

    def __init__(self, function: Any) -> None:
        self.signature = signature_of(function)
        self._bound = _bound_name(function)
        scope = scope_of(_written_in(function))
        self._positional: list[tuple[str, Fitter | None]] = []
        self._named: dict[str, Fitter | None] = {}
        self._index: dict[str, int] = {}  # of those that are named, or given by position
        self._required: list[tuple[int, str]] = []
        self._rest: tuple[Fitter | None] | None = None
        self._more: tuple[Fitter | None] | None = None
        for parameter in self.signature.parameters.values():
            self._take(parameter, _fitter(parameter, scope))
        by_name = any(index < 0 for index, _ in self._required)
        # how many there may be by position alone; none if one is required by its name
        self._least = len(self._required)
        # what must be named where nothing is given by position; None can't be
        self._to_be_named = frozenset(
            name if name in self._named else None for _, name in self._required
        )
        self._most = -1 if by_name else len(self._positional)

    def _take(self, parameter: inspect.Parameter, fitter: Fitter | None) -> None:
        name, kind = parameter.name, parameter.kind
        if kind is parameter.VAR_POSITIONAL:
            self._rest = (fitter,)
        elif kind is parameter.VAR_KEYWORD:
            self._more = (fitter,)
        else:
            index = len(self._positional)
            if kind in _BY_POSITION:
                self._positional.append((name, fitter))
            else:
                index = -1
            if kind is not parameter.POSITIONAL_ONLY:
                self._named[name] = fitter
                self._index[name] = index
            if parameter.default is _EMPTY:
                self._required.append((index, name))

    def fit(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Arguments:
        """The arguments, each as its parameter's annotation wants it.

        Raises:
            Misfit: There are too many or too few, an unknown one, or one that can't be fitted.
        """
        by_position = not kwargs and self._least <= len(args) <= self._most
        if not by_position and not self._binds(args, kwargs):
            self._refuse(args, kwargs)
        problems: list[Problem] = []
        fitted: list[Any] | None = None
        positional = self._positional
        for index, value in enumerate(args):
            if index < len(positional):
                name, fitter = positional[index]
            else:
                assert self._rest is not None
                name, fitter = f"argument {index + 1}", self._rest[0]
            if fitter is None or type(value) in fitter.exact:
                continue
            new = _attempt(fitter, value, name, index, problems)
            if new is not value:
                fitted = list(args) if fitted is None else fitted
                fitted[index] = new
        renewed: dict[str, Any] | None = None
        for name, value in kwargs.items():
            if name in self._named:
                fitter = self._named[name]
            else:
                assert self._more is not None
                fitter = self._more[0]
            if fitter is None or type(value) in fitter.exact:
                continue
            new = _attempt(fitter, value, name, name, problems)
            if new is not value:
                renewed = dict(kwargs) if renewed is None else renewed
                renewed[name] = new
        if problems:
            raise Misfit(problems)
        return args if fitted is None else fitted, kwargs if renewed is None else renewed

    def _binds(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        count = len(args)
        if self._bound in kwargs:
            return False
        if not count:
            known = self._more is not None or kwargs.keys() <= self._named.keys()
            return known and self._to_be_named <= kwargs.keys()
        if count > len(self._positional) and self._rest is None:
            return False
        for name in kwargs:
            index = self._index.get(name)
            if index is None:
                if self._more is None:
                    return False
            elif 0 <= index < count:
                return False  # given twice
        # one that is by position only isn't given by name, even where any name is taken
        return all(
            0 <= index < count or (name in kwargs and name in self._index)
            for index, name in self._required
        )

    def _refuse(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise Misfit with what is wrong: the unknown names, or what lacks or is too much."""
        known = list(self._named)
        unknown = [name for name in kwargs if name not in known] if self._more is None else []
        problems: list[Problem] = [
            (name, f"got an unexpected keyword argument {name!r}{_near(name, known)}")
            for name in unknown
        ]
        if self._bound in kwargs and self._more is not None:
            problems.append((self._bound, f"got multiple values for argument {self._bound!r}"))
        kept = {name: value for name, value in kwargs.items() if name not in unknown}
        try:
            self.signature.bind(*args, **kept)
        except TypeError as error:
            problems.append((None, str(error)))
        raise Misfit(problems)


def _attempt(fitter: Fitter, value: Any, name: str, key: int | str, problems: list[Problem]) -> Any:
    try:
        return fitter(value)
    except Unfit as unfit:
        problems.append((key, unfit.said_of(name)))
        return value


def fit_to_class(
    kind: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]
) -> Arguments | None:
    """Arguments fitted to a method of a class's objects, without one; nothing is called.

    Args:
        kind: The class; of a factory nothing is known.
        name: The method, or a path, of which nothing is known either.
        args: Positional arguments.
        kwargs: Keyword arguments.

    Returns:
        None if only an object could tell.

    Raises:
        Misfit: They don't fit.
    """
    found = inspect.getattr_static(kind, name, None) if isinstance(kind, type) else None
    if isinstance(found, (staticmethod, classmethod)):
        method: Any = getattr(kind, name)
    elif inspect.isfunction(found):
        method = types.MethodType(found, kind)  # as of an object: without its first parameter
    else:
        return None
    try:
        return Parameters(method).fit(args, kwargs)
    except (TypeError, ValueError):  # it doesn't tell
        return None


def value_fitter(owner: type, name: str) -> Fitter | None:
    """What fits values to a property of a class: as its setter, its getter or its body says.

    Nothing of the property is called.

    Args:
        owner: The class.
        name: The property.
    """
    for base in owner.__mro__:
        found = vars(base).get(name)
        if isinstance(found, property):
            if (fitter := _of_property(found)) is not None:
                return fitter
            break
        if isinstance(found, functools.cached_property):
            return fitter_of(own_annotations(found.func).get("return"), scope_of(found.func))
    for base in owner.__mro__:
        annotations = own_annotations(base)
        if name in annotations:
            fitter = _of_what_is_read(annotations[name], scope_of(base))
            default = vars(base).get(name, _EMPTY)
            if hasattr(type(default), "__get__"):
                return fitter
            return allowing(fitter, default, fitter_of)
    return None


def _of_property(found: property) -> Fitter | None:
    if callable(found.fset):
        function = inspect.unwrap(found.fset)
        try:
            parameters = list(signature_of(function).parameters.values())
        except (TypeError, ValueError):
            parameters = []
        if len(parameters) > 1 and parameters[1].annotation is not _EMPTY:
            return _fitter(parameters[1], scope_of(function))
    if callable(found.fget):
        function = inspect.unwrap(found.fget)
        returns = own_annotations(function).get("return", _EMPTY)
        return _of_what_is_read(returns, scope_of(function))
    return None


def _of_what_is_read(annotation: Any, scope: dict[str, Any]) -> Fitter | None:
    """Of a property that says what it gives. What it takes, where that is an object, isn't said:
    a library's parameter, which is written by its value.
    """
    kind = resolve(annotation, scope)
    of_objects = any(map(is_object, (kind, *typing.get_args(kind))))
    return None if of_objects else fitter_of(kind, scope)


def _fitter(parameter: inspect.Parameter, scope: dict[str, Any]) -> Fitter | None:
    kind = resolve(parameter.annotation, scope)
    fitter = fitter_of(kind, scope)
    made = typing.get_origin(kind) or kind
    if fitter is not None and is_object(made):
        fitter = object_fitter(made, _maker(made))
    return allowing(fitter, parameter.default, fitter_of)


def _maker(kind: Any) -> Callable[[dict[str, Any]], Any]:
    """What makes an object of a class from its arguments by name, or raises Unfit."""

    def make(given: dict[str, Any]) -> Any:
        try:
            args, kwargs = Parameters(kind).fit((), given)
            return kind(*args, **kwargs)
        except (Misfit, TypeError, ValueError) as error:
            raise Unfit(given, a(kind), str(error)) from None

    return make


def _bound_name(function: Any) -> str | None:
    """What a method calls the object that it is bound to, if nobody else can be called so."""
    if not isinstance(function, types.MethodType):
        return None
    code = getattr(inspect.unwrap(function.__func__), "__code__", None)
    if code is None or not code.co_argcount or code.co_posonlyargcount:
        return None
    return str(code.co_varnames[0])


def _written_in(function: Any) -> Any:
    """What has the global names in which a callable's annotations were written."""
    if isinstance(function, (functools.partial, functools.partialmethod)):
        return _written_in(function.func)
    if isinstance(function, type):
        for name in ("__init__", "__new__"):
            made_by = inspect.unwrap(getattr(function, name))
            if hasattr(made_by, "__globals__"):
                return made_by
        return function
    if not hasattr(function, "__globals__") and not hasattr(function, "__wrapped__"):
        called = type(function).__call__ if callable(function) else None
        function = called if hasattr(called, "__globals__") else function
    return inspect.unwrap(function)


def _near(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name[:80], names, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
