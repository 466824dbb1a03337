"""What the keys of `orch top` do, as it shows it."""

from __future__ import annotations

from orchestrator.cli.columns import Line
from orchestrator.top.source import plain

HELP = """
The table
  arrows, page keys, mouse   choose a worker; a second click shows its members
  /                          words to filter by; Esc shows all
  o O                        sort by the next column; the other way round
  y                          copy the chosen line

The worker
  Enter   its members: values, reading, writing, calls
  l       its log; f follows, d i w e choose the level
  s       the stacks of all its threads, whatever it does
  r S a   restart, stop, start; it asks first where something would be broken off

Its request: what runs longest, else what waits, else what failed last
  t       its trace
  L       its log
  x       cancel it, as the worker's config says; it asks first

Everywhere
  drag    select; Ctrl+C copies it, by the terminal (OSC 52), over ssh too
  y       copy the line, or all of a text
  ? q     these keys; quit
  Esc     back

OF LIMIT is how much of its limit an operation has had: yellow from 80 %, red beyond. So is
MEMORY where limits: {memory: …} is configured. Grey is what the rig doesn't tell any more.
No device is read but by your key: polled values are what their workers keep.
"""


def help_lines() -> list[Line]:
    """What keys do, by what they are about."""
    lines = plain(HELP.strip("\n"))
    return [[(text, "" if text.startswith(" ") else "bold") for text, _ in line] for line in lines]
