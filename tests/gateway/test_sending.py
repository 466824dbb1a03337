"""A rig's log is followed, and each request in it sent once; what can't be sent waits there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.gateway import sending
from orchestrator.gateway.sending import PLACE, Sending
from tests.gateway.otlp_receiver import Receiver, receiving, values
from tests.logs.log_kit import chain, record, run
from transports.levels import DRIVER, SPAN_LOGGER


class Scene:
    """A log that grows, and what is said of sending it; each wait turns the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.then: list[Callable[[], None]] = []
        self.waits: list[float] = []
        self.writer = chain(folder, run())
        self.writer.write([record("begins")])

    def request(self, id_: str) -> None:
        fields = {"outcome": "done", "waited": 0.0, "seconds": 1.0}
        self.writer.write(
            [
                record("exposing", request=id_, member="move"),
                record(DRIVER, request=id_, logger=SPAN_LOGGER, fields={"seconds": 0.5}),
                record("done", request=id_, member="move", logger=SPAN_LOGGER, fields=fields),
            ]
        )

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if not self.then:
            return True
        self.then.pop(0)()
        return False

    def send(self, to: str) -> None:
        sending_ = Sending(
            "lab",
            self.folder,
            to,
            wait=self.wait,
            say=self.said.append,
            on_damage=lambda path, reason: self.said.append(reason),
        )
        sending_.run()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def sent(receiver: Receiver) -> list[str]:
    return [values(span.attributes)["orch.request"] for span in receiver.named("stage.move")]


def test_what_the_last_run_has_is_sent_and_what_comes_and_the_next_one_goes_on(
    scene: Scene,
) -> None:
    scene.request("1")
    scene.then.append(lambda: scene.request("2"))
    with receiving() as receiver:
        scene.send(receiver.url)
        assert sorted(sent(receiver)) == ["1", "2"]
        (span, _) = receiver.named("stage.move")
        assert values(span.events[0].attributes)["orch.text"] == "exposing"
        assert len(receiver.named("stage.move driver")) == 2
        scene.send(receiver.url)
        scene.request("3")
        scene.send(receiver.url)
        assert sorted(sent(receiver)) == ["1", "2", "3"]
    assert scene.said == []


def test_runs_before_the_last_one_are_left_alone(scene: Scene) -> None:
    scene.request("1")
    scene.writer.end(1.0, "stopped")
    scene.writer = chain(scene.folder, run("2f"))
    scene.request("2")
    with receiving() as receiver:
        scene.send(receiver.url)
        assert sent(receiver) == ["2"]


def test_a_collector_that_is_away_is_told_once_and_misses_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TIMEOUT", 0.2)
    monkeypatch.setattr("orchestrator.gateway.spans.LINGER", 0.0)
    with receiving() as receiver:
        port, url = receiver.port, receiver.url
    scene.request("1")
    found: list[Receiver] = []
    scene.then += [lambda: scene.request("2"), lambda: found.append(Receiver(port))]
    scene.then += [lambda: None] * 2
    scene.send(url)
    try:
        assert sorted(sent(found[0])) == ["1", "2"]
    finally:
        found[0].close()
    away, back = scene.said
    assert away.startswith(f"traces can't be sent to {url}, they wait: ")
    assert back == f"{url} takes traces again; what waited is sent"
    assert sending.AGAIN in scene.waits


def test_one_that_is_away_at_the_end_gets_it_from_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BRIEF", 0.2)
    with receiving() as receiver:
        port, url = receiver.port, receiver.url
    scene.request("1")
    scene.send(url)
    assert len(scene.said) == 1
    with receiving(port) as receiver:
        scene.send(url)
        assert sent(receiver) == ["1"]


def test_one_that_was_away_does_not_hold_up_the_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It isn't asked once more: what waits does so in the log."""
    monkeypatch.setattr(sending, "TIMEOUT", 0.2)
    monkeypatch.setattr("orchestrator.gateway.spans.LINGER", 0.0)
    with receiving() as receiver:
        port, url = receiver.port, receiver.url
    scene.request("1")
    scene.send(url)
    assert scene.waits == [sending.AGAIN]
    with receiving(port) as receiver:
        scene.send(url)
        assert sent(receiver) == ["1"]


def test_what_a_collector_refuses_is_told_and_not_sent_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.gateway.spans.LINGER", 0.0)
    scene.request("1")
    with receiving() as receiver:
        receiver.status = 400
        scene.then.append(lambda: setattr(receiver, "status", 200))
        scene.then.append(lambda: scene.request("2"))
        scene.send(receiver.url)
        assert sent(receiver) == ["2"]
    (told,) = scene.said
    assert "refused the traces of 1 request: " in told


def test_much_is_read_in_portions(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "AT_ONCE", 3)
    monkeypatch.setattr(sending, "BATCH", 1)
    scene.request("1")
    scene.request("2")
    scene.then += [lambda: None] * 3
    with receiving() as receiver:
        scene.send(receiver.url)
        assert sent(receiver) == ["1", "2"]
        assert len(receiver.paths) == 2
    assert scene.waits[:2] == [0.0, 0.0]


def test_a_log_without_a_run_is_waited_for(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "one")
    scene.folder = tmp_path / "other"
    scene.folder.mkdir()

    def begin() -> None:
        scene.writer = chain(scene.folder, run())
        scene.request("1")

    scene.then.append(begin)
    with receiving() as receiver:
        scene.send(receiver.url)
        assert sent(receiver) == ["1"]


def test_a_place_that_cannot_be_read_or_kept_is_told(scene: Scene) -> None:
    (scene.folder / PLACE).write_text("nowhere")
    (scene.folder / f"{PLACE}.new").mkdir()
    scene.request("1")
    with receiving() as receiver:
        scene.send(receiver.url)
        assert sent(receiver) == ["1"]
    lost, unkept = scene.said
    assert "'nowhere' is no cursor" in lost
    assert "can't be written, traces that were sent may be sent again" in unkept
