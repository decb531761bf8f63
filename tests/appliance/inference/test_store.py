"""Files in their places, whole or not at all."""

import fcntl
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.inference.catalog import Clip, Input, ModelCard, ModelError
from appliance.inference.store import Store, digest
from tests.unprivileged import as_nobody


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, clip: Clip, content: bytes) -> Path:
    path = store.path(clip)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_models_and_clips_have_their_folders(store: Store, tiny_film: Callable[..., Clip]) -> None:
    card = ModelCard(
        name="mine",
        url="http://example.com/x",
        sha256="0" * 64,
        family="ssd",
        input=Input(size=(3, 3)),
        labels=("person",),
    )
    assert store.path(card) == store.root / "models" / "mine.onnx"
    assert store.path(tiny_film()) == store.root / "clips" / "film.avi"


def test_a_file_that_is_whole_is_given(store: Store, tiny_film: Callable[..., Clip]) -> None:
    clip = tiny_film(content=b"abc")
    path = put(store, clip, b"abc")
    assert store.verified(clip) == path


def test_what_is_not_fetched_is_answered_with_the_command(
    store: Store, tiny_film: Callable[..., Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ModelError, match=f"run `appliance models pull film --state-dir {store.root}`"
    ):
        store.verified(tiny_film())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"run `appliance models pull film`$"):
        Store(Path(".appliance")).verified(tiny_film())


def test_a_damaged_file_is_refused(store: Store, tiny_film: Callable[..., Clip]) -> None:
    clip = tiny_film(content=b"abc")
    put(store, clip, b"abd")
    assert store.has(clip)
    assert not store.is_whole(clip)
    with pytest.raises(ModelError, match="is damaged"):
        store.verified(clip)


def test_a_users_own_file_that_is_missing_is_named(store: Store, tmp_path: Path) -> None:
    clip = Clip(name="mine", file=tmp_path / "gone.avi", file_name="gone.avi")
    with pytest.raises(ModelError, match=r"there is no file .*gone\.avi"):
        store.verified(clip)


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # From inside, since the folders above it may be closed to others altogether.
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    (tmp_path / "mine.avi").touch(mode=0)
    clip = Clip(name="mine", file=Path("mine.avi"), file_name="mine.avi")
    with as_nobody(), pytest.raises(ModelError) as caught:
        Store(tmp_path).verified(clip)
    assert str(caught.value) == "mine: the file mine.avi cannot be read: Permission denied"


def test_a_file_in_a_folder_that_may_not_be_looked_into_is_not_there(
    tmp_path: Path, tiny_film: Callable[..., Clip]
) -> None:
    clip, closed = tiny_film(), Store(tmp_path / "closed")
    closed.path(clip).parent.mkdir(parents=True)
    closed.path(clip).touch()
    closed.root.chmod(0)
    with as_nobody():
        there = closed.has(clip)
    closed.root.chmod(0o700)
    assert closed.has(clip)
    assert not there


def test_a_workplace_is_empty_and_gone_afterwards(
    store: Store, tiny_film: Callable[..., Clip]
) -> None:
    clip = tiny_film()
    left_behind = store.root / ".fetch-film" / "half"
    left_behind.mkdir(parents=True)

    def work() -> None:
        with store.workplace(clip) as folder:
            assert list(folder.iterdir()) == []
            (folder / "something").write_text("x")
            raise ValueError("it went wrong")

    with pytest.raises(ValueError, match="it went wrong"):
        work()
    assert list(store.root.iterdir()) == []


def test_what_is_kept_lies_in_its_place(store: Store, tiny_film: Callable[..., Clip]) -> None:
    clip = tiny_film()
    store.root.mkdir()
    with store.workplace(clip) as folder:
        (folder / "made").write_bytes(b"abc")
        kept = store.keep(clip, folder / "made")
    assert kept == store.path(clip)
    assert kept.read_bytes() == b"abc"


def test_a_lock_keeps_others_out_and_is_given_back(
    store: Store, tiny_film: Callable[..., Clip]
) -> None:
    def take_at_once() -> None:
        with (store.root / ".lock-film").open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    with store.locked(tiny_film(), waiting=pytest.fail), pytest.raises(BlockingIOError):
        take_at_once()
    take_at_once()


def test_a_digest_is_the_sha256_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert digest(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()
