"""Whether a config says something else than when it was read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from orchestrator.config.problems import ConfigError
from orchestrator.config.source import read


def digest_of(text: str) -> str:
    """What tells one text of a config from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def has_changed(file: Path, digest: str) -> bool:
    """Whether a file's text has another digest now, or can't be read as a config any more."""
    try:
        return digest_of(read(str(file))) != digest
    except ConfigError:
        return True
