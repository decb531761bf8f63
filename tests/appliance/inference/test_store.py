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


def card_of(content: bytes, **changes: object) -> ModelCard:
    sha256 = hashlib.sha256(content).hexdigest()
    return ModelCard.model_validate({"name": "mine", "sha256": sha256} | changes)


def test_a_model_lies_under_its_checksum_and_a_clip_under_its_name(
    store: Store, tiny_film: Callable[..., Clip]
) -> None:
    card = ModelCard(
        name="mine",
        url="http://example.com/x",
        sha256="0" * 64,
        family="ssd",
        input=Input(size=(3, 3)),
        labels=("person",),
    )
    assert store.path(card) == store.root / "models" / "sha256" / ("0" * 64)
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
    left_behind = store.root / f".fetch-{str(clip.sha256)[:20]}" / "half"
    left_behind.mkdir(parents=True)

    def work() -> None:
        with store.workplace(clip) as folder:
            assert list(folder.iterdir()) == []
            (folder / "something").write_text("x")
            raise ValueError("it went wrong")

    with pytest.raises(ValueError, match="it went wrong"):
        work()
    assert list(store.root.iterdir()) == []


def test_what_a_killed_process_left_is_taken_away_and_what_is_in_use_stays(store: Store) -> None:
    dead = store.root / ".fetch-dead"
    (dead / "download").mkdir(parents=True)
    with store.locked_as("busy", pytest.fail), store.workplace_as("busy") as busy:
        store.tidy()
        assert busy.is_dir()
    assert not dead.exists()


def test_what_is_kept_lies_in_its_place(store: Store, tiny_film: Callable[..., Clip]) -> None:
    clip = tiny_film()
    store.root.mkdir()
    with store.workplace(clip) as folder:
        (folder / "made").write_bytes(b"abc")
        kept = store.keep(clip, folder / "made")
    assert kept == store.path(clip)
    assert kept.read_bytes() == b"abc"


def test_two_names_of_one_file_have_it_once(store: Store) -> None:
    one, other = card_of(b"abc"), card_of(b"abc", name="other")
    (store.root / "new").parent.mkdir()
    (store.root / "new").write_bytes(b"abc")
    store.keep_model(store.root / "new", str(one.sha256))
    assert store.verified(one) == store.verified(other) == store.model_path(str(one.sha256))


def test_a_file_is_given_with_its_checksum(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"abc")
    own = ModelCard(name="mine", file=tmp_path / "mine.onnx")
    kept = store.whole(own)
    assert kept.path == tmp_path / "mine.onnx"
    assert kept.sha256 == card_of(b"abc").sha256


def test_a_model_of_an_earlier_version_is_found_and_moved_to_its_place(store: Store) -> None:
    card, older = card_of(b"abc", url="https://example.com/x"), store.root / "models" / "mine.onnx"
    older.parent.mkdir(parents=True)
    older.write_bytes(b"abc")
    assert store.has(card)
    assert store.verified(card) == store.path(card)
    assert not older.exists()
    assert store.verified(card).read_bytes() == b"abc"


def test_a_model_of_an_earlier_version_is_used_where_it_is_if_nothing_can_be_written(
    store: Store,
) -> None:
    older = store.root / "models" / "mine.onnx"
    older.parent.mkdir(parents=True)
    older.write_bytes(b"abc")
    # In place of the folder that it would be moved into.
    (store.root / "models" / "sha256").touch()
    assert store.verified(card_of(b"abc")) == older


def test_another_model_of_the_same_name_from_an_earlier_version_is_not_taken(store: Store) -> None:
    older = store.root / "models" / "mine.onnx"
    older.parent.mkdir(parents=True)
    older.write_bytes(b"another")
    with pytest.raises(ModelError, match=r"damaged or another one .*add FILE --name mine"):
        store.verified(card_of(b"abc"))


def test_a_model_that_was_added_and_is_gone_is_to_be_added_again(store: Store) -> None:
    with pytest.raises(ModelError) as caught:
        store.verified(card_of(b"abc"))
    assert str(caught.value) == (
        f"mine is not on this machine: run `appliance models add FILE --name mine --state-dir "
        f"{store.root}`"
    )


def test_a_model_on_a_server_has_no_file(store: Store) -> None:
    remote = {"url": "http://gpu-box:8000", "model": "people"}
    card = ModelCard.model_validate({"name": "far", "backend": "oip", "remote": remote})
    with pytest.raises(ModelError, match="far runs on a server, and has no file here"):
        store.verified(card)


def with_all_that_is_made(store: Store) -> tuple[ModelCard, ModelCard]:
    """A model of the store and its int8 copy, with all that is made of both."""
    card, copy = card_of(b"abc"), card_of(b"int8")
    for each, content in ((card, b"abc"), (copy, b"int8")):
        store.root.mkdir(exist_ok=True)
        (store.root / "new").write_bytes(content)
        store.keep_model(store.root / "new", str(each.sha256))
        store.written(store.facts / f"{each.sha256}.json", "{}")
        store.written(store.probes / f"{content.hex()}.json", f'{{"model": "{each.sha256}"}}')
        store.written(store.prepared / f"{str(each.sha256)[:20]}-0123456789ab.onnx", "copy")
    store.written(store.quantized / f"{card.sha256}.json", f'{{"sha256": "{copy.sha256}"}}')
    store.written(store.banks / f"{card.name}.npz", "good pictures")
    return card, copy


def files(store: Store) -> set[Path]:
    return {path for path in store.root.rglob("*") if path.is_file()}


def test_a_model_is_removed_with_all_that_is_known_and_was_made_of_it(store: Store) -> None:
    card, _ = with_all_that_is_made(store)
    assert store.remove(card)
    assert not store.remove(card)
    assert files(store) == set()


def test_what_was_made_of_other_models_stays(store: Store) -> None:
    others = (
        store.facts / f"{'0' * 64}.json",
        store.prepared / f"{'0' * 20}-0123456789ab.onnx",
        store.banks / "other.npz",
        store.probes / "batch-0123.json",
        store.probes / "broken.json",
    )
    for path in others:
        store.written(path, "[]")
    card, _ = with_all_that_is_made(store)
    assert store.remove(card)
    assert files(store) == set(others)


def test_an_int8_copy_that_is_a_model_of_its_own_stays(store: Store) -> None:
    card, copy = with_all_that_is_made(store)
    assert store.remove(card, {copy.sha256, None})
    assert {path.parent.name for path in files(store)} == {"sha256", "facts", "probes", "prepared"}
    assert store.has(copy)


def test_a_users_own_file_is_never_removed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").touch()
    assert not store.remove(ModelCard(name="mine", file=tmp_path / "mine.onnx"))
    assert (tmp_path / "mine.onnx").exists()


def test_a_small_file_is_written_whole_in_a_folder_that_is_made_for_it(store: Store) -> None:
    target = store.names / "mine.yaml"
    store.written(target, "name: mine\n")
    store.written(target, "name: yours\n")
    assert target.read_text() == "name: yours\n"
    assert list(target.parent.iterdir()) == [target]


def test_a_lock_keeps_others_out_and_is_given_back(
    store: Store, tiny_film: Callable[..., Clip]
) -> None:
    def take_at_once() -> None:
        with (store.root / f".lock-{str(tiny_film().sha256)[:20]}").open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    with store.locked(tiny_film(), waiting=pytest.fail), pytest.raises(BlockingIOError):
        take_at_once()
    take_at_once()


def test_a_digest_is_the_sha256_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert digest(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()
