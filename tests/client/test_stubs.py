"""Typed clients: checkers take what is right in them, and find what is wrong."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import orchestrator
from orchestrator.client.stub_types import of_annotation, of_argument, of_result, of_schema
from orchestrator.client.stubs import package_name, runtime_text, stub_text
from tests.client.supply import SUPPLY

PORT = {
    "title": "Port",
    "description": 'Ends in "quotes" and \\back\\',
    "properties": {
        "list": {"type": "array", "items": {"type": "integer"}, "observable": True},
        "int": {"type": "integer", "readOnly": True, "description": 'a "b"'},
        "property": {"enum": ["a", "b"]},
        "box": {"type": "array", "orch:python": "tuple[int, ...]"},
        "name": {"oneOf": [{"type": "string"}, {"type": "null"}]},
    },
    "actions": {
        "read": {"orch:signature": "(n: int = 1, *rest: str, wait: bool) -> bytes"},
        "write": {"orch:signature": "(data: bytes, /, mode: lab.Mode = ...) -> None"},
        "import": {"orch:signature": "()"},
        "odd": {"orch:signature": "(...)"},
        "when": {
            "orch:signature": "(at: D.date = None, /, *late: D.timedelta) -> Point",
            "orch:python": {"at": "datetime.date", "late": "datetime.timedelta"},
            "output": {"type": "string", "orch:python": "datetime.datetime"},
        },
        "place": {
            "orch:signature": "(spot: Point, path: Path = 'here', *, wait: float = None) -> Point",
            "input": {
                "properties": {
                    "spot": {"type": "object", "orch:python": "lab.Point"},
                    "path": {"type": "string", "orch:python": "pathlib.Path"},
                }
            },
            "output": {"type": "object", "orch:python": "lab.Point"},
        },
        "sweep": {
            "orch:signature": "(over: list[float], at: dict[int, float]) -> Iterator[float]",
            "output": {"orch:python": "collections.abc.Iterator[float]"},
        },
        "grab": {"orch:signature": "(x) -> tuple[float, numpy.ndarray]"},
    },
    "events": {"moved": {}},
}
WORKERS: dict[str, Any] = {"supply": SUPPLY, "port": PORT, "close": PORT, "a-b": PORT, "off": None}

RIGHT = """
from datetime import timedelta
from pathlib import Path

from bench_client import aconnect, connect

def use() -> None:
    with connect(timeout=3) as rig:
        volts: float = rig.supply.ch1.voltage
        rig.supply.ch1.voltage = 2
        volts = rig.supply.ch1.ramp(2.5, rate=1, execution_timeout=3)
        volts = rig.supply.channels[1].limits.high
        for channel in rig.supply.channels:
            volts = channel.voltage
        volts = rig.supply.inputs["A"].level
        keys: list[str] = rig.supply.inputs.keys()
        volts = rig.supply.dmm
        volts = rig.supply.dmm()
        rig.supply.dmm(3)
        numbers: list[int] = rig.port.list
        rig.port.list = [1]
        rig.port.property = "a"
        data: bytes = rig.port.read(2, "x", wait=True)
        rig.port.write(b"x", mode=object())
        first, second = rig.port.grab(1)
        year: int = rig.port.when("2026-01-31", timedelta(1), "250ms").year
        rig.port.when(None)
        rig.port.place({"x": 1}, Path("a"), wait=None).x
        whole = [1, 2]
        for point in rig.port.sweep(whole, {1: 2}):
            volts = point
        with rig.port.sweep((1, 2.5), {"1": 2}) as points:
            points.close()
        box: tuple[int, ...] = rig.port.box
        rig.port.box = whole
        rig.port.odd(1, 2, x=3)
        rig.port.submit("read", 3).result(5).anything
        with rig.port.subscribe("moved", timeout=3) as events:
            print(next(iter(events)).value)
        rig["a-b"].call("anything")
        rig.off.anything
        rig.close.read(1, wait=True)
        print(rig.status()["workers"], len(rig), "port" in rig)

async def use_async() -> None:
    async with aconnect() as rig:
        volts: float = await rig.supply.ch1.voltage
        volts = await rig.supply.ch1.ramp(2.5)
        volts = await rig.supply.channels[0].voltage
        data: bytes = await rig.port.read(2, wait=True)
        async for event in rig.port.subscribe("moved"):
            print(event.value)
        async for point in await rig.port.sweep([1], {}):
            volts = point
        await rig.status()
    other = await aconnect("bench")
    await other.port.write(b"x")
"""
WRONG = """
from bench_client import aconnect, connect

