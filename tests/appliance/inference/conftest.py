"""Small packages made on the spot, and a frame with known people."""

import hashlib
import socket
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from appliance.inference.catalog import Clip, Package, load_catalog
from appliance.inference.store import Store
from blocks.data import Image

CONTENT = b"not really a film"
FRAME_WITH_THREE = 400


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def pip_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all pip knows, with the package `tiny-film` in it."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_film-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_film/film.avi", CONTENT)
        metadata = "Metadata-Version: 2.1\nName: tiny-film\nVersion: 1.0\n"
        wheel.writestr("tiny_film-1.0.dist-info/METADATA", metadata)
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr("tiny_film-1.0.dist-info/WHEEL", tag)
        wheel.writestr("tiny_film-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def onnx_file(tmp_path: Path) -> Callable[..., Path]:
    """Makes models that pass on their first input, written byte by byte: `onnx` is not there.

    `element` is a number of TensorProto.DataType; 1 is float32.
    """

    def make(element: int = 1, inputs: Sequence[str] = ("image",)) -> Path:
        axes = b"".join(message(1, bytes([8]) + varint(size)) for size in (1, 3, 300, 300))
        tensor = message(1, bytes([8, element]) + message(2, axes))

        def described(field: int, name: str) -> bytes:
            return message(field, message(1, name.encode()) + message(2, tensor))

        node = message(1, inputs[0].encode()) + message(2, b"same") + message(4, b"Identity")
        graph = message(1, node) + message(2, b"tiny") + described(12, "same")
        graph += b"".join(described(11, name) for name in inputs)
        path = tmp_path / "tiny.onnx"
        # Version 8 of the format, version 13 of the operators.
        path.write_bytes(bytes([8, 8]) + message(7, graph) + message(8, bytes([16, 13])))
        return path

    return make


def message(field: int, content: bytes) -> bytes:
    """A field of protobuf's wire format whose content is bytes."""
    return bytes([field << 3 | 2]) + varint(len(content)) + content


def varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80, number >> 7]) if number > 0x7F else bytes([number])


@pytest.fixture
def tiny_film() -> Callable[..., Clip]:
    """Makes clips that come from the package `tiny-film`."""

    def make(
        member: str = "tiny_film/film.avi", content: bytes = CONTENT, source: str = "pip"
    ) -> Clip:
        package = Package.model_validate(
            {
                "source": source,
                "name": "tiny-film",
                "version": "1.0",
                "member": member,
                "sha256": sha256(content),
                "download_mb": 0.1,
            }
        )
        return Clip(name="film", file_name="film.avi", package=package, sha256=sha256(content))

    return make


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[int]:
    """pip and apt are sent to a port of this machine where nobody listens: its number."""
    with socket.socket() as taken:
        # Bound but not listening: connections are refused, and nobody else gets the port.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_FIND_LINKS", "")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
        sources = tmp_path / "no-network.list"
        sources.write_text(f"deb http://127.0.0.1:{port}/debian stable main\n")
        use_apt_sources(sources, tmp_path, monkeypatch)
        yield port


def use_apt_sources(sources: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let apt know these sources only, with package lists that were never fetched."""
    lists = folder / "apt-lists"
    (lists / "partial").mkdir(parents=True)
    config = folder / "apt.conf"
    config.write_text(
        f'Dir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "-";\n'
        f'Dir::State::lists "{lists}";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))


@pytest.fixture
def apt_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Lets apt know one file of sources only, with package lists that were never fetched."""
    return lambda sources: use_apt_sources(sources, tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def campus(demo_store: Store) -> Image:
    """A frame of the clip `vtest` in which three people walk, far from each other."""
    clip = demo_store.path(load_catalog()["vtest"])
    if not clip.is_file():
        pytest.skip("the clip vtest comes from Debian's packages, which this machine has not")
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == FRAME_WITH_THREE:
                return Image.from_bgr(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8))
    raise AssertionError("the clip is too short")
