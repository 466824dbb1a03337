"""Drivers of every kind, good and bad, looked at in real processes."""

from __future__ import annotations

import ast
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import psutil
import pytest

import orchestrator.check.probe
from orchestrator.check.drivers import check
from orchestrator.check.offers import offers
from orchestrator.config.loader import load
from workers import search_path
from workers.process import bootstrap

pytestmark = pytest.mark.measured

CAMERA = """\
import sys

print("noise" * 100_000)
print("more", file=sys.stderr)
sys.stdin.read()


class Camera:
    gain: float
    name = "cam"

    def __init__(self, port, /, *, baud=9600):
        raise AssertionError("a check builds nothing")

    class Inner:
        def make(self, x):
            pass

    def expose(self):
        pass

    def close(self):
        pass

    @property
    def temperature(self):
        raise AssertionError("a check reads nothing")


class Dynamic:
    def __getattr__(self, name):
        return print


def make(**anything):
    pass


TABLE = {}
"""


HANGS = "what takes time, or waits for a device, belongs in the class"


def lab(folder: Path, workers: str, **modules: str) -> Path:
    (folder / "camera.py").write_text(CAMERA)
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    file = folder / "lab.yaml"
    file.write_text(f"rig: bench\nworkers:\n{workers}")
    return file


def expect(folder: Path, marked: str, *messages: str, deadline: float = 30, **modules: str) -> None:
    """The problems stand at the places after each § in the workers, and begin with the texts."""
    places = []
    for number, line in enumerate(marked.split("\n"), start=3):
        before = 0
        for part in line.split("§")[:-1]:
            before += len(part)
            places.append((number, before + 1))
    config = load(lab(folder, marked.replace("§", ""), **modules))
    problems = check(config, deadline=deadline).problems
    assert [(one.place.line, one.place.column) for one in problems] == places, problems
    assert [one.message for one in problems] == list(messages)


def test_drivers_that_fit_are_no_problem(tmp_path: Path) -> None:
    expect(
        tmp_path,
        """\
  full: {driver: "camera:Camera", args: [1], kwargs: {baud: 1}, concurrent: [gain, expose],
         timeouts: {temperature: 1, name: 2}, stop_with: close}
  nested: {driver: "camera:Camera.Inner"}
  factory: {driver: "camera:make", kwargs: {whatever: 1}, concurrent: [unknown], stop_with: gone}
  dynamic: {driver: "camera:Dynamic", stop_with: shutdown}
  thread: {driver: "camera:Camera", args: [1], transport: inproc}
  in_c: {driver: "builtins:dict", kwargs: {a: 1}}
  installed: {driver: "workers.errors:nothing"}
""".replace("workers.errors:nothing", "orchestrator.config.loader:load").replace(
            'loader:load"', 'loader:load", args: [x]'
        ),
    )


def test_names_and_arguments_that_do_not_fit_are_told_at_their_places(tmp_path: Path) -> None:
    signature = "its signature is (port, /, *, baud=9600)"
    expect(
        tmp_path,
        """\
  a: {driver: §"camera:Camra"}
  b: {driver: §"camera:Camera.Iner"}
  c: {driver: "camera:Camera", args: [1], kwargs: {§bauds: 2, baud: 1}}
  d: {driver: "camera:Camera", args: §[1, 2]}
  e: {driver: §"camera:Camera"}
  f: {driver: §"camera:TABLE"}
  g: {driver: "camera:Camera", args: [1], concurrent: [expose, §expos], timeouts: {§gian: 1}}
  h: {driver: "camera:Camera", args: [1], stop_with: §clos}
  i: {driver: "camera:Camera", args: [1], stop_with: §name}
""",
        '"camera" has no "Camra"; did you mean "Camera"?',
        '"camera:Camera" has no "Iner"; did you mean "Inner"?',
        f'"Camera" takes no argument "bauds"; {signature}; did you mean "baud"?',
        f'"Camera" can\'t be called so: too many positional arguments; {signature}',
        f"\"Camera\" can't be called so: missing a required argument: 'port'; {signature}",
        '"TABLE" is of type dict, not a class or factory',
        '"Camera" has no member "expos"; did you mean "expose"?',
        '"Camera" has no member "gian"; did you mean "gain"?',
        '"Camera" has no method "clos"; did you mean "close"?',
        '"Camera" has no method "name"; it has Inner, close, expose',
    )


