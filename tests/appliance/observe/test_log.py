"""What stands on standard error, for people and as JSON."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from appliance.observe.log import Style, set_up_logging, use_logging_of_python

Read = Callable[[], str]


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Takes back what `set_up_logging` changes for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def read(capsys: pytest.CaptureFixture[str]) -> Read:
    """What has been written to standard error; to standard output nothing may be."""

    def read() -> str:
        out, err = capsys.readouterr()
        assert out == ""
        return err

    return read


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def fail() -> None:
    raise ValueError("the line\nis broken")


def test_our_own_lines_are_json_objects(read: Read) -> None:
    set_up_logging("json")
    structlog.get_logger("appliance.lane").warning("step failed", step="gate", count=3)
    (line,) = lines(read())
    at = datetime.fromisoformat(line.pop("timestamp"))
    assert abs(at - datetime.now(UTC)) < timedelta(hours=1)
    assert line == {
        "event": "step failed",
        "level": "warning",
        "logger": "appliance.lane",
        "step": "gate",
        "count": 3,
    }


def test_lines_of_libraries_go_the_same_way(read: Read) -> None:
    set_up_logging("json")
    logging.getLogger("paho.mqtt").warning("lost %s after %d s", "broker", 7)
    (line,) = lines(read())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "lost broker after 7 s", "level": "warning", "logger": "paho.mqtt"}


def test_a_line_stays_one_whatever_is_in_it(read: Read) -> None:
    set_up_logging("json")
    log = structlog.get_logger("appliance")
    log.info("two\nlines", text='"quoted"\x1b[31m', number=float("nan"), thing={1, 2}, of=object())
    (line,) = lines(read())
    assert line["event"] == "two\nlines"
    assert line["text"] == '"quoted"\x1b[31m'


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("own", [True, False], ids=["our own", "a library's"])
def test_an_exception_keeps_its_traceback(read: Read, style: Style, own: bool) -> None:
    set_up_logging(style)
    try:
        fail()
    except ValueError as error:
        if own:
            structlog.get_logger("appliance").error("loop failed", exc_info=error)
        else:
            logging.getLogger("library").exception("loop failed")
    written = read()
    if style == "json":
        (line,) = lines(written)
        assert (line["event"], line["level"]) == ("loop failed", "error")
        written = line["exception"]
    assert "loop failed" in written or style == "json"
    assert "Traceback (most recent call last):" in written
    assert "in fail\n" in written
    assert "ValueError: the line\nis broken" in written


def test_a_person_reads_one_line_for_each(read: Read) -> None:
    set_up_logging("console")
    structlog.get_logger("appliance.lane").warning("step failed", step="gate")
    logging.getLogger("paho.mqtt").warning("lost")
    first, second = read().splitlines()
    assert "[warning" in first
    assert "step failed" in first
    assert "step=gate" in first
    assert "lost" in second
    assert "paho.mqtt" in second
    # Colours are for terminals.
    assert "\x1b" not in first + second


@pytest.mark.parametrize("style", ["json", "console"])
def test_what_is_below_the_level_is_left_out(read: Read, style: Style) -> None:
    set_up_logging(style, "WARNING")
    for log in (structlog.get_logger("appliance"), logging.getLogger("library")):
        log.info("quiet")
        log.warning("loud")
    written = read()
    assert "quiet" not in written
    assert written.count("loud") == 2


def test_debug_shows_what_is_left_out_otherwise(read: Read) -> None:
    log = structlog.get_logger("appliance")
    set_up_logging("json")
    log.debug("quiet")
    set_up_logging("json", "DEBUG")
    log.debug("loud")
    assert [line["event"] for line in lines(read())] == ["loud"]


def test_setting_it_up_again_writes_nothing_twice(read: Read) -> None:
    set_up_logging("console")
    set_up_logging("json")
    structlog.get_logger("appliance").info("once")
    logging.getLogger("library").info("and this")
    assert [line["event"] for line in lines(read())] == ["once", "and this"]


def test_a_logger_that_was_used_before_follows(read: Read) -> None:
    log = structlog.get_logger("appliance")
    set_up_logging("console")
    log.info("for people")
    set_up_logging("json")
    log.info("as JSON")
    first, second = read().splitlines()
    assert "for people" in first
    assert json.loads(second)["event"] == "as JSON"


def test_warnings_of_libraries_are_lines_as_well(read: Read) -> None:
    set_up_logging("json")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(False)
        set_up_logging("json")
        warnings.warn("this will go", DeprecationWarning, stacklevel=1)
    (line,) = lines(read())
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "DeprecationWarning: this will go" in line["event"]


def test_what_is_bound_to_the_context_stands_in_each_line(read: Read) -> None:
    set_up_logging("json")
    with structlog.contextvars.bound_contextvars(lane="people:gate"):
        structlog.get_logger("appliance").info("ours")
        logging.getLogger("library").info("theirs")
    assert [line["lane"] for line in lines(read())] == ["people:gate"] * 2


def test_a_library_leaves_it_to_the_program_what_is_seen(
    read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    structlog.reset_defaults()
    use_logging_of_python()
    log = structlog.get_logger("appliance.somewhere")
    log.info("model loaded", model="people")
    assert caplog.messages == []
    log.warning("step failed", step="gate")
    assert caplog.messages == ["event='step failed' step='gate'"]
    assert read() == ""


def test_a_program_that_has_set_up_its_log_keeps_it(read: Read) -> None:
    set_up_logging("json")
    use_logging_of_python()
    structlog.get_logger("appliance.somewhere").warning("step failed")
    assert lines(read())[0]["event"] == "step failed"
