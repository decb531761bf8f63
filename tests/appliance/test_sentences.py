"""A command that cannot do what it was asked ends with a sentence and a status."""

import pytest

from appliance.control import ControlError, NoDaemonError
from appliance.engine.errors import InputError
from appliance.sentences import FAILED, NO_DAEMON, REFUSED, fail, say, sentences
from appliance.sources import SettingsError
from appliance.video.errors import VideoError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("no such input"), REFUSED),
        (SettingsError("no such file"), REFUSED),
        (VideoError("no such camera"), REFUSED),
        (NoDaemonError("nobody is there"), NO_DAEMON),
        (ControlError("it would not"), FAILED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_refusal_is_a_sentence_and_a_status(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, sentences():
        raise error
    assert ended.value.code == status
    assert capsys.readouterr() == ("", f"{error}\n")


def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), sentences():
        raise ZeroDivisionError


def test_what_is_said_does_not_mix_with_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    say("by the way")
    with pytest.raises(SystemExit):
        fail("it is over", FAILED)
    assert capsys.readouterr() == ("", "by the way\nit is over\n")
