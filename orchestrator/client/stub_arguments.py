"""What is accepted for an argument of each type, in stubs: the type, and what is fitted to it.

Abstract types stand for containers: a checker takes a list of integers for a sequence of numbers,
but not for a list of them.
"""

from __future__ import annotations

ARRAY = "numpy.typing.NDArray[Any]"

ARGUMENTS = {
    "builtins.bytes": "builtins.bytes | builtins.bytearray | builtins.memoryview",
    "builtins.complex": "builtins.complex | builtins.str",
    ARRAY: f"{ARRAY} | _abc.Sequence[Any]",
    "_decimal.Decimal": "_decimal.Decimal | builtins.float | builtins.str",
    "_fractions.Fraction": "_fractions.Fraction | builtins.int | builtins.str",
    **{
        name: f"{name} | builtins.str"
        for name in (
            *("_datetime.date", "_datetime.datetime", "_datetime.time", "_datetime.timedelta"),
            *("_pathlib.Path", "_pathlib.PurePath", "_pathlib.PurePosixPath"),
            *("_pathlib.PureWindowsPath", "_uuid.UUID"),
        )
    },
    # left as they are by the worker: what they are given is the driver's affair
    **dict.fromkeys(
        (
            *("builtins.bytearray", "builtins.range", "builtins.slice"),
            *("_datetime.timezone", "_datetime.tzinfo", "_zoneinfo.ZoneInfo"),
            *("_pathlib.PosixPath", "_pathlib.WindowsPath"),
        ),
        "Any",
    ),
}
"""By a type as it is read; one that isn't here accepts itself."""

_LISTS = ("collections.abc.MutableSequence", "list")
_SEQUENCES = ("collections.abc.Collection", "collections.abc.Sequence")
_SETS = ("collections.abc.Set", "frozenset", "set")
_MAPPINGS = (
    *("collections.OrderedDict", "collections.abc.Mapping", "collections.abc.MutableMapping"),
    *("collections.defaultdict", "dict"),
)


def accepted(name: str, items: list[str]) -> str:
    """What is accepted for a container.

    Args:
        name: Its type, such as `dict` or `collections.abc.Set`.
        items: What is accepted for the types in it.
    """
    if name == "tuple":
        if items[-1] != "...":
            return f"builtins.tuple[{', '.join(items)}] | builtins.list[Any] | {ARRAY}"
        return f"_abc.Sequence[{items[0]}] | {ARRAY}"
    if name in _LISTS:
        return f"_abc.Sequence[{items[0]}] | {ARRAY}"
    if name in _SEQUENCES:
        return f"_abc.{name.rpartition('.')[2]}[{items[0]}] | {ARRAY}"
    if name in _SETS:
        return f"_abc.Set[{items[0]}] | _abc.Sequence[{items[0]}] | {ARRAY}"
    if name not in _MAPPINGS:
        return "Any"
    key, value = items
    # checkers want the keys' type itself, and JSON has each key as text
    keys = ["Any"] if " | " in key or key == "Any" else list(dict.fromkeys([key, "builtins.str"]))
    return " | ".join(f"_abc.Mapping[{each}, {value}]" for each in keys)
