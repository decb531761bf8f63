"""A command as a user types it, in an empty folder, and a workflow file to name."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.cli import main
from appliance.inference.store import Store

WORKFLOW = """\
version: 1
name: watch
inputs:
  image: {type: image}
  confidence: {type: number, default: 0.4}
steps:
  - name: people
    type: object_detection@1
    image: $inputs.image
    model: people-ssdlite
    confidence: $inputs.confidence
  - name: seen
    type: event@1
    when: size(steps.people.detections) > 0
    connection: local
    data: {people: $steps.people.detections}
outputs:
  people: $steps.people.detections
"""

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Type a command in an empty folder; signal handlers are put back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def type_command(*words: str | Path) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words], prog_name="appliance")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    yield type_command
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    path = tmp_path / "watch.yaml"
    path.write_text(WORKFLOW)
    return path


@pytest.fixture
def state_dir(tmp_path: Path, demo_store: Store) -> Path:
    """A state directory of its own that holds the fetched model."""
    for folder in ("models", "probes"):
        if (demo_store.root / folder).is_dir():
            shutil.copytree(demo_store.root / folder, tmp_path / "state" / folder)
    return tmp_path / "state"


@pytest.fixture(scope="session")
def clip(demo_store: Store) -> Path:
    return next((demo_store.root / "clips").glob("vtest.avi"))


@pytest.fixture(scope="session")
def altered() -> Callable[[Path, str, str], Path]:
    """Put another text in the place of one that a file has."""

    def alter(path: Path, old: str, new: str) -> Path:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return path

    return alter


@pytest.fixture(scope="session")
def refused() -> Callable[..., None]:
    """Assert that a command ended with these sentences, and with status 2 or the one given."""

    def check(result: Result, *sentences: str, status: int = 2) -> None:
        assert result.exit_code == status, result.output
        assert result.stderr == "\n".join(sentences) + "\n"
        assert "Traceback" not in result.output

    return check
