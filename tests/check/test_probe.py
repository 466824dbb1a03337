"""What the probe finds out about a driver, without the process around it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from orchestrator.check import probe

DRIVERS = """
class Stage:
    limit: float
    speed = 1.0

    def __init__(self, port, *, baud=9600): ...
    def move(self, x): ...
    @property
    def sick(self): raise RuntimeError("no")
    def _inner(self): ...

class Proxy(Stage):
    def __getattr__(self, name): ...

class Supply:
    def __init__(self):
        self.ch1 = Stage()
        self.channels = [self.ch1]

class Anything(Supply):
    def add(self, name):
        setattr(self, name, Stage())

class Shelf:
    stage = Stage

def make(**options): ...
number = 3
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that nobody has imported yet."""
    name = f"lab_{uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(DRIVERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def look(driver: str, **spec: Any) -> dict[str, Any]:
    defaults = {
        "args": ["COM1"],
        "kwargs": {},
        "members": [],
        "calls": [],
        "open_with": None,
        "stop_with": "move",
        "stops": [],
        "limited": [],
        "too_old": False,
    }
    common = {"driver": driver, "folder": "", "too_old": False}
    (answer,) = probe.answers({**common, "looks": [{**defaults, **spec}]})
    return answer


def test_each_look_has_an_answer_of_one_import(lab: str) -> None:
    """In their order; what fails once isn't tried again."""
    one = {"kwargs": {}, "members": [], "calls": [], "open_with": None, "stop_with": None}
    looks = [{**one, "args": args, "stops": [], "limited": []} for args in ([], ["COM1"], [1, 2])]
    spec = {"driver": f"{lab}:Stage", "folder": "", "too_old": False, "looks": looks}
    assert [each.get("unfit", "")[:7] for each in probe.answers(spec)] == ["missing", "", "too man"]
    missing = probe.answers({**spec, "driver": f"{lab}:Gone"})
    assert [each["no_attribute"] for each in missing] == ["Gone"] * 3


@pytest.mark.parametrize("driver", ["Stage", "Proxy", "Shelf.stage"])
def test_nothing_is_said_of_what_is_well(lab: str, driver: str) -> None:
    found = look(f"{lab}:{driver}", members=["move", "speed", "limit", "sick"], stop_with="move")
    assert found == {}


def test_a_missing_module_is_told_with_its_neighbours(lab: str) -> None:
    found = look("labb:Stage")
    assert found["no_module"] == "labb"
    assert {lab, "sys"} <= set(found["names"])
    found = look("email.mimes.text:X")
    assert found["no_module"] == "email.mimes"
    assert "email.mime" in found["names"]
    assert look("sys.path:X") == {"no_module": "sys.path", "names": []}


def test_a_module_that_a_driver_lacks_is_a_failure_with_its_place(tmp_path: Path, lab: str) -> None:
    file = tmp_path / f"{lab}.py"
    file.write_text("\n\nimport no_such_module\n")
    (tmp_path / "elsewhere").mkdir()
    found = look(f"{lab}:Stage", path_first=[str(tmp_path)], folder=str(tmp_path))
    assert found["failed"]["type"] == "ModuleNotFoundError"
    assert found["failed"]["place"] == [str(file), 3]


def test_a_syntax_error_is_placed_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "torn.py"
    with pytest.raises(SyntaxError) as caught:
        compile("x = 1\nx = (", str(file), "exec")
    found = probe.failure(caught.value, [str(tmp_path)])
    assert found["place"] == [str(file), 2, 5]
    assert "never closed" in found["text"]


def test_a_failure_is_placed_in_the_configs_folder_if_it_passed_there(tmp_path: Path) -> None:
    inner = str(tmp_path / "driver.py")
    code = compile("import json\njson.loads('{')", inner, "exec")
    with pytest.raises(ValueError, match="Expecting") as caught:
        exec(code)
    assert probe.failure(caught.value, [str(tmp_path)])["place"] == [inner, 2]
    elsewhere = probe.failure(caught.value, ["/nowhere"])["place"]
    assert Path(elsewhere[0]).name == "decoder.py"


def test_an_error_whose_text_fails_is_still_told() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise KeyError

    assert probe.failure(Mute(), [])["text"] == "(its text can't be made)"
    assert len(probe.text_of("x" * 10_000)) == probe.LONGEST_TEXT


def test_a_missing_attribute_is_told_with_what_can_be_called(lab: str) -> None:
    found = look(f"{lab}:Stag")
    assert found["no_attribute"] == "Stag"
    assert found["within"] == lab
    assert found["names"] == ["Anything", "Proxy", "Shelf", "Stage", "Supply", "make"]
    assert look(f"{lab}:Shelf.stag")["within"] == f"{lab}:Shelf"


