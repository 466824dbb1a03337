"""The page of `orch web` in a real browser, at a real rig: what a person sees of it.

Chromium is looked for where systems put it, and where playwright does; without one these tests are
skipped, and say so.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="NO PLAYWRIGHT: the page of orch web isn't looked at")
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.acceptance.cli_kit import begin
from tests.rigs import RunningRig, is_alive, running, wait_until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SHOTS = "ORCH_SCREENSHOTS"
"""A folder where each page that is looked at is kept as a picture."""
LONG = 30_000.0
"""Milliseconds in which the page must show something."""

DRIVERS = '''
import math
import time
from orch import prop

class Flaky:
    """Its value can be had until the file is there."""

    def __init__(self, file):
        self._file, self._reads = file, 0

    @prop(unit="K")
    def level(self) -> float:
        import os
        if os.path.exists(self._file):
            raise OSError("no answer")
        self._reads += 1
        return float(self._reads % 7)

    @property
    def odd(self) -> float:
        self._odd = getattr(self, "_odd", 0) + 1
        return [1.0, 2.0, math.nan, math.inf][self._odd % 4]

    def flood(self, count: int) -> None:
        for each in range(count):
            print("flooded", each)

    def close(self):
        pass
'''
CONFIG = """
rig: page
listen: ["http://127.0.0.1:0"]
web: {{control: true}}
workers:
  stage:
    driver: workers.devices.stage:SimulatedStage
    kwargs: {{speed: 1000.0}}
    simulate: workers.devices.stage:SimulatedStage
    poll: {{position: 100ms}}
    timeouts: {{move: 60s}}
  camera: workers.devices.camera:SimulatedCamera
  probe:
    driver: page_drivers:Flaky
    args: ["{file}"]
    poll: {{level: 100ms, odd: 300ms}}
    timeouts: {{flood: 60s}}
    alarms: {{level: {{above: -1}}}}
"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRig]:
    file = tmp_path_factory.mktemp("page") / "away"
    config = CONFIG.format(file=file)
    with running(config, {"page_drivers": DRIVERS}, options=("--simulate",)) as rig:
        yield rig


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as started:
        own = started.chromium.executable_path
        found = next(filter(None, map(shutil.which, NAMES)), None)
        if found is None and not Path(own).exists():
            pytest.skip("NO BROWSER: the page of orch web isn't looked at; install chromium")
        args = ["--disable-background-networking", "--no-sandbox"]  # as root there is no sandbox
        chromium = started.chromium.launch(executable_path=found, args=args)
        yield chromium
        chromium.close()


