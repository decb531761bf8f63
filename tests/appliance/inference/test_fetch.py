"""Pulling models and clips: whole or not at all, once."""

import contextlib
import hashlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.inference.catalog import Clip, ModelCard, ModelError, load_catalog
from appliance.inference.fetch import demo_clips, listing, pull, pull_demo_clip
from appliance.inference.packages import FetchError
from appliance.inference.store import Store

ROOT = Path(__file__).parents[3]
FILM = b"not really a film"
# A process that pulls one clip, and prints each word of it as it comes.
PULL = """
import sys
from pathlib import Path
from appliance.inference.catalog import Clip
from appliance.inference.fetch import pull
from appliance.inference.store import Store

def say(text: str) -> None:
    print(text, flush=True)

pull(Clip.model_validate_json(sys.argv[1]), Store(Path(sys.argv[2])), say)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def files_of(store: Store) -> list[str]:
    """All that is kept, but for the locks."""
    found = (path for path in store.root.rglob("*") if path.is_file())
    return sorted(path.name for path in found if not path.name.startswith(".lock"))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server's address; it serves `film.avi`."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "film.avi").write_bytes(FILM)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]  # as given

        def log_message(self, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("pip_folder")
def test_what_is_pulled_is_there_and_said(store: Store, tiny_film: Callable[..., Clip]) -> None:
    said: list[str] = []
    path = pull(tiny_film(), store, said.append)
    assert path.read_bytes() == FILM
    assert said == [
        "film: downloading tiny-film 1.0 with pip (0.1 MB)",
        f"film: ready, {path}",
    ]
    assert files_of(store) == ["film.avi"]


@pytest.mark.usefixtures("pip_folder")
def test_a_store_with_a_relative_path_is_filled_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_film: Callable[..., Clip]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = pull(tiny_film(), Store(Path("store")), lambda _: None)
    assert path == Path("store/clips/film.avi")
    assert (tmp_path / path).is_file()


@pytest.mark.usefixtures("no_network")
def test_what_is_there_already_is_not_fetched_again(
    store: Store, tiny_film: Callable[..., Clip]
) -> None:
    clip = tiny_film()
    store.path(clip).parent.mkdir(parents=True)
    store.path(clip).write_bytes(FILM)
    said: list[str] = []
    assert pull(clip, store, said.append) == store.path(clip)
    assert said == [f"film: is there already, {store.path(clip)}"]


@pytest.mark.usefixtures("pip_folder")
def test_another_file_than_expected_is_refused_and_nothing_is_kept(
    store: Store, tiny_film: Callable[..., Clip]
) -> None:
    with pytest.raises(FetchError, match=r"^film: what was fetched is not the expected file"):
        pull(tiny_film(content=b"another"), store, print)
    assert files_of(store) == []


@pytest.mark.usefixtures("pip_folder")
def test_a_damaged_file_is_fetched_again(store: Store, tiny_film: Callable[..., Clip]) -> None:
    clip = tiny_film()
    store.path(clip).parent.mkdir(parents=True)
    store.path(clip).write_bytes(b"half of i")
    said: list[str] = []
    assert pull(clip, store, said.append).read_bytes() == FILM
    assert said[0] == "film: the file that is there is damaged, so it is fetched again"


@pytest.mark.usefixtures("no_network")
def test_without_a_network_nothing_is_kept(store: Store, tiny_film: Callable[..., Clip]) -> None:
    with pytest.raises(FetchError, match=r"^film: .*the network cannot be reached"):
        pull(tiny_film(), store, print)
    assert files_of(store) == []


@pytest.mark.usefixtures("pip_folder")
def test_a_store_that_cannot_be_written_is_named(
    tmp_path: Path, tiny_film: Callable[..., Clip]
) -> None:
    (tmp_path / "store").write_text("a file where a folder should be")
    with pytest.raises(FetchError, match=r"film: cannot write to .*store"):
        pull(tiny_film(), Store(tmp_path / "store"), print)


@pytest.mark.usefixtures("pip_folder")
def test_two_processes_fetch_it_once(store: Store, tiny_film: Callable[..., Clip]) -> None:
    clip = tiny_film()
    command = [sys.executable, "-c", PULL, clip.model_dump_json(), str(store.root)]
    with store.locked(clip, waiting=pytest.fail):
        pulling = [
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in "ab"
        ]
        for process in pulling:
            assert process.stdout is not None
            assert "waiting for another process" in process.stdout.readline()
    said = [process.communicate(timeout=60)[0] for process in pulling]
    assert [process.returncode for process in pulling] == [0, 0]
    assert sum("downloading" in text for text in said) == 1
    assert sum("is there already" in text for text in said) == 1
    assert files_of(store) == ["film.avi"]


def test_a_file_is_fetched_from_an_address(
    store: Store, tiny_film: Callable[..., Clip], web: str
) -> None:
    clip = tiny_film().model_copy(update={"package": None, "url": f"{web}/film.avi"})
    said: list[str] = []
    assert pull(clip, store, said.append).read_bytes() == FILM
    assert said[0] == f"film: downloading {web}/film.avi (0.0 MB)"


def test_a_process_killed_in_the_middle_leaves_nothing_half_and_the_next_goes_on(
    store: Store, tiny_film: Callable[..., Clip]
) -> None:
    content, asked = bytes(range(256)) * 4096, []
    go_on = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Range"))
            begin = int((asked[-1] or "bytes=0-")[6:-1])
            self.send_response(206 if begin else 200)
            self.send_header("Content-Range", f"bytes {begin}-/{len(content)}")
            self.send_header("Content-Length", str(len(content) - begin))
            self.send_header("ETag", '"one"')
            self.end_headers()
            half = len(content) // 2
            with contextlib.suppress(OSError):
                self.wfile.write(content[begin : begin or half])
                if not begin:
                    go_on.wait(60)
                self.wfile.write(content[begin or half :])

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/film.avi"
        clip = tiny_film(content=content).model_copy(update={"package": None, "url": url})
        command = [sys.executable, "-c", PULL, clip.model_dump_json(), str(store.root)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert "downloading" in child.stdout.readline()
            wait_for(lambda: any(path.stat().st_size > 0 for path in parts(store)))
            child.kill()
        go_on.set()
        assert not store.has(clip)
        fetched = sum(path.stat().st_size for path in parts(store))
        said: list[str] = []
        assert pull(clip, store, said.append).read_bytes() == content
        server.shutdown()
        thread.join()
    assert asked == [None, f"bytes={fetched}-"]
    assert said[0].startswith(f"film: going on with {url}")
    assert files_of(store) == ["film.avi"]


def parts(store: Store) -> list[Path]:
    """What is there of downloads that are not whole yet."""
    found = store.partial.iterdir() if store.partial.is_dir() else ()
    return [path for path in found if path.suffix != ".json"]


def wait_for(condition: Callable[[], bool]) -> None:
    """Look again and again, for a minute at most."""
    look = threading.Event()
    for _ in range(6000):
        if condition():
            return
        look.wait(0.01)
    raise AssertionError("it did not come true")


def test_what_broke_off_and_was_damaged_meanwhile_is_thrown_away(
    store: Store, tiny_film: Callable[..., Clip], web: str
) -> None:
    url = f"{web}/film.avi"
    clip = tiny_film().model_copy(update={"package": None, "url": url})
    part = store.partial / hashlib.sha256(url.encode()).hexdigest()[:20]
    store.partial.mkdir(parents=True)
    # All of it is there, it seems: this server knows no parts, and sends the whole.
    part.write_bytes(b"x" * len(FILM))
    assert pull(clip, store, print).read_bytes() == FILM
    wrong = clip.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(FetchError, match="is not the expected file"):
        pull(wrong, store, print)
    assert parts(store) == []


def test_a_model_of_the_store_alone_is_not_fetched(store: Store) -> None:
    card = ModelCard(name="mine", sha256="0" * 64)
    with pytest.raises(ModelError, match="`appliance models add FILE --name mine"):
        pull(card, store, print)


def test_a_users_own_file_is_not_fetched(store: Store, tmp_path: Path) -> None:
    clip = Clip(name="mine", file=tmp_path / "mine.avi", file_name="mine.avi")
    with pytest.raises(ModelError, match="there is no file"):
        pull(clip, store, print)
    (tmp_path / "mine.avi").write_bytes(FILM)
    assert pull(clip, store, print) == tmp_path / "mine.avi"


def test_a_listing_tells_what_is_fetched(store: Store) -> None:
    catalog = load_catalog()
    path = store.path(catalog["bikes"])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    found = {entry.name: fetched for entry, fetched in listing(catalog.values(), store)}
    assert found == {"people-ssdlite": False, "vtest": False, "bikes": True}


def test_where_apt_is_missing_the_demo_takes_the_clip_from_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [clip.name for clip in demo_clips(load_catalog())] == ["bikes"]


@pytest.mark.usefixtures("pip_folder")
def test_a_demo_clip_that_cannot_be_had_gives_way_to_the_next(
    store: Store, tiny_film: Callable[..., Clip]
) -> None:
    catalog = {
        "vtest": tiny_film(member="gone.avi"),
        "bikes": tiny_film().model_copy(update={"name": "bikes"}),
    }
    said: list[str] = []
    assert pull_demo_clip(catalog, store, said.append).read_bytes() == FILM
    assert any("has no usable file" in text for text in said)
    assert pull_demo_clip(catalog, store, pytest.fail) == store.path(catalog["bikes"])


@pytest.mark.usefixtures("no_network")
def test_no_demo_clip_at_all_is_the_last_ones_sentence(
    store: Store, tiny_film: Callable[..., Clip]
) -> None:
    with pytest.raises(FetchError, match=r"film: .*network cannot be reached"):
        pull_demo_clip({"bikes": tiny_film()}, store, print)
    with pytest.raises(FetchError, match="no clip that this machine could fetch"):
        pull_demo_clip({}, store, print)
