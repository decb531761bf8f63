"""The commands of the daemon, where none runs."""

from collections.abc import Callable

import pytest
from click.testing import Result

Run = Callable[..., Result]
Refused = Callable[..., None]


@pytest.mark.parametrize("command", ["status", "stop"])
def test_a_command_to_a_daemon_that_does_not_run_exits_with_3(
    run: Run, command: str, refused: Refused
) -> None:
    refused(
        run(command),
        "no daemon runs on the state directory .appliance "
        "(start one with `appliance serve`, or name another with --state-dir)",
        status=3,
    )


def test_serving_without_a_settings_file_is_refused(run: Run) -> None:
    result = run("serve")
    assert result.exit_code == 2
    assert result.stderr == "config/appliance.yaml: there is no such settings file\n"
