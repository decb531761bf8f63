"""What models on servers take and give, remembered."""

from pathlib import Path

from structlog.testing import capture_logs

from appliance.inference.remote_address import Remote
from appliance.inference.remote_memory import recall, remember
from appliance.inference.remote_tensors import Signature, Tensor

REMOTE = Remote(url="http://ann:hunter2@box:8000", model="people")
KNOWN = Signature(
    Tensor("image", "FP32", ("?", 3, 8, 8)),
    (Tensor("boxes", "FP32", ("?", 100, 4)), Tensor("scores", "FP16", ("?", 100, 2))),
)


def test_what_was_remembered_is_recalled(tmp_path: Path) -> None:
    file = tmp_path / "remote" / "people.json"
    remember(file, REMOTE, KNOWN)
    assert recall(file, REMOTE) == KNOWN
    assert [path.name for path in file.parent.iterdir()] == ["people.json"]


def test_it_holds_no_password(tmp_path: Path) -> None:
    remember(tmp_path / "people.json", REMOTE, KNOWN)
    assert "hunter2" not in (tmp_path / "people.json").read_text()


def test_of_another_model_or_server_nothing_is_recalled(tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    remember(file, REMOTE, KNOWN)
    assert recall(file, Remote(url="http://box:8000", model="cars")) is None
    assert recall(file, Remote(url="http://other:8000", model="people")) is None
    assert recall(file, Remote(url="http://box:8000", model="people", version="2")) is None


def test_a_damaged_or_missing_file_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    assert recall(file, REMOTE) is None
    remember(file, REMOTE, KNOWN)
    file.write_bytes(file.read_bytes()[:-9])
    assert recall(file, REMOTE) is None
    assert recall(None, REMOTE) is None


def test_a_disk_that_takes_nothing_is_only_logged(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with capture_logs() as logs:
        remember(tmp_path / "file" / "people.json", REMOTE, KNOWN)
    assert [row["event"] for row in logs] == ["cannot remember what a remote model takes"]