class Visit:
    """A page that is open, with all that it asked for and complained of.

    Attributes:
        page: It.
        asked: The addresses that it asked for.
        complaints: Of its console, and of its scripts.
    """

    def __init__(self, browser: Browser, url: str, width: int) -> None:
        self.url = url
        self.page: Page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.set_default_timeout(LONG)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._told)
        self.page.goto(url, wait_until="domcontentloaded")
        expect(self.page.locator("#age")).to_have_text("live", timeout=LONG)

    def _told(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def row(self, worker: str) -> Locator:
        """A worker's line of the overview."""
        return self.page.locator("tr", has=self.page.get_by_role("link", name=worker, exact=True))

    def worker(self, name: str) -> None:
        """Go to a worker's page, by its link."""
        self.page.locator("#rig").click()
        self.page.get_by_role("link", name=name, exact=True).click()
        expect(self.page.locator("h1")).to_contain_text(name)

    def card(self, name: str) -> Locator:
        """A member's card."""
        exact = self.page.locator(".name", has_text=re.compile(f"^{name}$"))
        return self.page.locator(".card", has=exact)

    def fits(self, name: str) -> None:
        """Nothing stands out at the right; keep a picture of it, if that is asked for."""
        if folder := os.environ.get(SHOTS):
            width = self.page.viewport_size["width"]  # type: ignore[index]
            self.page.screenshot(path=str(Path(folder, f"{name}-{width}.png")), full_page=True)
        over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(over) <= 0, name


@contextmanager
def visit(browser: Browser, url: str, width: int = 1280) -> Iterator[Visit]:
    """A page that asks no other host and complains of nothing."""
    opened = Visit(browser, url, width)
    try:
        yield opened
        home = url.partition("?")[0]
        ours = (home, f"blob:{home}")
        assert [each for each in opened.asked if not each.startswith(ours)] == []
        assert opened.complaints == []
    finally:
        opened.page.close()


@pytest.fixture(scope="module")
def url(rig: RunningRig) -> str:
    return rig.orch("web", "--address").stdout.strip()


@pytest.mark.parametrize("width", [390, 1280])
def test_all_workers_with_alarms_twins_and_who_asked(
    rig: RunningRig, browser: Browser, url: str, width: int
) -> None:
    with rig.connected() as client, visit(browser, url, width) as seen:
        expect(seen.row("probe")).to_contain_text("ALARM level", timeout=LONG)
        expect(seen.page.locator("#summary")).to_contain_text("1 alarm: probe.level")
        expect(seen.row("stage")).to_contain_text("READY SIMULATED")
        client.stage.speed = 1.0
        before = client.stage.position
        moving = client.stage.submit("move", x=0.0 if before > 50 else 100.0)
        expect(seen.row("stage")).to_contain_text("move")
        expect(seen.row("stage")).to_contain_text(re.compile(r"for \S+@\S+:"))
        seen.fits("overview")
        seen.row("stage").get_by_role("button", name="stacks").click()
        expect(seen.page.locator("dialog pre")).to_contain_text("move")
        seen.fits("stacks")
        seen.page.keyboard.press("Escape")
        client.stage.abort()
        with pytest.raises(RuntimeError, match="aborted"):
            moving.result(30)
        client.stage.speed = 1000.0


@pytest.mark.parametrize("width", [390, 1280])
def test_who_has_a_worker_to_himself_why_and_for_how_long(
    rig: RunningRig, browser: Browser, url: str, width: int
) -> None:
    with (
        rig.connected() as client,
        visit(browser, url, width) as seen,
        client["camera"].lease(600, why="alignment"),
    ):
        told = re.compile(r"leased to \S+@\S+ \(alignment\), (10|9) min left")
        expect(seen.row("camera")).to_contain_text(told, timeout=LONG)
        with begin(rig.environ, "lease", "camera", "--for", "1min") as waiting:
            expect(seen.row("camera")).to_contain_text("; 1 waits: ")
            seen.fits("leased")
            waiting.send_signal(signal.SIGINT)
            waiting.communicate(timeout=30)
        expect(seen.row("camera")).not_to_contain_text("waits")
        seen.worker("camera")
        expect(seen.page.locator(".facts")).to_contain_text("(alignment)")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_worker_is_written_and_called(
    rig: RunningRig, browser: Browser, url: str, width: int
) -> None:
    with rig.connected() as client, visit(browser, url, width) as seen:
        seen.worker("stage")
        speed = seen.card("speed")
        speed.locator("input").fill(str(500 + width))
        speed.get_by_role("button", name="write").click()
        wait_until(lambda: client.stage.speed == 500 + width)
        move = seen.card("move")
        move.locator("input").first.fill("12")
        move.get_by_role("button", name="call").click()
        expect(move).to_contain_text("done in")
        expect(seen.card("position").locator(".value")).to_contain_text("12")
        seen.fits("worker")


def test_what_only_shows_has_no_controls_and_refuses_them(
    rig: RunningRig, browser: Browser
) -> None:
    with begin(rig.environ, "web", "--listen", "127.0.0.1:0") as server:
        assert server.stdout is not None
        try:
            with visit(browser, server.stdout.readline().strip()) as seen:
                seen.worker("stage")
                expect(seen.card("speed")).to_contain_text("read")
                for name in ("write", "call", "restart", "stop"):
                    assert seen.page.get_by_role("button", name=name, exact=True).count() == 0
                forced = seen.page.evaluate(
                    """async () => (await fetch("/things/stage/properties/speed", {method: "PUT",
                    headers: {"content-type": "application/json"}, body: "1"})).status"""
                )
                assert forced == 403
                # Of which the browser has told, rightly.
                assert all("403" in each for each in seen.complaints)
                seen.complaints.clear()
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=30)


def test_where_there_was_no_value_the_trend_has_a_gap(
    rig: RunningRig, browser: Browser, url: str
) -> None:
    file = Path(re.search(r'args: \["(.*)"\]', rig.config.read_text())[1])  # type: ignore[index]
    with visit(browser, url, 390) as seen:
        seen.worker("probe")
        path = seen.card("level").locator("path")
        lines = re.compile(r"^(M[^M]*L[^M]*)$")
        expect(path).to_have_attribute("d", lines, timeout=LONG)
        file.touch()
        expect(seen.card("level")).to_contain_text("no answer", timeout=LONG)
        seen.fits("trend-without-a-value")
        file.unlink()
        expect(path).to_have_attribute("d", re.compile(r"^M.*L.*M.*L.*$"), timeout=LONG)
        seen.fits("trend")


def test_what_is_no_number_is_a_gap_and_takes_no_card_away(browser: Browser, url: str) -> None:
    with visit(browser, url) as seen:
        seen.worker("probe")
        path = seen.card("odd").locator("path")
        lines = re.compile(r"^(?=.*L)M.*M.*$")
        expect(path).to_have_attribute("d", lines, timeout=LONG)
        seen.page.reload()  # its trend begins with what the server has kept
        expect(path).to_have_attribute("d", lines, timeout=LONG)
        expect(seen.card("odd").locator(".value")).to_have_text(re.compile("NaN|Infinity"))
        expect(seen.card("flood").get_by_role("button", name="call")).to_be_visible()
        seen.fits("odd")