def test_what_stops_others_is_looked_at(tmp_path: Path) -> None:
    """It is called while a device does what it shouldn't: then it has to fit."""
    (tmp_path / "axis.py").write_text(
        "class Axis:\n    on = property(lambda self: 1)\n    def move(self): pass\n"
        "    def stop(self): pass\n    def halt(self, how): pass\n"
    )
    (tmp_path / "rig.yaml").write_text(
        "rig: r\ndefaults: {cancel_with: anything}\nworkers:\n"
        '  a: {driver: "axis:Axis", cancel_with: [stop, interrupt], cancel: {move: stop}}\n'
        '  b: {driver: "axis:Axis", cancel_with: [halt, interrupt]}\n'
        '  c: {driver: "axis:Axis", cancel: {moves: stop}}\n'
        '  d: {driver: "axis:Axis", cancel: {move: [on, sotp]}}\n'
        '  e: {driver: "axis:Axis"}\n'
    )
    problems, _ = check(load(tmp_path / "rig.yaml"))
    told = "can't stop others: it is called without arguments, but"
    assert [(each.place.line, each.message) for each in problems] == [
        (5, f"\"halt\" {told} missing a required argument: 'how'"),
        (6, '"Axis" has no member "moves"; did you mean "move"?'),
        (7, '"Axis" has no member "sotp"; did you mean "stop"?'),
        (7, f'"on" {told} it is a property'),
    ]


def test_what_access_names_are_members_and_arguments(tmp_path: Path) -> None:
    """At their places, as those of a worker's own keys are."""
    (tmp_path / "axis.py").write_text(
        "class Axis:\n    speed = 1.0\n    def move(self, tag, x=1): pass\n"
        "    def close(self): pass\n"
    )
    (tmp_path / "rig.yaml").write_text(
        "rig: r\naccess:\n  root: admin\n  ann:\n    read: [a.speed, a.speeed]\n"
        "    allow: [a.nosuch, a.move, a.speed, a.ping, r.status]\n"
        "    limits: {a.move: {taag: [0, 1], x: [0, 1]}}\n"
        "  bob:\n    allow: [a.move]\n    limits:\n      a.move: [0, 1]\n"
        'workers:\n  a: {driver: "axis:Axis"}\n'
    )
    problems, _ = check(load(tmp_path / "rig.yaml"))
    assert [(each.place.line, each.place.column, each.message) for each in problems] == [
        (5, 21, '"Axis" has no member "speeed"; did you mean "speed"?'),
        (6, 13, '"Axis" has no member "nosuch"; it has close, move, speed'),
        (7, 23, '"move" takes no argument "taag", which is limited; did you mean "tag"?'),
        (11, 7, '"move" takes no argument "value", which is limited; it has tag, x'),
    ]


def test_what_is_verified_probed_or_repeated_are_members(tmp_path: Path) -> None:
    expect(
        tmp_path,
        """\
  a: {driver: "camera:Camera", args: [1], idempotent: [expose, §expos]}
  b: {driver: "camera:Camera", args: [1], verify: {§expos: gain}}
  c: {driver: "camera:Camera", args: [1], verify: {§expose: gian}}
  d: {driver: "camera:Camera", args: [1], probe: {§read: gian, every: 1s}}
""",
        *['"Camera" has no member "expos"; did you mean "expose"?'] * 2,
        *['"Camera" has no member "gian"; did you mean "gain"?'] * 2,
    )


