"""A widget that shows lines of styled texts, and draws again only what has changed of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from orchestrator.cli.columns import Line
from orchestrator.words import one_line

CHOSEN = Style(bgcolor="#30405c")
"""The line that is chosen: its colours stay to be seen."""


@lru_cache(maxsize=256)
def _style(name: str) -> Style:
    return Style.parse(name) if name else Style.null()


class Lines(ScrollView, can_focus=True):
    """Lines, the first of which may stand still, with or without a chosen one.

    All of it can be selected with the mouse and copied.

    Args:
        head: How many lines at the top stay where they are.
        chooses: Whether one of the others is chosen, and moved by keys and mouse.
        follows: Whether the last line is kept in view, as long as it is.
        folds: Whether lines that are too long go on in the next one.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "move_page(-1)", "Page up", show=False),
        Binding("pagedown", "move_page(1)", "Page down", show=False),
        Binding("home", "move(-1000000)", "First", show=False),
        Binding("end", "move(1000000)", "Last", show=False),
    ]

    class Chosen(Message):
        """Another line is chosen."""

    class Opened(Message):
        """The chosen line was clicked again."""

    def __init__(
        self,
        *,
        head: int = 0,
        chooses: bool = False,
        follows: bool = False,
        folds: bool = False,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._head = head
        self._chooses = chooses
        self._follows = follows
        self._folds = folds
        self._given: list[Line] = []
        self._lines: list[Line] = []
        self._chosen = 0
        self.drawn = 0
        """Cells that were drawn again since the beginning, for who measures it."""

    @property
    def chosen(self) -> int:
        """Index of the chosen line, those of the head not counted."""
        return self._chosen

    @property
    def texts(self) -> list[str]:
        """What it shows, without styles."""
        return ["".join(text for text, _ in line) for line in self._lines]

    def show(self, lines: Sequence[Line], chosen: int | None = None) -> None:
        """Show these in place of the others; what is as it was isn't drawn.

        Args:
            lines: All of them, the head's first.
            chosen: The index of the chosen line, those of the head not counted; None keeps it.
        """
        self._given = list(lines)
        at_end = self.scroll_offset.y >= self.max_scroll_y
        before, after = self._lines, self._laid_out()
        self._lines = after
        last = max(0, len(after) - self._head - 1)
        was_chosen = self._chosen
        self._chosen = min(self._chosen if chosen is None else chosen, last)
        width = 0 if self._folds else max(map(_width, after), default=0)
        size = Size(width, len(after))
        if size != self.virtual_size:
            self.virtual_size = size
            self.refresh()  # what stood below goes
        for index in range(min(len(before), len(after))):
            if before[index] != after[index]:
                for start, end in changed(before[index], after[index]):
                    self._draw(index, start, end)
        if self._chosen != was_chosen and self._chooses:
            self._draw(was_chosen + self._head)
            self._draw(self._chosen + self._head)
            self._into_view()
        if self._follows and at_end:
            self.scroll_end(animate=False, immediate=True)

    def _laid_out(self) -> list[Line]:
        if not self._folds or not self.size.width:
            return self._given
        width, height = self.size
        lines = [part for line in self._given for part in folded(line, width)]
        if len(lines) <= height:
            return lines
        width -= self.styles.scrollbar_size_vertical  # which stands over the last letters
        return [part for line in self._given for part in folded(line, max(1, width))]

    def _draw(self, index: int, start: int = 0, end: int = 1 << 16) -> None:
        y = index if index < self._head else index - self.scroll_offset.y
        if y < self.size.height and (index < self._head or y >= self._head):
            x = start - self.scroll_offset.x
            region = Region(x, y, end - start, 1).intersection(Region(0, 0, *self.size))
            self.drawn += region.area
            if region:
                self.refresh(region)

    def render_line(self, y: int) -> Strip:
        """One line of what is in view."""
        index = y if y < self._head else y + self.scroll_offset.y
        width, base = self.size.width, self.rich_style
        if index >= len(self._lines):
            return Strip.blank(width, base)
        segments = [
            Segment("".join(text for text, _ in cells), _style(style))
            for style, cells in groupby(self._lines[index], itemgetter(1))  # fewer cost less
        ]
        if self._chooses and index == self._chosen + self._head:
            shown = CHOSEN if self.has_focus else Style(underline=True)
            length = sum(segment.cell_length for segment in segments)
            segments.append(Segment(" " * max(0, width - length)))
            segments = list(Segment.apply_style(segments, None, shown))
        strip = Strip(segments).apply_style(base)
        if (chosen := self.text_selection) is not None and (span := chosen.get_span(index)):
            start, end = span
            strip = _marked(strip, start, strip.cell_length if end < 0 else end, self._mark())
        x = self.scroll_offset.x
        return strip.crop_extend(x, x + width, base).apply_offsets(x, index)

    def _mark(self) -> Style:
        return self.screen.get_component_rich_style("screen--selection")

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text that was selected with the mouse."""
        return selection.extract("\n".join(text.rstrip() for text in self.texts)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Show what is selected."""
        self.refresh()

    def copy(self) -> None:
        """Copy what is selected, else the chosen line, else all, to the terminal's clipboard."""
        texts = self.texts
        if self._chooses:
            texts = texts[self._chosen + self._head : self._chosen + self._head + 1]
        text = self.screen.get_selected_text() or "\n".join(each.rstrip() for each in texts)
        self.app.copy_to_clipboard(text)
        self.notify(f"copied: {one_line(text, 60)}")

    # -- moving ---------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Choose another line, or scroll where none is chosen."""
        if self._chooses:
            self.choose(self._chosen + by)
        else:
            self.scroll_to(y=self.scroll_offset.y + by, animate=False)

    def action_move_page(self, by: int) -> None:
        """The same by a page."""
        self.action_move(by * max(1, self.size.height - self._head - 1))

    def choose(self, index: int) -> None:
        """Choose a line, the nearest one that there is."""
        index = max(0, min(index, len(self._lines) - self._head - 1))
        if index != self._chosen:
            before, self._chosen = self._chosen, index
            self._draw(before + self._head)
            self._draw(index + self._head)
            self._into_view()
            self.post_message(self.Chosen())

    def _into_view(self) -> None:
        top, height = self.scroll_offset.y, self.size.height - self._head
        if self._chosen < top:
            self.scroll_to(y=self._chosen, animate=False, immediate=True)
        elif height > 0 and self._chosen >= top + height:
            self.scroll_to(y=self._chosen - height + 1, animate=False, immediate=True)

    def on_click(self, event: events.Click) -> None:
        """Choose what is clicked; open what is clicked twice."""
        index = event.y + self.scroll_offset.y - self._head
        if not self._chooses or event.y < self._head or index >= len(self._lines) - self._head:
            return
        self.choose(index)
        if event.chain == 2:
            self.post_message(self.Opened())

    def on_focus(self) -> None:
        """The chosen line shows where keys go."""
        self._draw(self._chosen + self._head)

    def on_blur(self) -> None:
        """And that they go elsewhere."""
        self._draw(self._chosen + self._head)

    def on_resize(self) -> None:
        """Fold lines anew."""
        if self._folds:
            self.show(self._given)


def changed(before: Line, after: Line) -> Iterator[tuple[int, int]]:
    """From where to where two lines differ, in places of the terminal; cell by cell."""
    if before == after:
        return
    x = y = 0
    for at in range(max(len(before), len(after))):
        one = before[at] if at < len(before) else ("", "")
        other = after[at] if at < len(after) else ("", "")
        from_x, from_y = x, y
        x, y = x + cell_len(one[0]), y + cell_len(other[0])
        if x != y:  # all that follows has moved
            yield from_y if from_x == from_y else 0, max(_width(before), _width(after))
            return
        if one != other:
            yield from_x, x


def folded(line: Line, width: int) -> list[Line]:
    """A line as several that aren't wider than that, parted between words where there are some."""
    parts: list[Line] = []
    while _width(line) > width:
        text = "".join(text for text, _ in line)
        end, start = _fold(text, width)
        if end >= len(text):  # one letter, wider than that
            break
        parts.append(_cropped(line, 0, end))
        line = _cropped(line, start, None)
    return [*parts, line]


def _fold(text: str, width: int) -> tuple[int, int]:
    """Where a line ends that is too long, and where the next one starts."""
    head = text[:width]
    while cell_len(head) > width:  # letters of some languages take two places
        head = head[:-1]
    if text[len(head)] == " ":
        return len(head), len(head) + 1
    start = len(head) - len(head.lstrip())  # no word ends before the first one
    end = head.rfind(" ", start)
    return (end, end + 1) if end > 0 else (max(1, len(head)),) * 2


def _cropped(line: Line, start: int, end: int | None) -> Line:
    part: Line = []
    for text, style in line:
        if shown := text[start:end]:
            part.append((shown, style))
        start = max(0, start - len(text))
        end = None if end is None else max(0, end - len(text))
    return part


def _width(line: Line) -> int:
    return sum(cell_len(text) for text, _ in line)


def _marked(strip: Strip, start: int, end: int, style: Style) -> Strip:
    before, marked, after = strip.crop(0, start), strip.crop(start, end), strip.crop(end)
    segments: list[Any] = list(Segment.apply_style(marked, None, style))
    return Strip.join([before, Strip(segments), after])
