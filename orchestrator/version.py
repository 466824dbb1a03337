"""The release that is installed."""

from __future__ import annotations


def version() -> str:
    """The version of orch, such as `0.1.0`; `0+unknown` in a source tree that isn't installed."""
    from importlib import metadata  # takes longer than all that most commands need

    try:
        return metadata.version("orch")
    except metadata.PackageNotFoundError:
        return "0+unknown"
