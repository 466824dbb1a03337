"""Draws the ratios of a report of `scripts/bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

_MEANT = {"time": "time over the reference's (less is better)"}
_ELSE = "speed over the reference's (more is better)"


def draw(report: dict[str, Any], file: Path) -> None:
    """One panel for each row, its ratios with their least and most, pinned and unpinned."""
    mpl.rcParams["svg.fonttype"] = "none"  # text as text: half the size
    titles = list(dict.fromkeys(row["title"] for row in report["rows"]))
    heights = [
        1 + max(len(row["subjects"]) for row in report["rows"] if row["title"] == title)
        for title in titles
    ]
    figure, panels = plt.subplots(
        len(titles), 1, figsize=(8, 0.45 * sum(heights) + 1), height_ratios=heights, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for title, panel in zip(titles, panels[:, 0], strict=True):
        _panel(panel, title, [row for row in report["rows"] if row["title"] == title])
    machine = report["machine"]
    versions = ", ".join(f"{name} {each}" for name, each in machine["versions"].items())
    told = f"{machine['cpu']}, {machine['cpus']} CPUs, Python {machine['python']}, {versions}"
    figure.suptitle(f"{told}\n{machine['command']}", fontsize=7)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def _panel(panel: Any, title: str, rows: list[dict[str, Any]]) -> None:
    labels = [each["label"] for each in rows[0]["subjects"]]
    for index, row in enumerate(rows):
        middle, least, most = zip(*(each["ratio"] for each in row["subjects"]), strict=True)
        places = [at + 0.36 * (index - (len(rows) - 1) / 2) for at in range(len(labels))]
        below = [a - b for a, b in zip(middle, least, strict=True)]
        above = [b - a for a, b in zip(middle, most, strict=True)]
        panel.barh(
            places,
            middle,
            0.34,
            xerr=[below, above],
            label="pinned" if row["pinned"] else "unpinned",
            error_kw={"elinewidth": 0.8},
        )
    panel.set_yticks(range(len(labels)), labels, fontsize=8)
    panel.invert_yaxis()
    panel.axvline(1, color="black", linewidth=0.8)
    panel.set_title(title, fontsize=9, loc="left")
    panel.set_xlabel(_MEANT.get(rows[0]["quantity"], _ELSE), fontsize=7)
    panel.legend(fontsize=7)
