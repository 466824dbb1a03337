"""Write docs/reference/*.md from the code; --check tells which of them are out of date.

Exit status: 0 written, or up to date; 1 out of date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Write or check. Returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="only tell what is out of date")
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
    from references import pages

    made = pages.made(ROOT)
    old = [path for path, text in made.items() if pages.kept(path) != text]
    for path in old:
        if options.check:
            told = f"{path.relative_to(ROOT)} is out of date: run scripts/reference"
            print(told, file=sys.stderr)
        else:
            path.write_text(made[path])
    return int(options.check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
