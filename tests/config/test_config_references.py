"""`${env:NAME}` and `${file:PATH}`: where they are read; what they stand for is hidden."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from orchestrator.words import LONGEST_HIDDEN, MASK, forms_of, hide
from tests.config.config_kit import expect, in_worker, load_text

CANARY = "canary-4711-abcdef"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", CANARY)
    monkeypatch.setenv("PORT", "5025")
    monkeypatch.delenv("TOKEM", raising=False)


def test_they_stand_in_arguments_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("line one\nline two\n")
    worker = load_text(
        tmp_path,
        in_worker(
            'kwargs: {token: "${env:TOKEN}", head: "Bearer ${env:TOKEN}", key: "${file:key.pem}"}\n'
            'args: [["${env:PORT}"]]\n'
            'env: {PORT: "${env:PORT}"}'
        ),
    ).workers["stage"]
    assert worker.kwargs == {
        "token": CANARY,
        "head": f"Bearer {CANARY}",
        "key": "line one\nline two",
    }
    assert worker.args == (["5025"],)  # a text, whatever it looks like
    assert worker.env == {"PORT": "5025"}


def test_they_stand_in_paths_the_defaults_and_on_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHERE", str(tmp_path))
    loss = 'on_loss: {driver: "a:S", kwargs: {token: "${env:TOKEN}"}, calls: [off]}'
    text = in_worker(f'cwd: "${{env:WHERE}}"\n{loss}')
    rig = load_text(tmp_path, f'{text}defaults: {{env: {{T: "${{env:TOKEN}}"}}}}\n')
    stage = rig.workers["stage"]
    assert stage.cwd == tmp_path
    assert stage.on_loss is not None
    assert stage.on_loss["kwargs"] == {"token": CANARY}
    assert rig.workers["laser"].env == {"T": CANARY}


def test_elsewhere_they_are_text(tmp_path: Path) -> None:
    worker = load_text(tmp_path, in_worker('on_start: [{call: [say, "${env:TOKEN}"]}]'))
    assert worker.workers["stage"].on_start == (("say", ["${env:TOKEN}"], {}, False),)
    assert worker.hidden == ()


def test_two_dollars_are_one(tmp_path: Path) -> None:
    worker = load_text(tmp_path, in_worker('args: ["$${env:TOKEN} $HOME ${x} ${a:b"]')).workers[
        "stage"
    ]
    assert worker.args == ("${env:TOKEN} $HOME ${x} ${a:b",)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("${env:TOKEM}", 'the environment has no "TOKEM"; did you mean "TOKEN"?'),
        ("${file:absent.txt}", "can't be read: No such file or directory"),
        ("${file:.}", "can't be read: Is a directory"),
        ("${envi:TOKEN}", 'no references of this kind; did you mean "env"?'),
        ("${env:TOKEN", "a } is missing; for the text itself, $${"),
        ("${vault:x}", "no references of this kind; write ${env:NAME} or ${file:PATH}"),
    ],
)
def test_one_that_leads_nowhere_is_told_at_its_place(
    tmp_path: Path, reference: str, message: str
) -> None:
    expect(tmp_path, in_worker(f'kwargs: {{a: 1, token: §"{reference}"}}'), message)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff", "is no UTF-8 text"), (b"x" * 70_000, "is larger than 64 KiB")],
)
def test_a_file_that_is_no_text_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "key").write_bytes(content)
    expect(tmp_path, in_worker('args: [§"${file:key}"]'), message)


def test_what_is_put_in_is_judged_and_not_shown(tmp_path: Path) -> None:
    expect(tmp_path, in_worker('cwd: §"/nowhere/${env:TOKEN}"'), f'"/nowhere/{MASK}" is not there')


def test_a_config_says_what_is_to_be_hidden(tmp_path: Path) -> None:
    rig = load_text(tmp_path, in_worker('args: ["${env:TOKEN}", "${env:PORT}"]'))
    assert rig.hidden == (CANARY,)  # 5025 is too short: it may stand for anything
    assert CANARY not in repr(rig.hidden[1:])


class TestHiding:
    def test_each_line_of_a_secret_is_one(self) -> None:
        forms = forms_of(["first line\nsecond\n"])
        assert hide("a first line, a second one", forms) == f"a {MASK}, a {MASK} one"

    def test_also_as_python_and_json_write_it(self) -> None:
        secret = 'it\'s "quoted" é\\'
        forms = forms_of([secret])
        for shown in (repr(secret), ascii(secret), secret.replace('"', '\\"')):
            assert "quoted" not in hide(f"is {shown}", forms)

    @pytest.mark.parametrize("secret", ["ümlaut-secret", 'quo"te-secret', "slash/secret+1 b\\"])
    def test_also_as_json_and_addresses_have_it(self, secret: str) -> None:
        forms = forms_of([secret])
        ways = (
            *(json.dumps(secret), json.dumps(secret, ensure_ascii=False)),
            *(quote(secret), quote(secret, safe=""), quote_plus(secret)),
            quote(secret, safe="").lower(),
        )
        for shown in ways:
            assert "secret" not in hide(f"is {shown}", forms), shown

    def test_also_where_it_was_cut(self) -> None:
        assert hide("is canary-47… and more", forms_of([CANARY])) == f"is {MASK}… and more"

    def test_the_longer_of_two_goes_first(self) -> None:
        assert hide("is secret-two", forms_of(["secret", "secret-two"])) == f"is {MASK}"

    def test_a_huge_one_goes_piece_by_piece(self) -> None:
        secret = "abcdefgh" * LONGEST_HIDDEN
        assert set(hide(f"<{secret}>", forms_of([secret]))) == set(f"<{MASK}>")
