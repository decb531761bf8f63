"""Options that several commands take."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.mark.parametrize("command", [("run", "watch.yaml"), ("demo",)])
def test_an_empty_source_is_refused(run: Run, workflow: Path, command: tuple[str, ...]) -> None:
    result = run(*command, "--source", " ")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "Error: Invalid value for '--source': this is empty; name a file, a URL, or a device"
    )
