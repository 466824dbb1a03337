"""Looks at one driver, for all workers that use it so, in a process that is thrown away afterwards.

Started as a script by `orchestrator.check.drivers`, in the worker's interpreter: the standard
library of Python 3.8 or later must do. Nothing of orch is imported before the driver's module,
which finds modules as in its worker, nor at all where the interpreter is too old for it. Standard
input is one end of a socket pair. Over it come one line of JSON, the specification, and back go
two: that the probe runs, and what it found. Then it waits to be killed; it also ends, with its
group, when the other end closes.
"""

from __future__ import annotations

import os
import sys

# As a script, this file's folder comes first: its modules would hide others of the same name.
if sys.path and sys.path[0] == os.path.dirname(os.path.abspath(__file__)):
    del sys.path[0]

import contextlib
import faulthandler
import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
import signal
import socket
import threading
import traceback
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

LONGEST_TEXT = 2_000  # characters of a message or signature
MOST_NAMES = 5_000  # candidates for what a misspelt name was meant to be


def main() -> None:
    """Answer one specification; never returns."""
    # The driver gets the null device: it may read its standard input, and must not read ours.
    link = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    lines = link.makefile("rb")
    spec = json.loads(lines.readline())
    # Ends this process even when a driver holds the interpreter's lock and the other end is gone.
    if hasattr(signal, "alarm"):
        signal.alarm(int(spec["deadline"]) + 10)
    # At the deadline it tells where it hangs, whoever holds the interpreter's lock. It isn't to
    # end: what it started is found below it.
    faulthandler.dump_traceback_later(spec["deadline"])
    send(link, {"python": list(sys.version_info[:3])})
    lacking = [name for name in spec["needs"] if importlib.util.find_spec(name) is None]
    threading.Thread(target=end_with, args=(lines,), daemon=True).start()
    if spec["path"]:
        sys.path[:] = spec["path"]
    load(spec["bootstrap"]).provide()
    load(spec["search_path"]).arrange(spec["folder"])
    spec["too_old"] = list(sys.version_info[:2]) < spec["oldest"]
    common: dict[str, Any] = {"lacks": lacking} if lacking else {}
    if spec["too_old"]:
        common["too_old"] = ".".join(str(part) for part in sys.version_info[:3])
    told = [{**answer, **common} for answer in answers(spec)]
    faulthandler.cancel_dump_traceback_later()
    send(link, {"answers": told})
    # Not by returning: a driver's threads and exit handlers would run, for as long as they like.
    threading.Event().wait()


def load(file: str) -> Any:
    """A module of ours that every Python can read, by its file: none of ours is importable yet."""
    name = "orch_" + os.path.basename(file).partition(".")[0]
    found = importlib.util.spec_from_file_location(name, file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def end_with(lines: Any) -> NoReturn:
    """End the whole group when the other end closes, also if that was by SIGKILL."""
    with contextlib.suppress(OSError):  # it closed with something of ours unread: a reset
        lines.read(1)
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def send(link: socket.socket, answer: dict[str, Any]) -> None:
    """One line of JSON; ASCII, as texts may hold what UTF-8 can't."""
    link.sendall(json.dumps(answer).encode("ascii") + b"\n")


def answers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with the driver, for each of the `looks`; empty dicts when nothing is.

    It is imported once for all of them.
    """
    # Metaclasses, signatures and descriptors are code of the driver's too.
    try:
        target, wrong = find(spec)
    except BaseException as error:  # noqa: BLE001 - a driver may raise anything, and it is reported
        target, wrong = None, {"failed": failure(error, [spec["folder"]])}
    if wrong:
        return [wrong for _ in spec["looks"]]
    found: list[dict[str, Any]] = []
    for each in spec["looks"]:
        try:
            found.append(look(target, {**spec, **each}))
        except BaseException as error:  # noqa: BLE001 - as above
            found.append({"failed": failure(error, [spec["folder"]])})
    return found


def find(spec: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The driver, and what is wrong with it: an empty dict when it can be called."""
    module_name, _, attribute = spec["driver"].partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name == missing or module_name.startswith(missing + "."):
            return None, {"no_module": missing, "names": module_names(missing)}
        return None, {"failed": failure(error, [spec["folder"]])}
    target: Any = module
    within = module_name
    for name in attribute.split("."):
        try:
            found = getattr(target, name)
        except AttributeError:
            return None, {"no_attribute": name, "within": within, "names": callables(target)}
        target, within = found, within + (":" if target is module else ".") + name
    if not callable(target):
        return None, {"not_callable": type(target).__name__}
    return target, {}


def look(target: Any, spec: dict[str, Any]) -> dict[str, Any]:
    """What is wrong with how a worker uses the driver; an empty dict when nothing is."""
    answer = fit(target, spec["args"], spec["kwargs"])
    if not answer and not spec["too_old"]:
        answer = misfits(target, spec["args"], spec["kwargs"])
    if isinstance(target, type):
        if is_thing(target):
            answer["hololinked"] = text_of(getattr(sys.modules["hololinked"], "__version__", ""))
        named = {key: spec[key] for key in ("open_with", "stop_with")}
        if spec["open_with"] is not None:
            named["open_with"], args, kwargs = spec["open_with"]
            method = inspect.getattr_static(target, named["open_with"], None)
            if inspect.isfunction(method) and not spec["too_old"]:
                wrong = misfits(method, [None, *args], kwargs).get("misfits", [])
                answer.update({"open_misfits": wrong} if wrong else {})
        if spec["calls"] and not spec["too_old"]:
            answer.update(call_misfits(target, spec["calls"]))
        answer.update(look_for(target, spec["members"], named))
        answer.update(look_at_limits(target, spec["limited"]))
        if not spec["too_old"]:
            answer.update(look_at_stops(target, spec["stops"]))
        if spec["stop_with"] is None and not spec["too_old"]:
            answer.update(look_for_closing(target))
    if spec.get("describe"):
        answer["described"] = described(target, spec["describe"])
        answer["mentioned"] = sorted(names_used(target)) if isinstance(target, type) else []
    return answer


def described(target: Any, by: str) -> Any:
    """What the objects of a driver's class offer, without one; None if no class is known.

    By a module of the workers', which this interpreter has if it can host one.
    """
    if not isinstance(target, type):
        try:
            target = typing.get_type_hints(target).get("return")
        except Exception:  # noqa: BLE001 - names that only checkers know
            return None
        if not isinstance(target, type) or target.__module__ in ("builtins", "typing"):
            return None
    return importlib.import_module(by).describe(target)


def failure(error: BaseException, folders: list[str]) -> dict[str, Any]:
    """An import's error in words, with the place it came from, in the folders if it was there."""
    found: dict[str, Any] = {"type": type(error).__qualname__, "text": text_of(error)}
    if isinstance(error, SyntaxError) and error.filename:
        found["text"] = text_of(error.msg)
        found["place"] = [error.filename, error.lineno or 1, error.offset or 1]
        return found
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and not frame.filename.startswith("<frozen ")
    ]
    near = [one for one in frames if one.filename.startswith(tuple(map(as_prefix, folders)))]
    if frames:
        frame = (near or frames)[-1]
        found["place"] = [frame.filename, frame.lineno or 1]
    return found


