"""Imported by the fork server alone, before it serves.

A signal to the whole process group of the rig, as `timeout`, job schedulers and terminals send
it, is for the supervisor to act on. The fork server has to outlive it: without it nobody could
tell how the workers ended.
"""

from __future__ import annotations

import signal

for _name in ("SIGTERM", "SIGHUP"):
    if hasattr(signal, _name):
        signal.signal(getattr(signal, _name), signal.SIG_IGN)
