"""Threads that stay the system's, whatever a driver puts in their place."""

from __future__ import annotations

import _thread
import asyncio
import threading

import pytest

from workers import threads


def test_an_event_is_set_once_and_waited_for_by_many() -> None:
    event = threads.Event()
    assert not event.wait(0)
    assert not event.is_set()
    woken = [threads.Thread(event.wait, "waits") for _ in range(3)]
    for thread in woken:
        thread.start()
    event.set()
    event.set()
    assert all(thread.join(10) for thread in woken)
    assert event.is_set()
    assert event.wait()


def test_a_thread_has_its_name_and_arguments() -> None:
    seen: list[object] = []

    def run(value: int) -> None:
        seen.extend([value, threading.current_thread().name, threading.current_thread().daemon])

    thread = threads.Thread(run, "mine", (3,))
    assert not thread.join(0)
    thread.start()
    assert thread.join(10)
    assert seen == [3, "mine", True]


def test_threads_are_the_systems_also_where_others_are_in_their_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*anything: object) -> None:
        raise AssertionError("a thread of the wrong kind")

    assert threads.are_native()
    monkeypatch.setattr(_thread, "start_new_thread", never)
    monkeypatch.setattr(threading, "_start_new_thread", never)
    assert not threads.are_native()
    seen: list[int] = []
    thread = threads.Thread(lambda: seen.append(threads.get_ident()), "mine")
    thread.start()
    assert thread.join(10)
    assert seen != [threads.get_ident()]
    loop = threads.new_event_loop()
    try:
        assert loop.run_until_complete(asyncio.sleep(0, 5)) == 5
    finally:
        loop.close()