def test_trends_that_cant_be_had_take_no_other_part_away(browser: Browser, url: str) -> None:
    with visit(browser, url) as seen:
        problem = '{"title": "Broken", "status": 500, "detail": "no trends"}'
        broken = {"status": 500, "body": problem, "content_type": "application/problem+json"}
        seen.page.route("**/api/trends/*", lambda route: route.fulfill(**broken))
        seen.worker("probe")
        expect(seen.page.locator(".warn")).to_contain_text("can't be had: Broken: no trends")
        expect(seen.card("level").locator(".value")).to_contain_text("K", timeout=LONG)
        expect(seen.card("flood").get_by_role("button", name="call")).to_be_visible()
        seen.fits("no-trends")
        # Of which the browser has told, rightly.
        assert all("500" in each for each in seen.complaints)
        seen.complaints.clear()


def test_a_camera_s_frames_are_fetched_one_at_a_time_the_newest(browser: Browser, url: str) -> None:
    with visit(browser, url) as seen:
        seen.worker("camera")
        seen.card("start").get_by_role("button", name="call").click()
        frame = seen.card("frame")
        expect(frame.locator("img")).to_be_visible(timeout=LONG)
        numbers = re.compile(r"no\. (\d+)")
        first = int(numbers.search(frame.inner_text())[1])  # type: ignore[index]
        wait_until(lambda: int(numbers.search(frame.inner_text())[1]) > first + 3)  # type: ignore[index]
        seen.fits("camera")
        seen.card("stop").get_by_role("button", name="call").click()
        expect(seen.card("stop")).to_contain_text("done in")
        fetched = [each for each in seen.asked if "/newest/frame" in each]
        last = int(numbers.search(frame.inner_text())[1])  # type: ignore[index]
        assert 2 <= len(fetched) <= last + 1


@pytest.mark.parametrize("width", [390, 1280])
def test_logs_follow_and_tell_what_was_left_out(
    rig: RunningRig, browser: Browser, url: str, width: int
) -> None:
    with rig.connected() as client, visit(browser, url, width) as seen:
        seen.page.get_by_role("link", name="Logs").click()
        expect(seen.page.locator(".log > div").first).to_be_visible(timeout=LONG)
        client["probe"].call("flood", 60_000)
        gap = seen.page.locator(".log .gap").first
        expect(gap).to_contain_text("records left out", timeout=LONG)
        expect(seen.page.locator(".log > div").last).to_be_visible()
        seen.fits("logs")


def test_it_is_back_by_itself_after_rig_and_server_were_away(
    browser: Browser, tmp_path: Path
) -> None:
    config = CONFIG.format(file=tmp_path / "away").replace("rig: page", "rig: page2")
    with running(config, {"page_drivers": DRIVERS}, options=("--simulate",)) as rig:
        _leaves_and_comes_back(rig, browser)


def _leaves_and_comes_back(rig: RunningRig, browser: Browser) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:  # one that is named keeps its token
        port = free.getsockname()[1]
    with begin(rig.environ, "web", "--listen", f"127.0.0.1:{port}") as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        seen = Visit(browser, address, 390)
        rig.stop()
        expect(seen.page.locator("#notice")).to_contain_text("shown is how it was", timeout=LONG)
        expect(seen.page.locator("body")).to_have_class(re.compile("is-stale"))
        seen.fits("away")
        rig.start()
        rig.wait_settled()
        expect(seen.page.locator("#age")).to_have_text("live", timeout=LONG)
        expect(seen.page.locator("#notice")).to_be_hidden()
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
        wait_until(lambda: not is_alive(server.pid))
        expect(seen.page.locator("#notice")).to_contain_text("doesn't answer", timeout=LONG)
    with begin(rig.environ, "web", "--listen", f"127.0.0.1:{port}") as server:
        try:
            expect(seen.page.locator("#age")).to_have_text("live", timeout=LONG)
            expect(seen.page.locator("#notice")).to_be_hidden()
        finally:
            seen.page.close()
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=30)


def test_scripts_are_of_files_alone(browser: Browser, url: str) -> None:
    """What a stranger got into the page wouldn't run."""
    seen = Visit(browser, url, 1280)
    assert seen.page.locator("script:not([src]), [onclick], [style]").count() == 0
    ran = seen.page.evaluate(
        """() => { const s = document.createElement("script"); s.textContent = "window.ran = 1";
        document.body.append(s); return window.ran ?? null; }"""
    )
    assert ran is None
    assert any("Content Security Policy" in each for each in seen.complaints)
    seen.page.close()
