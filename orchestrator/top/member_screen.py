"""A worker's members: values as they are known, others read on a key, calls by a form."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Static

from orchestrator.cli.columns import Line
from orchestrator.cli.show import safe, to_text
from orchestrator.cli.status import LOOK_EVERY
from orchestrator.top.form_screen import FormScreen
from orchestrator.top.forms import OTHERS, field_of, fields_of
from orchestrator.top.lines import Lines
from orchestrator.top.members import Known, Member, known, lines, members_of
from orchestrator.top.screens import told
from orchestrator.top.source import Source, plain
from orchestrator.words import one_line

MOST_ITEMS = 20
"""Items of a stream that are taken."""


class MemberScreen(Screen[None]):
    """Members of one worker.

    Args:
        source: The rig.
        worker: The worker.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Back"),
        Binding("enter", "use", "Read or call"),
        Binding("w", "write", "Write"),
    ]

    def __init__(self, source: Source, worker: str) -> None:
        super().__init__()
        self._source = source
        self._worker = worker
        self._members: list[Member] = []
        self._values: dict[str, Known] = {}
        self._table = Lines(head=1, chooses=True, id="members")
        self._details = Lines(folds=True, id="details")

    def compose(self) -> ComposeResult:
        """Its parts."""
        yield Static(f"members of {self._worker}", classes="title", markup=False)
        yield from (self._table, self._details)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin."""
        self._table.focus()
        self.run_worker(self._follow(), exclusive=True, group="follow")

    @property
    def _chosen(self) -> Member | None:
        at = self._table.chosen
        return self._members[at] if at < len(self._members) else None

    async def _follow(self) -> None:
        while not self._members:
            try:
                self._members = members_of(await self._source.describe(self._worker))
            except Exception as error:  # noqa: BLE001  whatever it is, it is shown
                self._table.show(plain(told(error)))
            if not self._members:
                await asyncio.sleep(LOOK_EVERY)
        while True:
            await asyncio.gather(*(self._look(m) for m in self._members if m.polled is not None))
            self._draw()
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self, member: Member) -> None:
        """What the worker keeps of a polled property; its device isn't asked."""
        before = self._values.get(member.name, Known())
        try:
            found = await self._source.cached(self._worker, member.name)
        except Exception as error:  # noqa: BLE001  whatever it is, it is shown
            self._values[member.name] = before._replace(error=one_line(str(error), 80))
        else:
            self._values[member.name] = known(found.value, found.time, found.error)

    def _draw(self) -> None:
        width = self._table.size.width
        self._table.show(lines(self._members, self._values, time.time(), width))
        self._detail()

    def on_resize(self) -> None:
        """Lay out anew."""
        if self._members:
            self._draw()

    def on_lines_chosen(self) -> None:
        """Say more of what is chosen."""
        self._detail()

    def _detail(self) -> None:
        member = self._chosen
        if member is None:
            return
        value = self._values.get(member.name, Known())
        shown: list[Line] = [[(member.name, "bold")]]
        if value.value:
            shown[0].append((f" {value.value}", ""))
        shown += [[(line, "red")] for line in value.error.splitlines()]
        text = str(member.affordance.get("description", ""))
        shown += [[(safe(line), "dim")] for line in text.splitlines()]
        self._details.styles.height = min(len(shown), max(3, self.size.height // 3))
        self._details.show(shown)

    def on_lines_opened(self) -> None:
        """Clicked twice."""
        self.action_use()

    def action_use(self) -> None:
        """Read the chosen property, or open the form of the chosen action."""
        member = self._chosen
        if member is None:
            return
        if member.kind == "actions":
            title = f"call {self._worker}.{member.name}"
            about = str(member.affordance.get("description", ""))
            form = FormScreen(title, about, fields_of(member.affordance), self._caller(member))
            self.app.push_screen(form)
        elif member.is_read:
            self.run_worker(self._read(member), group=f"read {member.name}", exclusive=True)
        else:
            self.notify(f"orch watch {self._worker} {member.name} shows it", title="an event")

    async def _read(self, member: Member) -> None:
        self._values[member.name] = Known(value="…")
        self._draw()
        try:
            value = await self._source.read(self._worker, member.name)
        except Exception as error:  # noqa: BLE001  whatever the driver raises is shown
            self._values[member.name] = Known(error=told(error))
        else:
            self._values[member.name] = known(value, time.time())
        self._draw()

    def action_write(self) -> None:
        """Open the form by which the chosen property is written."""
        member = self._chosen
        if member is None or not member.is_written:
            self.notify("it can't be written", severity="warning")
            return
        fields = [field_of(member.name, member.affordance)]

        async def write(values: dict[str, Any]) -> str:
            await self._source.write(self._worker, member.name, values[member.name])
            return ""

        about = str(member.affordance.get("description", ""))
        title = f"write {self._worker}.{member.name}"
        self.app.push_screen(FormScreen(title, about, fields, write))

    def _caller(self, member: Member) -> Any:
        async def call(values: dict[str, Any]) -> str:
            args = values.pop(OTHERS, [])
            result = await self._source.call(self._worker, member.name, args, values)
            if not hasattr(result, "__anext__"):
                return "" if result is None else to_text(result)
            items = []
            async for item in result:
                items.append(to_text(item))
                if len(items) == MOST_ITEMS:
                    items.append(f"… ended here: orch call {self._worker} {member.name} shows all")
                    await result.aclose()
                    break
            return "\n".join(items)

        return call
