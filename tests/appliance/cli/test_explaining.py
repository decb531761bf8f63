"""`appliance explain`: what it prints of a daemon's answer, and which moment a time means."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from appliance.cli.explaining import moment
from appliance.control import ControlServer, NoDaemonError, request
from appliance.engine.testing import frame
from appliance.explain import Watched, answered
from appliance.observe.buckets import Buckets
from appliance.observe.history import History
from appliance.sources import SettingsError

Run = Callable[..., Result]
Refused = Callable[..., None]

LIMIT_S = 20.0
# 14:02:00 UTC on 1 January 2026.
BEGIN = 1_767_225_600.0 + 14 * 3600 + 120
HOUR_S, DAY_S = 3600.0, 86400.0
AGE_MS = {"p50": 62.0, "p95": 94.0, "lag": 12.0, "wait": 41.0, "turn": 38.0, "commit": 3.0}


@pytest.fixture(autouse=True)
def universal_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine stands in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def watched() -> Watched:
    """The account of a lane of 25 frames a second, of which every other one was processed."""
    buckets = Buckets()
    for number in range(4):
        at = BEGIN + number / 25
        bucket, figure = ("processed", 0.062) if number % 2 else ("no-motion", 0.00003)
        buckets.end(replace(frame(sequence=number), captured_at=at), bucket, figure)
    return Watched(buckets, opens_at_percent=0.005)


@pytest.fixture
def daemon(tmp_path: Path, watched: Watched) -> Iterator[Path]:
    """The state directory of a daemon that ran from 14:02:00 to 14:02:10."""
    history = History()
    for second in range(1, 11):
        status = {
            "state": "degraded",
            "why": "12% of what it sends cannot be decoded",
            "rate": 25.0,
            "level": "all frames",
            "decode_ms": 2.1,
            "lag_s": 0.012,
        }
        lane = {
            "name": "people:gate",
            "captured": 25 * second + 1,
            "buckets": {"no-motion": 13 * second, "processed": 12 * second},
            "age_ms": AGE_MS,
        }
        history.add(BEGIN + second, {"gate": status}, [lane])

    def explain(told: Mapping[str, Any]) -> Mapping[str, Any]:
        return answered(told, history, ["gate"], {"people:gate": watched}, BEGIN + 10)

    state_dir = tmp_path / ".appliance"
    state_dir.mkdir()
    with serving(state_dir, explain):
        yield state_dir


@contextmanager
def serving(
    state_dir: Path, explain: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Iterator[None]:
    stop = threading.Event()
    server = ControlServer(state_dir, {"ping": dict}, {"explain": explain})
    thread = threading.Thread(target=server.loop, args=(stop,))
    thread.start()
    try:
        while thread.is_alive():
            with suppress(NoDaemonError):
                request(state_dir, "ping")
                break
            thread.join(0.01)
        yield
    finally:
        stop.set()
        thread.join(LIMIT_S)


TEXT = """\
gate · 2026-01-01 14:02:00 to 14:02:10
  camera    degraded · 25.0 frames/s captured · decoded: all frames · 2.1 ms to decode one · \
12 ms from capture to picture
            degraded since 14:02:01, or before: 12% of what it sends cannot be decoded

people:gate · 251 frames captured, 250 ended (0 in hand before, 1 after)
  processed        120   48.0 %  a turn was run on it
  no-motion        130   52.0 %  nothing moved
  results       12.0 frames/s, 62 ms old, 94 at p95 (to the picture 12, waiting 41, turn 38, \
disk 3 ms)
  why
    130 no-motion: at most 0.003 % of the picture changed, the gate opens at 0.005 %
