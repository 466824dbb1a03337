"""A config names what runs: who else may change it, and what it may not name."""

from __future__ import annotations

import grp
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.config.loader import ConfigError, load
from tests.config.config_kit import expect, in_worker, load_text

TEXT = "rig: bench\nworkers:\n  stage: {driver: 'a:B'}\n"
FOREIGN = 54_321  # a group, and a user, that nobody here is in


def refusal(file: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert problem.place.line == 0
    return problem.message


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "lab" / "lab.yaml"
    file.parent.mkdir()
    file.write_text(TEXT)
    return file


def test_a_config_of_another_user(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But root's is everybody's, as in /etc."""
    if os.getuid() != 0:
        pytest.skip("only root may give files away")
    os.chown(file, FOREIGN, 0)
    assert refusal(file) == (
        f"it belongs to user {FOREIGN}, and it names what runs:"
        " only a file of yours, or of root, is run"
    )
    os.chown(file, 0, 0)
    monkeypatch.setattr(os, "getuid", lambda: FOREIGN)
    assert load(file).rig == "bench"


def test_a_config_that_a_foreign_group_may_write(file: Path) -> None:
    """The group that is one's own alone doesn't count."""
    file.chmod(0o664)
    if grp.getgrgid(os.getgid()).gr_name == "root":
        assert load(file).rig == "bench"
    if os.getuid() != 0:
        pytest.skip("only root may give files to any group")
    os.chown(file, -1, FOREIGN)
    assert refusal(file) == f"group {FOREIGN} may write to it, and it names what runs: chmod g-w it"
    file.chmod(0o644)
    assert load(file).rig == "bench"


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o772])
def test_a_folder_that_everyone_may_write(file: Path, mode: int) -> None:
    """A sticky one too: modules can be added there."""
    file.parent.chmod(mode)
    assert refusal(file) == (
        f'its folder "{file.parent}" is others\' too (everyone may write to it), and modules in'
        " it run: keep it in a folder of your own"
    )


def test_a_folder_of_another_user_or_group(file: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root may give folders away")
    os.chown(file.parent, FOREIGN, -1)
    assert f"is others' too (it belongs to user {FOREIGN})" in refusal(file)
    os.chown(file.parent, 0, FOREIGN)
    file.parent.chmod(0o775)
    assert f"is others' too (group {FOREIGN} may write to it)" in refusal(file)


def test_a_folder_further_up_that_everyone_may_write(file: Path, tmp_path: Path) -> None:
    """Who may rename the folder may put another in its place; not in a sticky one, as /tmp."""
    tmp_path.chmod(0o777)
    assert refusal(file) == f'everyone may replace what is in "{tmp_path}": chmod o-w that folder'
    tmp_path.chmod(0o1777)
    assert load(file).rig == "bench"


def test_a_path_that_is_no_text(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    name = os.fsdecode(folder + b"/lab.yaml")
    Path(name).write_text(TEXT)
    with pytest.raises(ConfigError, match="its path holds bytes that aren't UTF-8; rename it"):
        load(name)


@pytest.mark.parametrize("name", ["ORCH_RIG", "ORCH_WORKER_TOKEN", "Orch_x"])
def test_our_own_variables_are_not_the_configs(tmp_path: Path, name: str) -> None:
    expect(
        tmp_path,
        in_worker(f"env: {{§{name}: x}}"),
        f'"{name}" is a variable of orch\'s own; choose another name',
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("concurrent: [§__class__]", '"__class__" is private'),
        ("timeouts: {§__init__: 1s}", '"__init__" is private'),
        ("stop_with: §__init__", '"__init__" is Python\'s own; name a method of the driver'),
        ("stop_with: §__del__", '"__del__" is Python\'s own'),
    ],
)
def test_pythons_own_names_are_no_members(tmp_path: Path, line: str, message: str) -> None:
    expect(tmp_path, in_worker(line), message)


def test_pythons_own_names_are_no_workers(tmp_path: Path) -> None:
    expect(tmp_path, TEXT.replace("stage", "§__class__"), '"__class__" is not an id')
    assert load_text(tmp_path, in_worker("stop_with: __exit__")).workers["stage"].stop_with


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Path]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "mine.ipc"))
        yield tmp_path / "mine.ipc"


def test_paths_to_listen_at_are_free_or_sockets_of_ours(
    tmp_path: Path, bound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(bound)
    (tmp_path / "x.events").touch()
    items = ", ".join(
        f'§"ipc://{tmp_path}/{name}"' for name in ("file", "link", "no/way", "x", "file/below")
    )
    expect(
        tmp_path,
        f"{TEXT}listen: [ipc, {items}]\n",
        f'"listen": "{tmp_path}/file" is there, and no socket; choose another path',
        f'"listen": "{tmp_path}/link" is there, and no socket; choose another path',
        f'"listen": "{tmp_path}/no/way" has no folder to be in; make it first',
        f'"listen": "{tmp_path}/x.events" is there, and no socket; choose another path',
        f'"listen": "{tmp_path}/file/below" can\'t be used: Not a directory',
    )
    text = f'{TEXT}listen: ["ipc://{bound}", "ipc://{tmp_path}/free"]\n'
    assert len(load_text(tmp_path, text).listen) == 2
    # Through the user alone, as only root could make a socket of somebody else's.
    if os.getuid() == 0:
        os.chown(bound, FOREIGN, -1)
        with pytest.raises(ConfigError, match=f"is a socket of user {FOREIGN}"):
            load_text(tmp_path, text)


def test_other_users_of_the_machine_may_be_allowed(tmp_path: Path) -> None:
    assert load_text(tmp_path, f"{TEXT}allow_local_users: true\n").allow_local_users
    assert not load_text(tmp_path, TEXT).allow_local_users
    expect(
        tmp_path,
        f"{TEXT}allow_local_users: §1\n",
        '"allow_local_users" must be true or false, not the number 1',
    )