def test_the_driver_of_on_loss_is_looked_at_too(tmp_path: Path) -> None:
    """Before a device depends on it."""
    (tmp_path / "safe.py").write_text(
        "class Safe:\n    def __init__(self, port: int = 1): pass\n    def off(self): pass\n"
        "    def ramp(self, x: float): pass\n"
        "    @staticmethod\n    def beep(times: int): pass\n"
    )
    (tmp_path / "rig.yaml").write_text(
        "rig: r\nworkers:\n"
        '  a: {driver: "safe:Safe", on_loss: {driver: "safe:Safe", calls: ["off"]}}\n'
        '  b: {driver: "safe:Safe", on_loss: {driver: "safe:Saf", calls: ["off"]}}\n'
        '  c: {driver: "safe:Safe", on_loss: {driver: "safe:Safe", calls: [of], args: [1, 2]}}\n'
        '  d: {driver: "safe:Safe", on_loss: {driver: "safe:Safe", kwargs: {port: x}, calls: [\n'
        "      [ramp, 1], [ramp, abc],\n      [ramp, 1, 2],\n      ramp,\n"
        "      [ramp, {x: no}], [beep, b]]}}\n"
    )
    problems, _ = check(load(tmp_path / "rig.yaml"))
    told = [(each.place.line, each.message) for each in problems]
    assert [line for line, _ in told] == [4, 5, 5, 6, 7, 8, 9, 10, 10]
    lines = (tmp_path / "rig.yaml").read_text().splitlines()
    marked = [lines[each.place.line - 1][each.place.column - 1 :] for each in problems]
    assert [text.split(",")[0].split("]")[0] for text in marked[3:]] == [
        *("port: x}", "abc", "[ramp", "ramp", "x: no}", "b"),
    ]
    assert [message.partition(":")[0] for _, message in told[4:]] == [*['"ramp"'] * 4, '"beep"']
    assert "has no 'Saf'" in told[0][1].replace('"', "'")
    assert any("can't be called so" in message for _, message in told)
    assert any("has no member" in message for _, message in told)


def test_what_the_defaults_say_is_not_held_against_a_worker(tmp_path: Path) -> None:
    file = lab(tmp_path, "  a: {driver: 'camera:Camera', args: [1]}\n")
    text = file.read_text()
    file.write_text(text + "defaults: {concurrent: [x], timeouts: {y: 1}, stop_with: z}\n")
    assert check(load(file)).problems == []


def test_modules_that_are_not_there_are_told_the_nearest(tmp_path: Path) -> None:
    package = tmp_path / "devices"
    package.mkdir()
    (package / "stage.py").touch()
    expect(
        tmp_path,
        """\
  a: {driver: §"camrea:Camera"}
  b: {driver: §"devices.stag:Stage"}
  c: {driver: §"camera.sub:Stage"}
  d: {driver: §"needs:Stage"}
""",
        'there is no module "camrea"; did you mean "camera"?',
        'there is no module "devices.stag"; did you mean "devices.stage"?',
        'there is no module "camera.sub"',
        "importing \"needs\" failed: ModuleNotFoundError: No module named 'nosuchlibrary'"
        " (needs.py:2)",
        needs="\nimport nosuchlibrary\n",
    )


def test_imports_that_fail_are_told_with_the_place_in_the_driver(tmp_path: Path) -> None:
    expect(
        tmp_path,
        """\
  a: {driver: §"syntax:X"}
  b: {driver: §"zero:X"}
  c: {driver: §"leaves:X"}
  d: {driver: §"nasty:X"}
  e: {driver: §"odd:X"}
  f: {driver: §"json_like:X"}
""",
        'importing "syntax" failed: SyntaxError: invalid syntax (syntax.py:1:7)',
        'importing "zero" failed: ZeroDivisionError: division by zero (zero.py:2)',
        'importing "leaves" calls for an exit, with status 3 (leaves.py:2)',
        'importing "nasty" failed: RuntimeError: two lines \\x1b[31m (nasty.py:1)',
        'importing "odd" failed: Odd: (its text can\'t be made) (odd.py:4)',
        'importing "json_like" failed: JSONDecodeError: Expecting value: line 1 column 1 (char 0)'
        " (json_like.py:2)",
        syntax="def f(:\n",
        zero="def f():\n    1 / 0\nf()\n",
        leaves="import sys\nsys.exit(3)\n",
        nasty="raise RuntimeError('two\\nlines \\x1b[31m')\n",
        odd="class Odd(Exception):\n    def __str__(self):\n        raise KeyError\nraise Odd\n",
        json_like="import json\njson.loads('x')\n",
    )


def test_imports_that_end_or_hang_their_process_are_told(tmp_path: Path) -> None:
    expect(
        tmp_path,
        """\
  a: {driver: §"exits:X"}
  b: {driver: §"crashes:X"}
  c: {driver: §"hangs:X"}
  d: {driver: §"forks:X"}
""",
        'importing "exits" ended its process: status 4 (last words)',
        'importing "crashes" ended its process: killed by SIGSEGV',
        f'importing "hangs" did not end within 2 s, it is at hangs.py:2; {HANGS}',
        'importing "forks" ended its process: status 0',
        deadline=2,
        exits="import os\nos.write(2, b'first\\nlast words\\n')\nos._exit(4)\n",
        crashes="import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
        hangs="import threading\nthreading.Event().wait()\n",
        # The child keeps our end of the socket open, but not the process.
        forks="import os, time\nif os.fork():\n    os._exit(0)\ntime.sleep(60)\n",
    )


