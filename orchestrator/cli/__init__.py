"""The commands of `orch`.

Each command imports what it needs when it runs, so that help and status come up at once.
"""

from orchestrator.cli.main import main

__all__ = ["main"]
