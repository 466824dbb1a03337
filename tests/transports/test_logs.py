"""Records of a library: quiet until somebody listens."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from transports.hololinked.logs import get_logger


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    if before is not None:
        structlog.configure(**before)


def test_without_a_configuration_nothing_is_shown_below_warning(
    capfd: pytest.CaptureFixture[str],
) -> None:
    logger = get_logger(None, id="me")
    logger.debug("came")
    logger.info("came")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_a_standard_logger_is_written_to(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "lab"):
        get_logger(logging.getLogger("lab"), id="me").debug("came", frames=3)
    (record,) = caplog.records
    assert record.name == "lab"
    assert "came" in record.getMessage()
    assert "frames=3" in record.getMessage()
    assert "id='me'" in record.getMessage()


def test_the_applications_structlog_is_used_once_it_is_configured() -> None:
    with structlog.testing.capture_logs() as records:
        structlog.configure(processors=structlog.get_config()["processors"])
        get_logger(None, id="me").debug("came", frames=3)
    assert records == [{"event": "came", "frames": 3, "id": "me", "log_level": "debug"}]


def test_a_given_structlog_logger_is_used() -> None:
    with structlog.testing.capture_logs() as records:
        get_logger(structlog.get_logger(), id="me").info("came")
    assert records[0]["id"] == "me"