def test_a_worker_is_looked_at_in_its_own_environment_and_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    expect(
        tmp_path,
        "  a: {driver: 'env:f', env: {LAB_TEST_KEY: v}, cwd: data}\n",
        env="import os\nassert os.environ['LAB_TEST_KEY'] == 'v'\n"
        "assert os.path.basename(os.getcwd()) == 'data'\ndef f(): ...\n",
    )


def test_the_standard_library_comes_first_and_the_probe_not_at_all(tmp_path: Path) -> None:
    file = lab(
        tmp_path,
        "  a: {driver: 'colorsys:Mine'}\n  b: {driver: 'probing:run'}\n",
        colorsys="class Mine: ...\n",
    )
    hides, lacks = (problem.message for problem in check(load(file)).problems)
    assert hides == (
        '"colorsys" is a module of the standard library, which hides "colorsys.py";'
        " give yours another name"
    )
    assert lacks.startswith('there is no module "probing"')


def test_another_interpreter_needs_nothing_of_ours(tmp_path: Path) -> None:
    """A bare one, without site-packages, finds the driver all the same; what it lacks is told."""
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "$@"\n')
    bare.chmod(0o755)
    lacks = (
        f'the interpreter "{bare}" can\'t host a worker: it lacks zmq, msgspec, structlog; '
        "install orch into it, as into the one that runs the rig"
    )
    expect(
        tmp_path,
        f"""\
  a: {{driver: "camera:Camera", args: [1], python: §{bare}}}
  b: {{driver: §"needs:X", python: §bare}}
  c: {{driver: §"camrea:X", python: §bare}}
""",
        lacks,
        "importing \"needs\" failed: ModuleNotFoundError: No module named 'pydantic' (needs.py:1)",
        lacks,
        f'there is no module "camrea" for "{bare}"; did you mean "camera"?',
        lacks,
        needs="import pydantic\n",
    )


def test_things_of_another_release_are_told_with_the_mend(tmp_path: Path) -> None:
    thing = "class Thing:\n    def __init__(self, id): ...\n"
    for release in ("0.3.5", "0.4.2"):
        package = tmp_path / release / "hololinked"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"__version__ = '{release}'\n")
        (package / "thing.py").write_text(thing)
    (tmp_path / "boxes.py").write_text(
        "from hololinked.thing import Thing\n\n\nclass Box(Thing):\n    pass\n"
    )
    config = tmp_path / "rig.yaml"
    config.write_text(
        f"""rig: r
workers:
  old: {{driver: "boxes:Box", env: {{PYTHONPATH: {tmp_path}/0.3.5}}}}
  new: {{driver: "boxes:Box", kwargs: {{id: x}}, env: {{PYTHONPATH: {tmp_path}/0.4.2}}}}
"""
    )
    (problem,) = check(load(config)).problems
    assert problem.place.line == 3
    assert '"Box" is a Thing of hololinked 0.3.5, and Things of 0.4 are hosted' in problem.message
    assert "install hololinked 0.4 in the interpreter" in problem.message


def test_an_interpreter_that_is_none_is_told(tmp_path: Path) -> None:
    for name, text in {"garbage": "\0garbage", "quits": "#!/bin/sh\necho oops >&2; exit 5\n",
                       "waits": "#!/bin/sh\nexec sleep 60\n"}.items():  # fmt: skip
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    expect(
        tmp_path,
        """\
  a: {driver: "camera:X", python: §garbage}
  b: {driver: "camera:X", python: §quits}
  c: {driver: "camera:X", python: §waits}
""",
        f'the interpreter "{tmp_path}/garbage" can\'t be started: Exec format error',
        f'the interpreter "{tmp_path}/quits" ended at once: status 5; is it a Python? (oops)',
        f'the interpreter "{tmp_path}/waits" does nothing for 1 s; is it a Python?',
        deadline=1,
    )


