"""Named checks whose results go to standard output as JSON; for scripts run under hololinked."""

import json
import os
import sys
import threading
import time
import traceback

results = {}


def check(function):
    """Run a check right away, and keep how it ended."""
    name = function.__name__
    try:
        function()
        results[name] = "pass"
    except BaseException:
        results[name] = traceback.format_exc()
    return function


def raised(kind, function):
    """The error that a call raised, which must be of exactly that type."""
    try:
        outcome = function()
    except BaseException as error:
        outcome = error
    assert type(outcome) is kind, f"no {kind.__name__}, but {outcome!r}"
    return outcome


def until(condition, seconds=20.0):
    """Wait for a condition that another thread brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        threading.Event().wait(0.01)


def repeat_until(act, condition, seconds=20.0):
    """Do something again and again until it shows: a subscription needs a moment to be live."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        act()
        threading.Event().wait(0.03)


def report():
    """Print the results and end the process; hololinked's clients may hang in their end."""
    sys.stdout.write("\n" + json.dumps(results) + "\n")
    sys.stdout.flush()
    os._exit(0)