def as_prefix(folder: str) -> str:
    """The folder as what paths of files in it begin with."""
    return os.path.join(folder, "")


def text_of(value: object) -> str:
    """The value as text, cut; a driver's own __str__ may fail."""
    try:
        return str(value)[:LONGEST_TEXT]
    except BaseException:  # noqa: BLE001 - a driver may raise anything, and it is reported
        return "(its text can't be made)"


def module_names(missing: str) -> list[str]:
    """Names of the modules beside the one that is missing, in full."""
    parent, _, _ = missing.rpartition(".")
    if not parent:
        known = [*sys.builtin_module_names, *(found.name for found in pkgutil.iter_modules())]
        return first(name for name in known if not name.startswith("_"))
    path = getattr(sys.modules.get(parent), "__path__", None)
    if path is None:
        return []
    return first(parent + "." + found.name for found in pkgutil.iter_modules(path))


def callables(target: Any) -> list[str]:
    """Public names of the target that can be called."""
    return first(name for name in public(target) if callable(quietly(target, name)))


def quietly(target: Any, name: str) -> Any:
    """The attribute, or None when getting it fails, for whatever reason of the driver's."""
    try:
        return getattr(target, name)
    except BaseException:  # noqa: BLE001 - a driver may raise anything, and it is reported
        return None


def public(target: Any) -> list[str]:
    """Names without a leading underscore, in order."""
    return sorted({name for name in dir(target) if isinstance(name, str) and name[:1] != "_"})


def first(names: Iterable[str]) -> list[str]:
    """As many of the names as an answer may hold."""
    return [name for _, name in zip(range(MOST_NAMES), names)]  # noqa: B905 - strict: from 3.10