@pytest.mark.parametrize("module", [orchestrator.check.probe, bootstrap, search_path])
def test_what_other_interpreters_read_is_readable_by_python_3_8(module: ModuleType) -> None:
    source = Path(module.__file__ or "").read_text()
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        str(node.module).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    # `workers` by the bootstrap, once it knows that the interpreter is new enough
    assert imported <= sys.stdlib_module_names | {"annotationlib", "workers"}


def test_nothing_is_imported_into_our_own_process(tmp_path: Path) -> None:
    before = set(sys.modules)
    expect(tmp_path, "  a: {driver: 'orch_canary:f'}\n", orch_canary="def f(): ...\n")
    assert not any("canary" in name for name in set(sys.modules) - before)


SPAWNS = """\
import os, subprocess, sys
code = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(300)"
for new_session in (False, True):
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE,
                             start_new_session=new_session)
    with open(os.environ["PIDS"], "ab") as file:
        file.write(child.stdout.readline())
def f(): ...
"""


def test_a_probe_ends_with_who_reads_nothing_of_it() -> None:
    """Then its link isn't ended, it is reset."""
    ours, theirs = socket.socketpair()
    code = (
        "import os, socket; from orchestrator.check import probe; "
        "link = socket.socket(fileno=os.dup(0)); link.sendall(b'unread'); "
        "probe.end_with(link.makefile('rb'))"
    )
    with (
        theirs,
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=theirs.fileno(), start_new_session=True
        ) as probe,
    ):
        assert ours.recv(1, socket.MSG_PEEK) == b"u"
        ours.close()
        assert probe.wait(20) == -signal.SIGKILL


def gone(pid: int, within: float = 10) -> bool:
    """Whether the process ends in time, be its exit collected by whoever inherited it or not."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], within)[0])
    finally:
        os.close(pidfd)


@pytest.mark.parametrize("ending", ["def f(): ...", "import threading; threading.Event().wait()"])
def test_what_a_driver_started_ends_with_its_check(tmp_path: Path, ending: str) -> None:
    pids = tmp_path / "pids"
    file = lab(
        tmp_path, f"  a: {{driver: 'spawns:f', env: {{PIDS: '{pids}'}}}}\n", spawns=SPAWNS + ending
    )
    before = set(psutil.Process().children(recursive=True))
    check(load(file), deadline=3)
    children = [int(line) for line in pids.read_text().split()]
    assert len(children) == 2
    assert all(gone(pid) for pid in children)
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_check_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    pids = tmp_path / "pids"
    hangs = (
        "import os, threading\n"
        f"with open({str(pids)!r}, 'w') as file:\n    file.write(str(os.getpid()))\n"
        "threading.Event().wait()\n"
    )
    os.mkfifo(pids)
    file = lab(tmp_path, "  a: {driver: 'hangs:f'}\n", hangs=hangs)
    code = (
        "import sys; from orchestrator.check.drivers import check; "
        "from orchestrator.config.loader import load;"
        "check(load(sys.argv[1]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file)],
        stderr=subprocess.DEVNULL,
        cwd=Path(orchestrator.check.probe.__file__).parents[1],
    ) as checking:
        probe = int(pids.read_text())  # waits until the driver writes it
        started = time.monotonic()
        checking.send_signal(number)
        checking.wait(10)
    assert gone(probe)
    assert time.monotonic() - started < 10


def test_as_many_run_at_a_time_as_there_are_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of two drivers waits for the other, so both must be running; a third comes after."""
    monkeypatch.setattr("orchestrator.check.drivers.processors", lambda: 2)
    meets = (
        "import os\nhere, there = os.environ['HERE'], os.environ['THERE']\n"
        "os.mkfifo(here)\n"
        "while not os.path.exists(there): pass\n"
        "def f(): ...\n"
    )
    a, b = tmp_path / "a", tmp_path / "b"
    expect(
        tmp_path,
        f"""\
  a: {{driver: "meets:f", env: {{HERE: {a}, THERE: {b}}}}}
  b: {{driver: "meets:f", env: {{HERE: {b}, THERE: {a}}}}}
  c: {{driver: "camera:make"}}
""",
        meets=meets,
    )


FITTING = """\
from __future__ import annotations
import enum


class Mode(enum.Enum):
    CW = "cw"


class Laser:
    def __init__(self, high: float = 1.0, *, serial: str = "", simulate: bool = False,
                 mode: Mode = Mode.CW, name: str = "", count=0): ...
    def close(self): ...
"""


