"""Other managers' words are answered with ours, which are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.other_words import OF_RIGS, OF_WORKERS, VALUES
from orchestrator.config.schema import DefaultsSection, TopSection, WorkerSection
from orchestrator.config.yaml import parse
from tests.config.config_kit import SCHEMA, expect, in_worker


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("§depends_on: [laser]", 'unknown key "depends_on" in worker "stage"; here it is after: ['),
        ("§dependsOn: [laser]", "here it is after: ["),
        ("§environment: {A: x}", "here it is env: {KEY: value}"),
        ("§image: x", "here it is driver: package.module:Class"),
        ("§timeout: 5s", "here it is execution_timeout: 10s, or timeouts: {expose: 120s}"),
        ("§working_dir: .", "here it is cwd: folder"),
        ("restart: §always", 'not the text "always"; here it is permanent'),
        ("restart: §on-failure", "here it is transient"),
        ("restart: §unless-stopped", "here it is permanent"),
        ("restart: §no", "here it is temporary"),
        ("restart: §false", "not false; here it is temporary"),
        ("transport: §thread", "here it is inproc"),
    ],
)
def test_what_others_call_it_is_answered_with_ours(tmp_path: Path, line: str, message: str) -> None:
    expect(tmp_path, in_worker(line), message)


def test_a_driver_under_another_name_does_not_lack(tmp_path: Path) -> None:
    text = "rig: r\nworkers: {a: {§command: x}}\n§services: {}\n§restart: permanent\n"
    expect(
        tmp_path,
        text,
        "here it is driver: package.module:Class",
        "here it is workers: {stage: ",
        '"restart" is a key of a worker; for all of them it stands in "defaults"',
    )


def test_logs_have_levels_of_others_too(tmp_path: Path) -> None:
    text = "rig: r\nworkers: {a: 'a:B'}\nlogs: {level: §warn}\n"
    expect(tmp_path, text, "here it is warning")


@pytest.mark.parametrize(("words", "model"), [(OF_WORKERS, DefaultsSection), (OF_RIGS, TopSection)])
def test_ours_are_none_of_theirs_and_written_as_is_told(
    words: dict[str, tuple[str, str]], model: type[DefaultsSection] | type[TopSection]
) -> None:
    known = WorkerSection.model_fields if model is DefaultsSection else TopSection.model_fields
    assert not words.keys() & known.keys()
    for key, how in words.values():
        assert key in known
        shown = how.partition(", or ")[0].partition(", transient")[0]
        data = parse(shown, "lab.yaml").data
        whole = {"rig": "r", "workers": {"a": "a:B"}}
        worker = {"workers": {"a": {"driver": "a:B", **data}}}
        SCHEMA.validate(whole | (worker if model is DefaultsSection else data))


def test_values_of_others_are_none_of_ours() -> None:
    for values in VALUES.values():
        assert not values.keys() & set(values.values())
