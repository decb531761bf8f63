import io
import sys
from collections.abc import Callable

import pytest

from appliance.delivery.envelope import Row
from appliance.delivery.transports.console import ConsoleTransport
from appliance.delivery.transports.transport import ConnectionSettings, Unavailable
from tests.appliance.delivery.conftest import ManualClock

RowOf = Callable[..., Row]


@pytest.fixture
def console(clock: ManualClock) -> ConsoleTransport:
    return ConsoleTransport(ConnectionSettings("console", "console"), clock)


def test_each_event_is_a_line(
    console: ConsoleTransport, row: RowOf, capsys: pytest.CaptureFixture[str]
) -> None:
    console.open()
    assert console.send([row({"n": 1, "wo": "Tür"}), row({"n": 2}, subject="")]) == [None, None]
    console.idle()
    console.close()
    assert capsys.readouterr().out == (
        '2023-11-14T22:13:20.250Z count.crossed gate {"n":1,"wo":"Tür"}\n'
        '2023-11-14T22:13:20.250Z count.crossed {"n":2}\n'
    )


def test_a_label_cannot_steer_the_terminal(
    console: ConsoleTransport, row: RowOf, capsys: pytest.CaptureFixture[str]
) -> None:
    console.send([row({"label": "a\u009bb"}, subject="x\n\x1b[2Jy")])
    assert capsys.readouterr().out.endswith('count.crossed x??[2Jy {"label":"a?b"}\n')


def test_a_closed_output_is_unavailable(
    console: ConsoleTransport, row: RowOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    with pytest.raises(Unavailable, match="console: the standard output is closed"):
        console.send([row()])