def test_arguments_that_annotations_do_not_want_are_told_at_their_places(tmp_path: Path) -> None:
    text = """\
  a: {driver: "fit:Laser", args: [1], kwargs: {mode: CW, simulate: true, name: '07'}}
  b: {driver: "fit:Laser", args: [§no]}
  c:
    driver: "fit:Laser"
    kwargs:
      §serial: 01823456
      §simulate: no
      §mode: cv
      §name: #3
"""
    signature = (
        "; its signature is (high: 'float' = 1.0, *, serial: 'str' = '', simulate: 'bool' = False,"
        " mode: 'Mode' = <Mode.CW: 'cw'>, name: 'str' = '', count=0)"
    )
    expect(
        tmp_path,
        text,
        f"\"Laser\": high is the text 'no', not a number (float){signature}",
        '"Laser": serial is 1823456, not a text (str); in quotes it is one; if text is meant:'
        f" '01823456'{signature}",
        "\"Laser\": simulate is the text 'no', not true or false; write true or false" + signature,
        "\"Laser\": mode is the text 'cv', not a Mode; it is one of CW; did you mean"
        f" 'CW'?{signature}".replace("; did you mean 'CW'?", ""),
        f"\"Laser\": name is None, not a text (str); if text is meant: '#3'{signature}",
        fit=FITTING,
    )


def test_what_was_probably_meant_as_text_is_a_note(tmp_path: Path) -> None:
    """Unless it was told already, or a parameter takes it."""
    text = '  a: {driver: "fit:Laser", kwargs: {count: 007}}\n  b:\n    driver: "fit:Laser"\n'
    config = load(lab(tmp_path, text + "    kwargs:\n      count: #3\n", fit=FITTING))
    found = check(config)
    assert found.problems == []
    assert [(note.place.line, note.message) for note in found.notes] == [
        (3, "007 is read as the number 7; if text is meant: '007'"),
        (7, "#3 is read as nothing (null), as # begins a comment; if text is meant: '#3'"),
    ]


def test_that_nothing_closes_a_driver_is_a_note(tmp_path: Path) -> None:
    config = load(
        lab(
            tmp_path,
            """\
  a: {driver: "off:Laser"}
  b: {driver: "off:Laser", stop_with: switch_off}
  c: {driver: "off:Plain"}
  d: {driver: "off:Laser", open_with: [on, 5]}
  e: {driver: "off:Laser", open_with: one}
""",
            off="class Laser:\n    def switch_off(self): ...\n    def on(self, power: str): ...\n"
            "class Plain: ...\n",
        )
    )
    found = check(config)
    assert [(each.place.line, each.message) for each in found.problems] == [
        (6, '"on": power is 5, not a text (str); in quotes it is one'),
        (7, '"Laser" has no method "one"; did you mean "on"?'),
    ]
    advice = 'nothing closes "Laser"; name what does by stop_with, such as switch_off'
    assert [(note.place.line, note.message) for note in found.notes] == [
        (3, advice),
        (5, 'nothing closes "Plain"; if something should, name the method by stop_with'),
        (6, advice),
        (7, advice),
    ]


def test_what_classes_offer_is_told_without_building_any(tmp_path: Path) -> None:
    """Of a factory only if it says what it returns; of a driver that can't be imported nothing."""
    (tmp_path / "offered.py").write_text(
        "class Lamp:\n"
        "    level: float\n"
        "    def __init__(self): raise AssertionError('built')\n"
        "    def on(self, how: str = 'full') -> bool: ...\n"
        "def told() -> Lamp: return Lamp()\n"
        "def untold(): return Lamp()\n"
    )
    config = tmp_path / "rig.yaml"
    drivers = {"lamp": "Lamp", "told": "told", "untold": "untold", "absent": "Nobody"}
    lines = [f"  {name}: {{driver: 'offered:{driver}'}}" for name, driver in drivers.items()]
    config.write_text("rig: r\nworkers:\n" + "\n".join(lines) + "\n")
    found = offers(load(config))
    assert found["untold"] is found["absent"] is None
    for name in ("lamp", "told"):
        offered = found[name]
        assert offered is not None
        assert offered["properties"]["level"]["type"] == "number"
        assert offered["actions"]["on"]["orch:signature"] == "(how: str = 'full') -> bool"
