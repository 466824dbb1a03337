"""Imported by the fork server alone, before it serves.

A signal to the whole process group of the rig, as `timeout`, job schedulers and terminals send
it, is for the supervisor to act on. The fork server has to outlive it: without it nobody could
tell how the workers ended.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

from workers.search_path import given_environment


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


for _name in ("SIGTERM", "SIGHUP"):
    # What is ignored already, as SIGHUP by nohup, is to be so in workers and their programs too.
    if hasattr(signal, _name) and signal.getsignal(getattr(signal, _name)) != signal.SIG_IGN:
        signal.signal(getattr(signal, _name), _do_nothing)

_given = given_environment(dict(os.environ))
for _name in set(os.environ) - set(_given):
    del os.environ[_name]
os.environ.update(_given)