def test_what_cannot_be_called_is_told_with_its_type(lab: str) -> None:
    assert look(f"{lab}:number") == {"not_callable": "int"}


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ([], {}, {"unfit": "missing a required argument: 'port'"}),
        (["a", "b"], {}, {"unfit": "too many positional arguments"}),
        (["a"], {"bauds": 1}, {"unknown_arguments": ["bauds"], "names": ["port", "baud"]}),
        (
            [],
            {"bauds": 1},
            {
                "unknown_arguments": ["bauds"],
                "names": ["port", "baud"],
                "unfit": "missing a required argument: 'port'",
            },
        ),
    ],
)
def test_arguments_that_do_not_fit(
    lab: str, args: list[str], kwargs: dict[str, int], expected: dict[str, Any]
) -> None:
    found = look(f"{lab}:Stage", args=args, kwargs=kwargs)
    assert found.pop("signature") == "(port, *, baud=9600)"
    assert found == expected


def test_arguments_that_may_be_anything(lab: str) -> None:
    assert look(f"{lab}:make", args=[], kwargs={"any": 1}) == {}
    assert look("builtins:dict.fromkeys", args=[1, 2, 3, 4, 5]).keys() <= {"unfit", "signature"}


def test_a_signature_that_is_not_told_is_not_judged() -> None:
    class Secret:
        __signature__ = "none"

        def __call__(self) -> None: ...

    assert probe.fit(Secret(), [1, 2], {"a": 1}) == {}


def test_members_that_are_not_there(lab: str) -> None:
    found = look(f"{lab}:Stage", members=["mov", "move"])
    assert found["no_members"] == ["mov"]
    assert found["members"] == ["limit", "move", "sick", "speed"]
    assert found["methods"] == ["move"]


def test_members_that_only_objects_have(lab: str) -> None:
    """What a method's code names may be an attribute; of a path the first name counts."""
    members = ["ch1.ramp", "ch2.ramp", "channels[0].ramp", "outputs[A]"]
    assert look(f"{lab}:Supply", members=members)["no_members"] == ["ch2.ramp", "outputs[A]"]
    assert "no_members" not in look(f"{lab}:Anything", members=members)


def test_arguments_that_are_limited_and_are_none(lab: str) -> None:
    """Of a property it is its value; what a method's keywords take isn't known."""
    limited = [["move", ["x", "y"]], ["move", ["value"]], ["sick", ["value"]], ["sick", ["x"]]]
    found = look(f"{lab}:Stage", limited=[*limited, ["speed", ["x"]], ["mov", ["x"]]])
    wrong = [["move", "y", ["x"]], ["move", "value", ["x"]], ["sick", "x", ["value"]]]
    assert found["no_arguments"] == wrong
    assert "no_arguments" not in look(f"{lab}:Stage", limited=[["move", ["x"]]])


@pytest.mark.parametrize("stop", ["halt", "speed"])
def test_a_stop_that_is_none(lab: str, stop: str) -> None:
    """Not there, or not to be called; only an instance may know better."""
    assert look(f"{lab}:Stage", stop_with=stop)["no_stop_with"] == stop
    assert look(f"{lab}:Proxy", stop_with=stop) == {}


def test_ours_is_the_same_interpreter() -> None:
    """The probe may be read by older ones; what it imports is the standard library's alone."""
    imported = {
        name.partition(".")[0]
        for name in vars(probe)
        if isinstance(getattr(probe, name), type(sys))
    }
    assert imported <= sys.stdlib_module_names


def test_arguments_that_annotations_do_not_want(lab: str, tmp_path: Path) -> None:
    (tmp_path / f"{lab}_fit.py").write_text(
        "class Laser:\n"
        "    def __init__(self, high: float, *, serial: str = ''): ...\n"
        "    def on(self, power: float): ...\n"
        "    def switch_off(self): ...\n"
    )
    driver = f"{lab}_fit:Laser"
    found = look(driver, args=["no"], kwargs={"serial": 5})
    assert found["misfits"] == [
        [0, "high is the text 'no', not a number (float)"],
        ["serial", "serial is 5, not a text (str); in quotes it is one"],
    ]
    assert found["signature"] == "(high: float, *, serial: str = '')"
    assert look(driver, args=["no"], too_old=True, stop_with="on") == {}
    found = look(driver, args=[1], open_with=["on", ["x"], {}], stop_with="switch_off")
    assert found == {"open_misfits": [[1, "power is the text 'x', not a number (float)"]]}
    assert look(driver, args=[1], open_with=["on", [1], {}], stop_with="on") == {}
    calls = [["on", [1], {}], ["on", ["x"], {}], ["a.b", ["x"], {}]]
    found = look(driver, args=[1], calls=calls, stop_with="on")
    assert found == {"call_misfits": [[1, 0, "power is the text 'x', not a number (float)"]]}
    assert look(driver, args=[1], open_with=["no", [], {}])["no_open_with"] == "no"
    assert look(driver, args=[1], stop_with=None) == {"nothing_closes": ["switch_off"]}
    assert look(f"{lab}:Proxy", stop_with=None) == {}
    assert look("builtins:dict", args=[], stop_with="clear") == {}
