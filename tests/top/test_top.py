"""The app with a rig that is made up: what is drawn, what keys do, what becomes of it all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from orchestrator.cli.columns import Line
from orchestrator.client.driver_errors import driver_error_class
from orchestrator.errors import NoRoom
from orchestrator.top.app import Top
from orchestrator.top.lines import changed, folded
from orchestrator.top.screens import Ask, told
from tests.statuses import worker
from tests.top.top_kit import FakeSource, alarm, operation, rig, text_of, top, wait_until

STAGE = worker("stage", running=[operation("move", 4.5, 5.0)], queue=1)
OVEN = worker("oven", alarms=[alarm()])
CLOCK = worker("clock", last_error={"text": "late", "member": "tick", "request": "e", "age": 5.0})


def run(
    scene: Callable[[Top, FakeSource, Pilot[None]], Awaitable[None]],
    *workers: dict[str, Any],
    size: tuple[int, int] = (120, 30),
) -> None:
    """Play a scene with the app of a rig with these workers."""

    async def play() -> None:
        app, source = top(*(workers or (STAGE, OVEN, CLOCK)))
        async with app.run_test(size=size) as pilot:
            await wait_until(lambda: len(app.shown) > 1)
            await scene(app, source, pilot)

    asyncio.run(play())


def chosen(app: Top) -> str | None:
    return None if app.chosen is None else app.chosen["name"]


def fault(app: Top) -> str:
    """What is wrong with the first field of a form, if one is shown."""
    return " ".join(str(each.render()) for each in app.screen.query(".fault"))


def test_the_table_is_live_sorted_and_filtered() -> None:
    async def scene(app: Top, source: FakeSource, pilot: Pilot[None]) -> None:
        assert text_of(app, "head") == (
            "rig lab, up 2h14m, 3 of 3 ready, 1 alarm: oven.temperature, config lab.yaml"
        )
        assert "move 4.5s/5s" in text_of(app, "table")
        assert "stage: runs move for 4.5 s of 5 s" in text_of(app, "details")
        app._table.choose(1)
        app._draw()  # before it is told that another one is chosen
        assert chosen(app) == "oven"
        assert "oven: ALARM temperature: 63.2, above 60" in text_of(app, "details")
        await pilot.press("up", "down")
        await wait_until(lambda: chosen(app) == "oven")

        def names() -> list[str]:
            return [line.split()[0] for line in app.shown[1:]]

        await pilot.press("o", "o")  # by name, by state: the worst first
        await wait_until(lambda: names() == ["oven", "stage", "clock"])
        await pilot.press("O")
        await wait_until(lambda: names() == ["clock", "stage", "oven"])
        assert chosen(app) == "oven"  # wherever it stands

        await pilot.press("slash", "c", "l", "o", "enter")
        await wait_until(lambda: names() == ["clock"])
        assert chosen(app) == "clock"
        await pilot.press("escape")
        await wait_until(lambda: len(names()) == 3)
        assert app._filter.value == ""

        source.change(rig({**STAGE, "state": "STALLED"}, OVEN))
        await wait_until(lambda: "STALLED" in text_of(app, "table"))
        assert "clock" not in text_of(app, "table")

    run(scene)


def test_what_is_old_is_told_and_a_restart_too() -> None:
    async def scene(app: Top, source: FakeSource, pilot: Pilot[None]) -> None:
        source.change(None)
        await wait_until(lambda: "ago; now: rig lab doesn't answer" in text_of(app, "head"))
        assert "more of it" not in text_of(app, "head")
        assert "stage" in text_of(app, "table")  # as it was
        styles = {style for line in app._table._lines for _, style in line}
        assert styles == {"dim"}
        source.change(rig(STAGE, run="2"))
        await wait_until(lambda: "the rig was restarted" in text_of(app, "head"))
        assert "doesn't answer" not in text_of(app, "head")

    async def play() -> None:
        app, source = top()
        source.status = None  # it isn't there yet
        async with app.run_test(size=(120, 20)) as pilot:
            await wait_until(lambda: text_of(app, "head") == "rig lab doesn't answer")
            source.change(rig(STAGE))
            await wait_until(lambda: "stage" in text_of(app, "table"))
            await scene(app, source, pilot)

    asyncio.run(play())


def test_the_request_s_and_the_worker_s_keys() -> None:
    async def scene(app: Top, source: FakeSource, pilot: Pilot[None]) -> None:
        await pilot.press("s")
        await wait_until(lambda: "in stage.py:71 move" in text_of(app, "text"))
        source.raises = NoRoom("full")
        await pilot.press("r")
        await wait_until(lambda: "NoRoom: full" in text_of(app, "text"))
        source.raises = None
        await pilot.press("escape", "t")
        await wait_until(lambda: text_of(app, "text") == "trace of 7f-1")
        await pilot.press("escape", "L")
        await wait_until(lambda: "first info record" in text_of(app, "log"))
        await pilot.press("escape", "l")
        await wait_until(lambda: "second record" in text_of(app, "log"))
        await pilot.press("e")
        await wait_until(lambda: "first error record" in text_of(app, "log"))
        await pilot.press("f", "y")
        await wait_until(lambda: app.clipboard == "first error record\nsecond record")
        await pilot.press("escape")
        assert source.asked == [
            *(("stacks", "stage"), ("stacks", "stage"), ("trace", "7f-1")),
            *(("log", None, "7f-1", "info"), ("log", "stage", None, "info")),
            ("log", "stage", None, "error"),
        ]
        await pilot.press("question_mark")
        await wait_until(lambda: "its trace" in text_of(app, "text"))
        await pilot.press("escape")
        assert app.screen is app.screen_stack[0]

    run(scene)


def test_it_asks_first_where_something_would_be_broken_off() -> None:
    async def scene(app: Top, source: FakeSource, pilot: Pilot[None]) -> None:
        for key, asked in (("r", "restart"), ("S", "stop")):
            await pilot.press(key)
            await wait_until(lambda: isinstance(app.screen, Ask))
            await pilot.press("n")
            assert source.asked == []
            await pilot.press(key)
            await wait_until(lambda: isinstance(app.screen, Ask))
            await pilot.press("y")
            await wait_until(lambda: source.asked)
            assert source.asked == [(asked, "stage")]
            source.asked.clear()
        await pilot.press("x")
        await wait_until(lambda: isinstance(app.screen, Ask))
        assert app.screen._question == "Cancel stage.move, asked by ada@lab3:scan.py?"
        await pilot.press("y")
        await wait_until(lambda: source.asked == [("cancel", "7f-1")])

        await pilot.press("a")
        await wait_until(lambda: source.asked[1:] == [("start", "stage")])
        await pilot.press("down", "r")  # it does nothing
        await wait_until(lambda: source.asked[2:] == [("restart", "oven")])
        source.raises = NoRoom("full")
        await pilot.press("r")
        await wait_until(lambda: source.asked[3:] == [("restart", "oven")])
        await pilot.press("x", "t")  # nothing to cancel, and no request
        await pilot.press("down", "x")  # only one that has failed
        assert len(source.asked) == 4
        assert app.screen is app.screen_stack[0]

    run(scene)


def test_members_are_shown_read_written_and_called() -> None:
    async def scene(app: Top, source: FakeSource, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await wait_until(lambda: "12.5" in text_of(app, "members"))
        assert [each[0] for each in source.asked] == ["describe"]  # no device is read
        await pilot.press("w")  # it is read-only
        await pilot.press("down", "enter")
        await wait_until(lambda: " 4.0 " in text_of(app, "members"))
        assert source.asked[1:] == [("read", "stage", "speed")]
        source.raises = OSError("gone")
        await pilot.press("enter")
        await wait_until(lambda: "OSError: gone" in text_of(app, "details"))
        source.raises = None
        await pilot.press("w", *"30", "enter")
        await wait_until(lambda: "must be 0 to 20" in fault(app))
        await pilot.press("backspace", "enter")
        await wait_until(lambda: "done after" in text_of(app, "result"))
        assert source.asked[-1] == ("write", "stage", "speed", 3)
        await pilot.press("escape", "down", "down", "enter", "enter")
        await wait_until(lambda: "is needed" in fault(app))
        await pilot.press("5", "enter")
        await wait_until(lambda: "12.5" in text_of(app, "result"))
        assert source.asked[-1] == ("call", "stage", "move", [], {"x": 5})
        source.raises = ValueError("far")
        await pilot.press("enter")
        await wait_until(lambda: "failed after" in text_of(app, "result"))
        assert "ValueError: far" in text_of(app, "result")
        source.raises = None

        ended = []

        async def points(*_: Any) -> Any:
            async def stream() -> Any:
                try:
                    for number in range(100):
                        yield number
                finally:
                    ended.append(True)

            return stream()

        source.call = points  # type: ignore[method-assign]
        await pilot.press("escape", "down", "enter", "enter")
        await wait_until(lambda: "ended here: orch call stage points" in text_of(app, "result"))
        assert ended == [True]  # a stream is taken until it is enough
        await pilot.press("escape", "end", "enter", "escape")
        assert app.screen is app.screen_stack[0]

    run(scene)


def test_it_fits_the_terminal_and_draws_only_what_has_changed() -> None:
    many = [worker(f"w{number}") for number in range(40)]

    async def scene(app: Top, source: FakeSource, pilot: Pilot[None]) -> None:
        table = app._table
        for width, height in ((40, 12), (200, 50), (80, 16)):
            await pilot.resize_terminal(width, height)
            await wait_until(lambda: app.size.width == width)  # noqa: B023  waited for here
            await pilot.pause()
            lines = text_of(app, "table").split("\n")
            assert max(map(len, lines)) <= width
            assert lines[0].startswith("WORKER")
            assert table.size.height >= 3

        await pilot.press("end")
        await wait_until(lambda: chosen(app) == "w39" and table.scroll_offset.y > 0)
        await pilot.press("pageup", "home")
        await wait_until(lambda: (chosen(app), table.scroll_offset.y) == ("w0", 0))

        before, looks = table.drawn, source.looks
        await wait_until(lambda: source.looks > looks + 2)
        assert table.drawn == before
        source.change(rig(worker("w0", queue=7), *many[1:]))
        await wait_until(lambda: " 7 " in text_of(app, "table"))
        assert table.drawn == before + len("7")

        await pilot.click("#table", offset=(2, 3))
        await wait_until(lambda: chosen(app) == "w2")
        await pilot.press("y")
        await wait_until(lambda: app.clipboard.startswith("w2      READY"))
        await pilot.mouse_down("#table", offset=(0, 1))
        await pilot.hover("#table", offset=(1, 1))
        await pilot.mouse_up("#table", offset=(1, 1))
        await pilot.press("ctrl+c")
        await wait_until(lambda: app.clipboard in ("w", "w0"))
        await pilot.double_click("#table", offset=(2, 4))
        await wait_until(lambda: source.asked == [("describe", "w3")])

    run(scene, *many)


@pytest.mark.parametrize(
    ("before", "after", "spans"),
    [
        ([("ab", ""), ("cd", "")], [("ab", ""), ("cd", "")], []),
        ([("ab", ""), ("cd", "")], [("ab", ""), ("ce", "")], [(2, 4)]),
        ([("ab", ""), ("cd", "")], [("ab", "red"), ("cd", "")], [(0, 2)]),
        ([("ab", ""), ("cd", "")], [("abc", ""), ("cd", "")], [(0, 5)]),
        ([("ab", ""), ("c", "")], [("ab", ""), ("cd", ""), ("e", "")], [(2, 5)]),
        ([("日", "")], [("ab", "")], [(0, 2)]),
    ],
)
def test_changes_are_found_by_cell(before: Line, after: Line, spans: list[Any]) -> None:
    assert list(changed(before, after)) == spans


def test_an_error_names_its_class_once() -> None:
    own = driver_error_class("Weird", ("ValueError",))("boom", type="Weird")
    own.add_note("raised there")
    assert told(own) == "Weird: boom\nraised there"
    assert told(ValueError("boom")) == "ValueError: boom"
    assert told(ValueError()) == "ValueError"


def test_long_lines_are_folded() -> None:
    assert folded([("abcd", "red"), ("ef", "")], 3) == [
        [("abc", "red")],
        [("d", "red"), ("ef", "")],
    ]
    assert folded([("日本", "")], 3) == [[("日", "")], [("本", "")]]
    assert folded([], 3) == [[]]


def test_lines_are_folded_between_words() -> None:
    assert folded([("a word", "red"), (" too", "")], 8) == [
        [("a word", "red")],
        [("too", "")],
    ]
    assert folded([("one or two", "")], 8) == [[("one or", "")], [("two", "")]]
    assert folded([("  abcdefgh", "")], 6) == [[("  abcd", "")], [("efgh", "")]]
    assert folded([("日", "")], 1) == [[("日", "")]]