def fit(target: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Whether the driver can be called so; nothing is said of one whose signature is unknown."""
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # written in C, or not telling
        return {}
    answer: dict[str, Any] = {}
    kinds = inspect.Parameter
    named = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
    ]
    takes_any = any(one.kind is kinds.VAR_KEYWORD for one in signature.parameters.values())
    unknown = [] if takes_any else [name for name in kwargs if name not in named]
    if unknown:
        answer["unknown_arguments"] = unknown
        answer["names"] = named
    try:
        # What is unknown is told by its own place; here, what else there is.
        signature.bind(*args, **{name: kwargs[name] for name in kwargs if name not in unknown})
    except TypeError as error:
        answer["unfit"] = text_of(error)
    if answer:
        answer["signature"] = text_of(signature)
    return answer


def misfits(target: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Which arguments aren't what the driver's annotations want, as its worker judges it."""
    from workers.driver.calls import Misfit, Parameters

    try:
        parameters = Parameters(target)
    except (TypeError, ValueError):  # written in C, or not telling
        return {}
    try:
        parameters.fit(args, kwargs)
    except Misfit as misfit:
        wrong = [[where, text_of(text)] for where, text in misfit.problems]
        return {"misfits": wrong, "signature": text_of(parameters.signature)}
    return {}


def look_at_stops(target: type, names: list[str]) -> dict[str, Any]:
    """Why some of these can't be called without arguments, each with its name."""
    unfit: list[list[str]] = []
    for name in names:
        method = inspect.getattr_static(target, name, None)
        if isinstance(method, property):
            unfit.append([name, "it is a property"])
        elif inspect.isfunction(method):
            unfit += [[name, text] for _, text in misfits(method, [None], {}).get("misfits", ())]
    return {"unfit_stops": unfit} if unfit else {}


def call_misfits(target: type, calls: list[Any]) -> dict[str, Any]:
    """Which calls of methods have arguments that these don't take: number, where, what."""
    from workers.driver.calls import Misfit, fit_to_class

    wrong: list[Any] = []
    for number, (name, args, kwargs) in enumerate(calls):
        try:
            fit_to_class(target, name, args, kwargs)
        except Misfit as misfit:
            wrong += [[number, where, text_of(text)] for where, text in misfit.problems]
    return {"call_misfits": wrong} if wrong else {}


def look_at_limits(target: type, limited: list[Any]) -> dict[str, Any]:
    """Which limited arguments a method hasn't: its name, the argument, those that it has.

    Nothing is said of what isn't a plain method or property of the class.
    """
    wrong: list[Any] = []
    for name, arguments in limited:
        method = inspect.getattr_static(target, name, None)
        method = getattr(method, "__func__", method)
        if isinstance(method, property):
            known, takes_any = ["value"], False
        elif inspect.isfunction(method):
            parameters = list(inspect.signature(method).parameters.values())
            takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
            known = [one.name for one in parameters if one.kind is not one.VAR_POSITIONAL]
            if not isinstance(inspect.getattr_static(target, name), staticmethod):
                known = known[1:]
        else:
            continue
        absent = [] if takes_any else [each for each in arguments if each not in known]
        wrong += [[name, each, known] for each in absent]
    return {"no_arguments": wrong} if wrong else {}


def look_for_closing(target: type) -> dict[str, Any]:
    """What may be meant to close objects of a class that nothing closes."""
    from workers.driver.closing import closing_method, likely_methods

    if closing_method(target) or hasattr(target, "__getattr__"):
        return {}
    return {"nothing_closes": likely_methods(target)}


def look_for(target: type, members: list[str], named: dict[str, Any]) -> dict[str, Any]:
    """Names that neither the class nor, as far as its code tells, its objects have.

    Of a path the first name alone is looked at.

    Args:
        target: The class.
        members: Paths of members.
        named: Names of methods, by their key in the configuration.
    """
    known = set(public(target))
    for base in target.__mro__:
        known.update(name for name in annotated(base) if str(name)[:1] != "_")
    answer: dict[str, Any] = {}
    used = names_used(target)
    absent = [name for name in members if re.split(r"[.[]", name)[0] not in known | used]
    if absent and not used & {"setattr", "__dict__", "__getattr__", "__dir__"}:  # may be anything
        answer["no_members"] = absent
    # An instance may have methods that its class knows nothing of only by __getattr__.
    for key, name in named.items():
        if name is None or hasattr(target, "__getattr__"):
            continue
        missing = name not in known and not hasattr(target, name)
        if missing or (hasattr(target, name) and not callable(quietly(target, name))):
            answer["no_" + key] = name
    if answer:
        answer["members"] = first(sorted(known))
        answer["methods"] = callables(target)
    return answer


def names_used(target: type) -> set[str]:
    """Names in the code of its methods: among them are the attributes that objects will have."""
    used: set[str] = set()
    for base in target.__mro__:
        for name, value in vars(base).items():
            code = getattr(value, "__code__", None)
            if base is not object and isinstance(code, types.CodeType):
                used.update([name, *code.co_names])
    return used


def is_thing(target: type) -> bool:
    """Whether it is a class of hololinked's Things, of whichever release."""
    return "hololinked" in sys.modules and any(
        base.__name__ == "Thing" and str(base.__module__).partition(".")[0] == "hololinked"
        for base in target.__mro__
    )


def annotated(base: type) -> Iterable[str]:
    """Names that a class has annotations for, be they resolvable or not."""
    if sys.version_info >= (3, 14):  # they are evaluated when they are asked for, and may fail
        import annotationlib

        return annotationlib.get_annotations(base, format=annotationlib.Format.FORWARDREF)
    found = base.__dict__.get("__annotations__")  # noqa: RUF063 - inspect has it from 3.10
    return found if isinstance(found, dict) else ()


if __name__ == "__main__":
    main()
