"""The text of a config file, unless others may change what it names."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from orchestrator.config.problems import ConfigError, Place, Problem
from orchestrator.config.yaml import line_and_column
from orchestrator.private import who_may_write
from orchestrator.words import did_you_mean, one_line, quoted

__all__ = ["MAX_BYTES", "read", "read_from"]

MAX_BYTES: Final = 1 << 20


def read(file: str) -> str:
    """The text of a config file.

    Raises:
        ConfigError: there is no such file, it can't be read, is no regular file, it or its folder
            may be written by others (what it names is executed), is too big or isn't UTF-8.
    """
    if not _is_text(file):
        raise _refused(ascii(file)[1:-1], "its path holds bytes that aren't UTF-8; rename it")
    try:
        # Not blocking: a named pipe would wait for its writer.
        fd = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        raise _refused(file, f"there is no such file{_near_file(file)}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _refused(file, f"can't be read: {one_line(_reason(error))}") from error
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise _refused(file, f"is a folder; a config is a file{_config_in(file)}")
        if not stat.S_ISREG(status.st_mode):
            raise _refused(file, "is not a regular file")
        _refuse_others(file, status)
        with os.fdopen(fd, "rb", closefd=False) as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refused(file, f"can't be read: {one_line(_reason(error))}") from error
    finally:
        os.close(fd)
    return _text_of(data, file)


def read_from(stream: BinaryIO, file: str) -> str:
    """The text of a config that comes by a stream, as if it stood in a file.

    Args:
        stream: It is read to its end.
        file: What places name, and in whose folder the config is taken to be.

    Raises:
        ConfigError: As `read`, as far as it isn't about the file itself.
    """
    try:
        _refuse_other_folders(file)
        data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refused(file, f"can't be read: {one_line(_reason(error))}") from error
    return _text_of(data, file)


def _text_of(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        raise _refused(file, "is larger than 1 MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace").removeprefix("\ufeff")
        place = Place(file, *line_and_column(before))
        message = f"byte 0x{data[error.start]:02x} is not UTF-8 text; save the file as UTF-8"
        raise ConfigError([Problem(place, message)]) from error


def _is_text(file: str) -> bool:
    try:
        os.path.abspath(file).encode()
    except UnicodeEncodeError:
        return False
    except FileNotFoundError:
        return True  # the present folder is gone, and the file not to be found either
    return True


def _refuse_others(file: str, status: os.stat_result) -> None:
    """Refuse what others may change: the config names what runs.

    Raises:
        ConfigError: with the mend.
    """
    if who := who_may_write(status):
        mend = {"everyone": "chmod o-w it", "group": "chmod g-w it"}.get(who.split()[0])
        mend = mend or "only a file of yours, or of root, is run"
        raise _refused(file, f"{who}, and it names what runs: {mend}")
    _refuse_other_folders(file)


def _refuse_other_folders(file: str) -> None:
    """Refuse a folder that others may change: modules in it run.

    Raises:
        ConfigError: with the mend.
    """
    folder = os.path.dirname(os.path.abspath(file))
    if who := who_may_write(os.stat(folder)):
        raise _refused(
            file,
            f"its folder {quoted(Path(folder))} is others' too ({who}), and modules in it run:"
            " keep it in a folder of your own",
        )
    for above in Path(folder).parents:
        mode = os.stat(above).st_mode
        if hasattr(os, "getuid") and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            message = f"everyone may replace what is in {quoted(above)}: chmod o-w that folder"
            raise _refused(file, message)


def _refused(file: str, message: str) -> ConfigError:
    return ConfigError([Problem(Place(file), message)])


def _reason(error: OSError | ValueError) -> str:
    # Without the path, which the place names already.
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _near_file(file: str) -> str:
    folder, name = os.path.split(file)
    try:
        names = _yaml_files(folder or ".")
    except OSError:
        return f"; the folder {quoted(Path(folder))} isn't there either"
    return did_you_mean(name, names)


def _config_in(folder: str) -> str:
    try:
        names = _yaml_files(folder)
    except OSError:
        return ""  # that it can't be read isn't what is wrong here
    found = ", ".join(quoted(Path(folder, name)) for name in names[:3])
    return f"; it holds {found}" if found else ""


def _yaml_files(folder: str) -> list[str]:
    return sorted(entry for entry in os.listdir(folder) if entry.endswith((".yaml", ".yml")))
