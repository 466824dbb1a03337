"""Where this program is: for processes of ours that run a command of it."""

from __future__ import annotations

from pathlib import Path

MAIN = Path(__file__).resolve().parents[1] / "__main__.py"
"""As a file, which is found without the present folder and its modules."""