def use() -> None:
    rig = connect()
    text: str = rig.supply.ch1.voltage
    rig.suply
    rig.supply.chl
    rig.supply.ch1.voltag
    rig.supply.ch1.voltage = "2"
    rig.supply.ch1.ramp("2")
    rig.supply.ch1.ramp(1, 2, 3)
    rig.supply.channels[0].ramp2
    rig.port.int = 3
    rig.port.property = "c"
    rig.port.read("x", wait=True)
    rig.port.read(1)
    rig.port.submit("raed")
    rig.port.subscribe("move")
    rig.port.list.append("x")
    rig.supply.dmm("x")
    rig.port.when(3)
    rig.port.when().strip()
    rig.port.when("2026-01-31", 3)
    rig.port.place({}, 3)
    rig.port.place({}, wait="x")
    rig.port.sweep([1], {b"": 1})
    next(rig.port.sweep([1], {})).strip()
    rig.port.box.append(3)

async def use_async() -> None:
    rig = await aconnect()
    text: str = await rig.supply.ch1.voltage
    await rig.supply.ch1.ramp("2")
    rig.supply.ch1.voltage = 2
    await rig.port.submit("read")
"""


def written(folder: Path) -> Path:
    package = folder / package_name("bench")
    package.mkdir()
    (package / "__init__.py").write_text(runtime_text("bench"))
    (package / "__init__.pyi").write_text(stub_text("bench", WORKERS))
    (package / "py.typed").touch()
    return package


@pytest.mark.timeout(300)  # it reads much of the product
def test_mypy(tmp_path: Path) -> None:
    """Strictly: nothing is wrong with the stub and its right use, each line of the wrong one is."""
    api = pytest.importorskip("mypy.api")
    package = written(tmp_path)
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(RIGHT)
    wrong.write_text(WRONG)
    config = tmp_path / "mypy.ini"
    skipped = "".join(f"[mypy-{name}.*]\nfollow_imports = skip\n" for name in ("numpy", "zmq"))
    config.write_text(f"[mypy]\nstrict = True\nmypy_path = {tmp_path}\n{skipped}")
    options = ["--config-file", str(config), "--cache-dir", str(tmp_path / "cache")]
    out, err, _ = api.run([*options, "--no-error-summary", str(package), str(right), str(wrong)])
    assert err == ""
    errors = [line for line in out.splitlines() if ": error:" in line]
    assert [line for line in errors if "wrong.py" not in line] == []
    found = {int(match[1]) for line in errors if (match := re.search(r"wrong\.py:(\d+):", line))}
    assert found == wrong_lines(), out


def wrong_lines() -> set[int]:
    """The numbers of the lines each of which has something wrong."""
    lines = enumerate(WRONG.splitlines(), 1)
    return {number for number, line in lines if line[:4] == "    " and "connect()" not in line}


@pytest.mark.timeout(300)  # it reads much of the product
def test_pyright(tmp_path: Path) -> None:
    """The same, as editors see it; of what is used, a variable may be left unused."""
    pytest.importorskip("basedpyright")
    written(tmp_path)
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    product = str(Path(orchestrator.__file__).parent.parent)
    settings = {"typeCheckingMode": "strict", "extraPaths": [product]}
    settings["reportUnusedVariable"] = settings["reportUnusedExpression"] = "none"
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    errors = json.loads(out)["generalDiagnostics"]
    assert [each for each in errors if not each["file"].endswith("wrong.py")] == []
    found = {each["range"]["start"]["line"] + 1 for each in errors}
    assert found == wrong_lines(), out


def test_the_package_behind_it_connects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = written(tmp_path)
    spec = importlib.util.spec_from_file_location("bench_client", package / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bench_client", module)
    spec.loader.exec_module(module)
    asked: list[Any] = []
    for name in ("connect", "aconnect"):
        monkeypatch.setattr(
            f"orchestrator.{name}", lambda *a, **k: asked.append((a, k)), raising=False
        )
    monkeypatch.setattr(
        "orchestrator.aconnect", lambda *a, **k: asked.append((a, k)), raising=False
    )
    module.connect(timeout=3)
    module.aconnect("tcp://host:5570")
    assert asked == [(("bench",), {"timeout": 3}), (("tcp://host:5570",), {})]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("float", "builtins.float"),
        ("int | None", "builtins.int | None"),
        ("Optional[str]", "builtins.str | None"),
        ("typing.Union[int, str]", "builtins.int | builtins.str"),
        ("List[int]", "builtins.list[builtins.int]"),
        ("list", "builtins.list[Any]"),
        ("dict", "builtins.dict[Any, Any]"),
        ("tuple", "builtins.tuple[Any, ...]"),
        ("tuple[int, ...]", "builtins.tuple[builtins.int, ...]"),
        ("dict[str, list[float]]", "builtins.dict[builtins.str, builtins.list[builtins.float]]"),
        ("'float'", "builtins.float"),
        ("Literal['a', 3]", "Literal['a', 3]"),
        ("numpy.ndarray", "numpy.typing.NDArray[Any]"),
        ("NDArray[float64]", "numpy.typing.NDArray[Any]"),
        ("Any", "Any"),
        ("list[Mode]", "builtins.list[Any]"),
        ("datetime.datetime | None", "_datetime.datetime | None"),
        ("dict[int, lab.Mode]", "builtins.dict[builtins.int, Any]"),
        ("collections.abc.Mapping", "_abc.Mapping[Any, Any]"),
        ("collections.defaultdict[str, int]", "builtins.dict[builtins.str, builtins.int]"),
        ("int | Any", "Any"),
        (
            "int | tuple[int | str, str] | int",
            "builtins.int | builtins.tuple[builtins.int | builtins.str, builtins.str]",
        ),
        *[(text, None) for text in ("lab.Mode", "Mode", "Literal[x]", "f()", "'a b'")],
        *[(text, None) for text in ("3", "int | Mode", "Callable[[int], str]", "lab.int", "'a b'")],
    ],
)
def test_types_of_annotations(text: str, kind: str | None) -> None:
    assert of_annotation(ast.parse(text, mode="eval").body) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("float", "builtins.float"),
        ("datetime.timedelta", "_datetime.timedelta | builtins.str"),
        ("datetime.date | str", "_datetime.date | builtins.str"),
        ("decimal.Decimal | None", "_decimal.Decimal | builtins.float | builtins.str | None"),
        ("numpy.ndarray", "numpy.typing.NDArray[Any] | _abc.Sequence[Any]"),
        ("list[int]", "_abc.Sequence[builtins.int] | numpy.typing.NDArray[Any]"),
        (
            "collections.abc.Collection[int]",
            "_abc.Collection[builtins.int] | numpy.typing.NDArray[Any]",
        ),
        ("tuple", "_abc.Sequence[Any] | numpy.typing.NDArray[Any]"),
        (
            "tuple[int, str]",
            "builtins.tuple[builtins.int, builtins.str] | builtins.list[Any] | "
            "numpy.typing.NDArray[Any]",
        ),
        (
            "set[int]",
            "_abc.Set[builtins.int] | _abc.Sequence[builtins.int] | numpy.typing.NDArray[Any]",
        ),
        ("dict[str, int]", "_abc.Mapping[builtins.str, builtins.int]"),
        ("dict[uuid.UUID, int]", "_abc.Mapping[Any, builtins.int]"),
        ("collections.deque[int]", "Any"),
        ("zoneinfo.ZoneInfo", "Any"),
        ("lab.Mode", "Any"),
        ("no type", "Any"),
    ],
)
def test_types_of_what_is_accepted(text: str, kind: str) -> None:
    assert of_argument(None, {"type": "string", "orch:python": text}) == kind


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (
            "collections.abc.Generator[int, None, str]",
            ("Stream[builtins.int]", "AsyncStream[builtins.int]"),
        ),
        ("collections.abc.Iterator", ("Any", "Any")),
        ("concurrent.futures.Future[int]", ("builtins.int", "builtins.int")),
        ("collections.abc.Coroutine[Any, Any, str]", ("builtins.str", "builtins.str")),
        ("asyncio.Task", ("Any", "Any")),
        ("set[lab.Mode]", ("builtins.set[Any]", "builtins.set[Any]")),
        ("lab.Mode", ("Any", "Any")),
    ],
)
def test_types_of_results(text: str, kinds: tuple[str, str]) -> None:
    schema = {"type": "string", "orch:python": text}
    assert tuple(of_result(None, schema, face) for face in ("", "Async")) == kinds


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "number"}, "builtins.float"),
        ({"type": "null"}, "None"),
        ({"type": "array"}, "builtins.list[Any]"),
        ({"type": "array", "orch:contentType": "x"}, "numpy.typing.NDArray[Any]"),
        ({"enum": ["a", None, 2]}, "Literal['a', None, 2]"),
        ({"enum": [1.5]}, "Any"),
        ({"oneOf": [{"type": "integer"}, {"type": "null"}]}, "builtins.int | None"),
        ({"oneOf": [{"type": "integer"}, {}]}, "Any"),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            "builtins.dict[builtins.str, builtins.str]",
        ),
        ({}, "Any"),
        (None, "Any"),
        ({"type": ["a"]}, "Any"),
    ],
)
def test_types_of_schemas(schema: Any, kind: str) -> None:
    assert of_schema(schema) == kind


names = st.text(max_size=6) | st.sampled_from(["a", "a.b", "a[1]", "a['k'].c", "class", "name"])
affordances = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["number", "array", "object", "odd"]) | st.integers(),
        "description": st.text(),
        "orch:signature": st.text() | st.sampled_from(["(x: 'y\"', *a, b=1, **c)", "(...)"]),
        "enum": st.lists(st.text() | st.none()),
        "unit": st.text(),
        "orch:python": st.text() | st.dictionaries(st.text(), st.text()) | st.just("list[x.Y]"),
    },
)


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.sampled_from(["properties", "actions", "events"]), st.dictionaries(names, affordances)
    ),
    st.text(),
)
def test_any_description_makes_a_stub(description: dict[str, Any], text: str) -> None:
    """That is Python, and defines nothing but what it should."""
    description["description"] = text
    tree = ast.parse(stub_text("bench", {"w": description}))
    kinds = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Expr)
    assert all(isinstance(node, kinds) for node in tree.body)