"""


@pytest.mark.usefixtures("daemon")
def test_what_became_of_the_frames_is_printed(run: Run) -> None:
    result = run("explain", "gate")
    assert result.exit_code == 0, result.output
    assert result.stdout == TEXT


@pytest.mark.usefixtures("daemon")
def test_single_frames_are_listed(run: Run) -> None:
    result = run("explain", "gate", "--frames", "--at", "2026-01-01T14:02:01", "--seconds", "2")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-4:] == [
        "          0 14:02:00.000 no-motion     0.003 % changed",
        "          1 14:02:00.040 processed     62 ms old",
        "          2 14:02:00.080 no-motion     0.003 % changed",
        "          3 14:02:00.120 processed     62 ms old",
    ]


@pytest.mark.usefixtures("daemon")
def test_a_time_of_which_no_single_frame_is_known_says_so(run: Run) -> None:
    result = run("explain", "gate", "--frames", "--at", "2026-01-01 14:02:07Z", "--seconds", "2")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("gate · 2026-01-01 14:02:06 to 14:02:08\n")
    assert result.stdout.endswith("\n  no single frame of that time is remembered\n")


def test_as_json_it_is_the_whole_answer(run: Run, daemon: Path) -> None:
    result = run("explain", "gate", "--json", "--state-dir", daemon)
    answer = json.loads(result.stdout)
    assert (answer["begin"], answer["end"]) == (BEGIN, BEGIN + 10)
    (lane,) = answer["lanes"]
    assert (lane["captured"], lane["ended"], lane["in_hand"]) == (251, 250, [0, 1])
    assert [row["frames"] for row in lane["buckets"]] == [120, 130]


@pytest.mark.usefixtures("daemon")
def test_an_unknown_camera_is_refused(run: Run, refused: Refused) -> None:
    refused(run("explain", "gaet"), "there is no camera 'gaet' (did you mean 'gate'?)")


@pytest.mark.usefixtures("daemon")
def test_an_unknown_time_is_refused_with_those_that_are_known(run: Run, refused: Refused) -> None:
    refused(
        run("explain", "gate", "--at", "2025-12-31T09:00:00Z"),
        "nothing is known of 2025-12-31 08:59:55 to 09:00:05; "
        "what is known goes from 2026-01-01 14:02:00 to 2026-01-01 14:02:10",
    )


def test_without_a_daemon_it_exits_with_3(run: Run, refused: Refused) -> None:
    refused(
        run("explain", "gate"),
        "no daemon runs on the state directory .appliance "
        "(start one with `appliance serve`, or name another with --state-dir)",
        status=3,
    )


def test_no_daemon_is_asked_with_a_time_that_is_none(run: Run, refused: Refused) -> None:
    refused(
        run("explain", "gate", "--at", "soon"),
        "--at soon: this is no time; write 14:02, 14:02:50 or 2026-05-31T14:02:50",
    )


@pytest.mark.parametrize(
    ("text", "after_s"),
    [
        ("14:01", -60),
        ("14:02", 0),
        ("14:02:00", 0),
        ("9:30:05", -4.5 * HOUR_S - 115),
        # Later than now: the last such time was yesterday.
        ("14:02:31", 31 - DAY_S),
        ("23:59", 10 * HOUR_S - 180 - DAY_S),
        ("2026-01-01T14:02:10", 10),
        ("2026-01-01 14:02:10.5", 10.5),
        ("2026-01-01T15:02:10+01:00", 10),
        ("2026-01-01T14:02:10Z", 10),
        ("2025-12-31T14:02", -DAY_S),
        ("20260101T140210Z", 10),
    ],
)
def test_a_time_means_the_last_such_moment(text: str, after_s: float) -> None:
    assert moment(text, BEGIN + 30) - BEGIN == pytest.approx(after_s, abs=1e-3)


def test_a_time_of_day_is_that_of_the_machines_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    assert moment("15:02:10", BEGIN + 30) - BEGIN == 10
    assert moment("2026-01-01T15:02:10", BEGIN + 30) - BEGIN == 10
    # Half past midnight here is still the day before in UTC.
    assert moment("00:10", BEGIN + 9.5 * HOUR_S) - BEGIN == 9 * HOUR_S + 8 * 60


@pytest.mark.parametrize(
    "text",
    ["", "14", "25:00", "14:60", "14:02:61", "2026-01-01", "2026-13-01T00:00", "1402", "now"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"this is no time; write 14:02, 14:02:50 or "):
        moment(text, BEGIN)
