from __future__ import annotations

import queue
import threading
import time

import numpy as np
import pytest

from workers.devices.camera import SimulatedCamera
from workers.devices.stage import SimulatedStage
from workers.devices.timer import SimulatedTimer
from workers.driver.describe import concurrent_members, describe


def test_a_move_takes_distance_over_speed():
    stage = SimulatedStage(speed=100)
    heard: list[float] = []
    stage.moved.subscribe(heard.append)
    began = time.monotonic()
    assert stage.move(5) == 5.0
    assert time.monotonic() - began >= 0.05
    assert stage.position == 5.0
    assert stage.home() == 0.0
    assert heard == [5.0, 0.0]


def test_a_move_beyond_the_limits_is_refused():
    stage = SimulatedStage(travel=10)
    for x in (-0.1, 10.1, float("nan")):
        with pytest.raises(ValueError, match="beyond the limits, 0 to 10 mm"):
            stage.move(x)
    assert stage.position == 0.0


def test_a_move_can_be_aborted_while_the_position_is_read():
    stage = SimulatedStage(travel=1000, speed=1)
    heard: queue.SimpleQueue[float] = queue.SimpleQueue()
    stage.moved.subscribe(heard.put)
    errors: list[str] = []

    def move() -> None:
        try:
            stage.move(1000)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=move)
    thread.start()
    while stage.position == 0.0:
        pass
    stage.abort()
    thread.join(10)
    position = stage.position
    assert 0 < position < 1000
    assert errors == [f"the move was aborted at {position:.3f} mm"]
    assert heard.get(timeout=10) == position
    stage.speed = 1e9
    assert stage.move(3) == 3.0


def test_an_abort_at_rest_does_nothing():
    stage = SimulatedStage(speed=1e9)
    stage.abort()
    assert stage.move(4) == 4.0


def test_speed_must_be_positive():
    stage = SimulatedStage()
    for value in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="more than 0 mm/s"):
            stage.speed = value
    assert stage.speed == 10.0


def test_a_frame_is_known_beforehand():
    camera = SimulatedCamera(exposure=0)
    rows, columns = np.ogrid[:1080, :1920]
    for number in (1, 2):
        frame = camera.snap()
        assert frame.dtype == np.uint8
        assert (frame == (rows + columns + number) % 256).all()
    assert camera.frames_taken == 2
    assert camera.shape == (1080, 1920)


def test_a_stream_has_an_event_per_frame_until_it_is_stopped():
    camera = SimulatedCamera(width=4, height=3, exposure=0, frame_rate=1000)
    frames: queue.SimpleQueue[np.ndarray] = queue.SimpleQueue()
    camera.frame.subscribe(frames.put)
    camera.start()
    camera.start()
    first, second = frames.get(timeout=10), frames.get(timeout=10)
    assert (second - first == 1).all()
    assert camera.streaming
    camera.stop()
    camera.stop()
    assert not camera.streaming
    taken = camera.frames_taken
    camera.start()
    while camera.frames_taken == taken:
        pass
    camera.close()


@pytest.mark.parametrize(("name", "value"), [("exposure", -1), ("exposure", 11), ("frame_rate", 0)])
def test_camera_settings_have_limits(name: str, value: float):
    camera = SimulatedCamera(width=2, height=2)
    with pytest.raises(ValueError, match=name):
        setattr(camera, name, value)


def test_a_timer_ticks_until_it_is_stopped():
    timer = SimulatedTimer(period=0.001)
    ticks: queue.SimpleQueue[int] = queue.SimpleQueue()
    timer.tick.subscribe(ticks.put)
    timer.start()
    assert [ticks.get(timeout=10) for _ in range(3)] == [1, 2, 3]
    timer.stop()
    count = timer.ticks
    assert count >= 3
    timer.reset()
    assert timer.ticks == 0
    assert timer.elapsed >= 0
    timer.close()


def test_what_ends_something_runs_beside_it():
    assert concurrent_members(describe(SimulatedStage)) == ("abort",)
    assert concurrent_members(describe(SimulatedCamera)) == ("stop",)
    assert concurrent_members(describe(SimulatedTimer)) == ("stop",)


def test_descriptions_have_units():
    properties = describe(SimulatedStage)["properties"]
    assert properties["position"]["unit"] == "mm"
    assert properties["position"]["observable"] is True
    assert describe(SimulatedCamera)["properties"]["exposure"]["unit"] == "s"
