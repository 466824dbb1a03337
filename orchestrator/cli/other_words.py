"""What other managers and clients call our commands and options: a line that names ours."""

from __future__ import annotations

from typing import Final

import click

_STATUS = "orch status"
_RUN = "orch run CONFIG, with --detach in the background"
_FOLLOW = "orch logs -f"
_CHECK = "orch check CONFIG"

COMMANDS: Final[dict[str, str]] = {
    **dict.fromkeys(("ps", "show", "state", "st", "info", "health", "is-active"), _STATUS),
    **dict.fromkeys(("htop", "monitor", "dashboard"), "orch top, or orch status -f"),
    **dict.fromkeys(("list", "ls", "list-units"), "orch rigs, or orch status for the workers"),
    **dict.fromkeys(("up", "serve", "launch", "daemon", "compose"), _RUN),
    **dict.fromkeys(("tail", "attach", "follow"), _FOLLOW),
    **dict.fromkeys(("log", "journal", "journalctl"), "orch logs"),
    **dict.fromkeys(("shutdown", "quit", "exit", "rm"), "orch down"),
    **dict.fromkeys(("kill", "abort", "interrupt"), "orch cancel REQUEST, or orch stop WORKER"),
    **dict.fromkeys(("reload", "daemon-reload", "update", "sync"), "orch apply CONFIG"),
    **dict.fromkeys(("diff", "dry-run", "preview"), "orch plan CONFIG"),
    **dict.fromkeys(("validate", "verify", "lint", "test", "config"), _CHECK),
    **dict.fromkeys(("exec", "invoke", "send", "do", "rpc"), "orch call WORKER ACTION"),
    **dict.fromkeys(("read", "query", "value"), "orch get WORKER PROPERTY"),
    **dict.fromkeys(("write", "put"), "orch set WORKER PROPERTY VALUE"),
    **dict.fromkeys(("inspect", "help-worker", "doc", "members"), "orch describe WORKER"),
    **dict.fromkeys(("subscribe", "sub", "listen", "events"), "orch watch WORKER EVENT"),
    **dict.fromkeys(("dump", "save", "backup"), "orch snapshot"),
    **dict.fromkeys(("pstack", "gdb", "py-spy", "threads"), "orch stacks WORKER"),
    **dict.fromkeys(("report", "bugreport", "support"), "orch postmortem"),
}

_LINES = "-n N"
_DETACH = "--detach"
_LIVE = "-f"

OPTIONS: Final[dict[str, dict[str, str]]] = {
    "logs": {
        **dict.fromkeys(("--tail", "--last", "--head", "-l"), _LINES),
        **dict.fromkeys(("-u", "--unit", "--service", "-s", "--name", "-c"), "-w WORKER"),
        **dict.fromkeys(("--level", "--severity", "--min-level"), "-p LEVEL"),
        **dict.fromkeys(("--search", "--filter", "--pattern"), "-g EXPRESSION"),
        **dict.fromkeys(("--boot", "--invocation"), "-b [N]"),
        **dict.fromkeys(("--json", "--format"), "-o json"),
        **dict.fromkeys(("--from", "--after", "--start"), "-S TIME"),
        **dict.fromkeys(("--to", "--before", "--end"), "-U TIME"),
        **dict.fromkeys(("--watch", "--live"), _LIVE),
        "--cursor": "--after-cursor CURSOR",
        "--list-boots": "--list-runs",
    },
    "run": {
        **dict.fromkeys(("-d", "--daemon", "--daemonize", "--background"), _DETACH),
        **dict.fromkeys(("-c", "-f", "--config", "--file"), "orch run CONFIG, without an option"),
        **dict.fromkeys(("--reload", "--auto-reload"), "--watch"),
        **dict.fromkeys(("--dry-run", "--check", "-n", "-t"), _CHECK),
    },
    "status": {
        **dict.fromkeys(("-w", "--watch", "--live"), _LIVE),
        **dict.fromkeys(("--interval",), "--every TIME"),
        **dict.fromkeys(("-o", "--output", "--format"), "--json"),
    },
    "call": {
        **dict.fromkeys(("--kwarg", "--arg", "-a", "-p", "--param"), "-k NAME=VALUE"),
        **dict.fromkeys(("-t", "--deadline", "-T"), "--timeout TIME"),
    },
    "watch": {
        **dict.fromkeys(("--count", "-c", "--tail"), _LINES),
    },
    "stop": {
        **dict.fromkeys(("-t", "--time", "--timeout"), "stop_timeout of the worker's config"),
    },
}
"""By command, and then by option."""


def our_command(name: str) -> str | None:
    """Our command for another manager's; None if it is none of theirs."""
    return COMMANDS.get(name.casefold())


def our_option(error: click.NoSuchOption) -> str | None:
    """Our option for another manager's; None if it is none of theirs."""
    command = error.ctx.info_name if error.ctx is not None else None
    return OPTIONS.get(command or "", {}).get(error.option_name)
