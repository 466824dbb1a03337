"""Pages of the site that stand in the project's folder: README.md is its first one.

mkdocs calls these functions when it builds the site. Links between these pages and those below
docs/ are turned, so that the same text is right in a checkout and on the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}

_LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:)([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for source, page in PAGES.items():
        text = _LINK.sub(_from_root, (ROOT / source).read_text())
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **others: Any) -> str:
    """Turn a page's links to what stands in the project's folder."""
    depth = page.file.src_uri.count("/")
    above = "../" * (depth + 1)

    def turned(link: re.Match[str]) -> str:
        text, path, anchor = link[1], link[2], link[3] or ""
        if not path.startswith(above):
            return link[0]
        source = path.removeprefix(above)
        return f"[{text}]({'../' * depth}{PAGES[source]}{anchor})" if source in PAGES else text

    return _LINK.sub(turned, markdown)


def _from_root(link: re.Match[str]) -> str:
    """A link of a page in the project's folder; to what isn't on the site it is its text."""
    text, path, anchor = link[1], link[2], link[3] or ""
    if path in PAGES:
        return f"[{text}]({PAGES[path]}{anchor})"
    if path.startswith("docs/"):
        return f"[{text}]({path.removeprefix('docs/')}{anchor})"
    return text
