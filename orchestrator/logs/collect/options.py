"""What a collector is started with: its arguments, which are the supervisor's business."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from orchestrator.logs.store.chain import Keep
from transports.levels import LEVELS


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read them."""
    parser = argparse.ArgumentParser(prog="orchestrator.logs.collect.collector")
    parser.add_argument("--control", type=int, required=True, help="fd of the supervisor's socket")
    parser.add_argument("--shared", type=int, required=True, help="fd of shared memory")
    parser.add_argument("--folder", type=Path, required=True, help="where the store is")
    parser.add_argument("--rig", required=True, help="name on the collector's own records")
    parser.add_argument("--level", choices=LEVELS, default="info", help="lowest level shown")
    parser.add_argument("--run", required=True, help="unique id of this life of the rig")
    parser.add_argument("--started", type=float, required=True, help="seconds since the epoch")
    parser.add_argument("--pid", type=int, help="the supervisor")
    parser.add_argument("--config", help="the rig's config")
    parser.add_argument("--release", help="of orch")
    parser.add_argument("--keep", type=int, default=Keep.size, help="bytes of all segments")
    parser.add_argument("--keep-for", type=float, help="seconds")
    parser.add_argument("--plain-lines", action="store_true", help="printed JSON is text")
    parser.add_argument("--after", help="how the collector before this one ended")
    return parser.parse_args(arguments)
