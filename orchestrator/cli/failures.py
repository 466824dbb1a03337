"""Exit statuses, and what is said on stderr when a command can't do what it was asked."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import NoReturn, TextIO

import click

INTERRUPTED = 130
TERMINATED = 143
NO_READER = 141
"""Statuses of a command that a signal ends: 128 and the number of SIGINT, SIGTERM, SIGPIPE."""
_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What writing to stdout can fail of, for output that click itself writes, such as help."""
MOST_NAMES = 12
"""Names that are listed when none of them is near to what was typed."""


class Exit(IntEnum):
    """The exit statuses of all commands."""

    DONE = 0
    RAISED = 1
    USAGE = 2
    NOT_REACHABLE = 3
    NOT_STARTED = 4
    UNKNOWN = 5
    BUG = 70
    OUTPUT = 74


class CommandError(Exception):
    """A command ends with an error message.

    Attributes:
        message: What is wrong, for people.
        status: The exit status.
        details: Lines of background, such as a remote traceback.
    """

    def __init__(self, message: str, status: int, details: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.details: Sequence[str] = tuple(details)


class Stopped(BaseException):
    """A signal ends the command; like KeyboardInterrupt it passes what handles errors.

    Attributes:
        status: The exit status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@contextmanager
def saying_on_stop(text: str) -> Iterator[None]:
    """When a signal ends the command meanwhile, leave a remark on stderr.

    Args:
        text: The remark, unless it is known better what came of the interrupt.
    """
    try:
        yield
    except (KeyboardInterrupt, Stopped) as stop:
        text = "\n".join(getattr(stop, "__notes__", ())) or text
        say(f"\n{text}" if sys.stderr.isatty() else text)  # the terminal shows ^C on this line
        raise Stopped(stop.status if isinstance(stop, Stopped) else INTERRUPTED) from None


@contextmanager
def asking(worker: str, member: str) -> Iterator[None]:
    """Run a request: what it raises becomes a `CommandError`, with the status that tells why.

    Args:
        worker: The worker addressed.
        member: Its member.
    """
    try:
        yield
    except Exception as error:
        from orchestrator.errors import DriverError, OrchError

        if isinstance(error, OrchError) and not isinstance(error, DriverError):
            raise
        kind = type(error).__name__
        text = str(error) if isinstance(error, DriverError) else f"{kind}: {error}".rstrip(": ")
        raise CommandError(
            f"{worker}.{member} raised {text}", Exit.RAISED, _notes(error)
        ) from error


@contextmanager
def operating(worker: str, member: str) -> Iterator[None]:
    """As `asking`, for what goes on when the command is interrupted: that is said then."""
    remark = f"{worker}.{member} is withdrawn, or ended if it has started and its config says how"
    with saying_on_stop(remark), asking(worker, member):
        yield


def explain(error: BaseException) -> CommandError | None:
    """The message and status for an exception of ours or of click; None for any other."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, click.ClickException):
        hint: tuple[str, ...] = ()
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = (f"see: {error.ctx.command_path} --help",)
        message = error.format_message()
        if given := _given_rig(error, message):
            message = f"it takes no argument; a rig is named by --rig {given}"
        if isinstance(error, click.NoSuchOption):
            from orchestrator.cli.other_words import our_option

            if ours := our_option(error):
                message = f"there is no option {error.option_name!r}; here it is: {ours}"
        return CommandError(_sentence(message), Exit.USAGE, hint)
    if isinstance(error, OSError) and error.filename is None:
        is_closed = error.errno == errno.EBADF and _is_closed(sys.stdout)
        if is_closed or error.errno in _NOT_WRITTEN:
            return not_written(error)
    from orchestrator import errors

    if not isinstance(error, errors.OrchError):
        return None
    status = Exit.NOT_STARTED
    if isinstance(error, (errors.RigNotReachable, errors.KeyRefused)):
        status = Exit.NOT_REACHABLE
    elif isinstance(error, (errors.ArgumentsRefused, errors.ValueRefused, errors.NameRefused)):
        status = Exit.USAGE
    elif isinstance(error, errors.OutcomeUnknown):
        status = Exit.UNKNOWN
    elif isinstance(error, (errors.DriverError, errors.ResultUnsendable)):
        status = Exit.RAISED
    return CommandError(str(error), status, _notes(error))


def show_error(error: CommandError) -> None:
    """Print an error on stderr: the message, then its details, dimmed and indented."""
    head, *rest = error.message.splitlines() or [""]
    lines = [click.style("error:", fg="red", bold=True) + f" {_safe(head)}"]
    # Further lines of a message stand under its first one.
    lines += [f"       {_safe(line)}" for line in rest]
    lines += [click.style(f"  {_safe(line)}", dim=True) for line in error.details]
    print_error("\n".join(lines))


def say(text: str) -> None:
    """Print a remark on stderr."""
    lines = (click.style(_safe(line), dim=True) for line in text.split("\n"))
    print_error("\n".join(lines))


def print_error(text: str) -> None:
    """Print styled text on stderr; colours reach a terminal only.

    Where stderr can't be written, nobody can be told, and the exit status has to do.
    """
    from orchestrator.logs.show.display import wants_colour

    try:
        click.echo(text, err=True, color=wants_colour(sys.stderr, os.environ))
    except OSError:
        silence(sys.stderr)


def print_out(text: str) -> None:
    """Print text on stdout at once, whoever reads it.

    Raises:
        SystemExit: Nobody reads it any more.
        CommandError: It can't be written.
    """
    from orchestrator.logs.show.display import wants_colour

    stream = sys.stdout
    with writing():
        if stream.isatty() or not hasattr(stream, "buffer"):
            click.echo(text, color=wants_colour(stream, os.environ))
            stream.flush()
        else:
            _write_all(stream, f"{click.unstyle(text)}\n")


def write_out(text: str) -> None:
    """Write text to stdout as it is, in portions; `flush_out` writes the last one.

    Raises:
        SystemExit: Nobody reads it any more.
        CommandError: It can't be written.
    """
    with writing():
        sys.stdout.write(text)


def flush_out() -> None:
    """Write what `write_out` has yet to write. Raises as it does."""
    with writing():
        sys.stdout.flush()


def drop_unwritten() -> None:
    """Before the end: what a command that failed has left unwritten is no second failure."""
    try:
        sys.stdout.flush()
    except OSError:
        silence(sys.stdout)


@contextmanager
def writing() -> Iterator[None]:
    """Write to stdout, and do nothing else: an OSError is taken for one of stdout.

    Raises:
        SystemExit: Nobody reads it any more.
        CommandError: It can't be written.
    """
    try:
        yield
    except BrokenPipeError:
        silence(sys.stdout)
        raise SystemExit(NO_READER) from None
    except OSError as error:
        raise not_written(error) from error


def not_written(error: OSError) -> CommandError:
    """The error of a command whose output is lost, such as on a full disk."""
    silence(sys.stdout)
    return CommandError(f"the output can't be written: {error.strerror or error}", Exit.OUTPUT)


def open_missing() -> None:
    """Give a process that was started with closed streams some in their places.

    Python has None for them; and a file or socket that we open would get such a number, and what
    a child prints with it. stderr's leads nowhere; to write to stdout's is an error, as it is for
    other programs: whoever closed it isn't told that all went well.
    """
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        null = os.open(os.devnull, os.O_RDONLY if name == "stdout" else os.O_RDWR)
        if null == fd:
            os.set_inheritable(fd, True)
        setattr(sys, name, os.fdopen(null, "w" if fd else "r"))


def _is_closed(stream: TextIO) -> bool:
    """Whether it is one of `open_missing`, which can't be written to."""
    try:
        os.write(stream.fileno(), b"")
    except (OSError, ValueError):
        return True
    return False


def _write_all(stream: TextIO, text: str) -> None:
    """Write to a file or pipe: without a buffer (python -u), Python may write a part only."""
    stream.flush()
    left = memoryview(text.encode(stream.encoding, "backslashreplace"))
    while left:
        left = left[stream.buffer.write(left) :]
    stream.buffer.flush()


def silence(stream: TextIO) -> None:
    """Let what is still written to a stream vanish, also what Python writes at its end."""
    try:
        fd = stream.fileno()
    except (OSError, ValueError):
        return  # of a test, or closed
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)


