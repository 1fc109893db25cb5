"""Each line of the log: one line, scrubbed, with its correlation id, whoever wrote it."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from config.logs import logging_settings
from integrations import correlation

VISA = "4111 1111 1111 1111"


@pytest.fixture
def written(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """What the pipeline writes while the test runs. Parameter: whether as JSON (the default)."""
    settings = logging_settings(level="DEBUG", json=getattr(request, "param", True), secrets=())
    formatter = logging.config.DictConfigurator(settings).configure_formatter(settings["formatters"]["line"])
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger("test")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream.getvalue
    logger.removeHandler(handler)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_structlog_and_the_standard_library_take_one_way(written: Callable[[], str]) -> None:
    with correlation.bind("one-request-0001"):
        structlog.get_logger("test").info("order paid", order_id=1042)
        logging.getLogger("test").warning("queue is %s", "slow", extra={"backlog": 7})
    ours, theirs = lines(written())
    assert (ours["event"], ours["level"], ours["order_id"]) == ("order paid", "info", 1042)
    assert (theirs["event"], theirs["level"], theirs["backlog"]) == ("queue is slow", "warning", 7)
    assert ours["correlation_id"] == theirs["correlation_id"] == "one-request-0001"
    assert ours["logger"] == theirs["logger"] == "test"
    assert ours["timestamp"].endswith("Z")


def test_outside_any_request_no_id_is_made_up(written: Callable[[], str]) -> None:
    structlog.get_logger("test").info("start")
    assert "correlation_id" not in lines(written())[0]


def test_nothing_passes_by_the_scrubber(written: Callable[[], str]) -> None:
    log = logging.getLogger("test")
    log.info("card %s of %s", VISA, "a@shop.example")
    structlog.get_logger("test").info("call", request={"headers": {"Authorization": "Bearer abc.def"}, "note": [VISA]})
    assert VISA not in written()
    assert "a@shop" not in written()
    assert "abc.def" not in written()
    assert lines(written())[1]["request"] == {"headers": {"Authorization": "[secret]"}, "note": ["[card]"]}


def test_a_traceback_is_scrubbed_too(written: Callable[[], str]) -> None:
    try:
        raise ValueError(f"cannot charge {VISA}")
    except ValueError:
        structlog.get_logger("test").exception("failed")
        logging.getLogger("test").exception("failed")
    for line in lines(written()):
        assert "ValueError: cannot charge [card]" in line["exception"]
        assert "Traceback" in line["exception"]


@pytest.mark.parametrize("written", [True, False], indirect=True, ids=["json", "console"])
def test_a_line_break_starts_no_new_line(written: Callable[[], str]) -> None:
    forged = 'x\r\n{"event": "order paid"}\u2028\x1b[2J'
    structlog.get_logger("test").info(forged, name=forged, nested={forged: [forged]})
    logging.getLogger("test").info("said %s", forged)
    assert len(written().splitlines()) == 2
    assert "\x1b" not in written()


@pytest.mark.parametrize("written", [False], indirect=True)
def test_the_console_sets_a_traceback_off(written: Callable[[], str]) -> None:
    try:
        raise ValueError("first\n12:00:00 info    forged line")
    except ValueError:
        structlog.get_logger("test").exception("failed")
    first, *rest = written().splitlines()
    assert "error" in first
    assert "failed" in first
    assert all(line.startswith("    | ") for line in rest)


def test_what_cannot_be_json_is_written_all_the_same(written: Callable[[], str]) -> None:
    structlog.get_logger("test").info("odd", number=float("nan"), raw=b"\xff", thing=object(), surrogate="\ud800")
    line = lines(written())[0]
    assert line["number"] == "nan"
    assert line["thing"].startswith("<object")


def test_arguments_that_do_not_fit_lose_no_line(written: Callable[[], str]) -> None:
    logging.getLogger("test").info("100% sure")
    assert lines(written())[0]["event"] == "100% sure"