def unknown(what: str, name: str, known: Iterable[str], of: str) -> NoReturn:
    """Refuse a name that isn't there, and show the nearest one that is.

    Args:
        what: Such as `worker`.
        name: The name that was given.
        known: The names there are.
        of: Whose they are, such as `rig bench`.

    Raises:
        CommandError: Always.
    """
    from orchestrator.words import did_you_mean, quoted

    names = sorted(known)
    hint = did_you_mean(name, names)
    if not hint:
        more = f", … ({len(names)} in all)" if len(names) > MOST_NAMES else ""
        listed = f"it has {', '.join(names[:MOST_NAMES])}{more}"
        hint = f"; {listed}" if names else "; it has none"
    raise CommandError(f"{of} has no {what} {quoted(name)}{hint}", Exit.USAGE)


def _given_rig(error: click.ClickException, message: str) -> str:
    """What stands where a command takes nothing, and may be a rig's name; empty if nothing does."""
    extra = re.fullmatch(r"Got unexpected extra argument \((\S+)\)", message)
    if extra is None or not isinstance(error, click.UsageError) or error.ctx is None:
        return ""
    kinds = error.ctx.command.params
    takes_one = any(isinstance(each, click.Argument) for each in kinds)
    return extra[1] if not takes_one and any(each.name == "rig" for each in kinds) else ""


def _notes(error: BaseException) -> list[str]:
    notes: list[str] = getattr(error, "__notes__", [])
    return [line for note in notes for line in note.splitlines()]


def _safe(text: str) -> str:
    from orchestrator.logs.show.display import escape

    return escape(text)


def _sentence(text: str) -> str:
    """Click's message in the manner of the others: one line, no capital, no full stop."""
    text = re.sub(r"\s*\n\s*", " ", text.strip()).replace(". Choose from:", "; choose from:")
    if text[:1].isupper() and text[1:2].islower():
        text = text[0].lower() + text[1:]
    return text.removesuffix(".")
