"""Secrets, included files and variables, as they lie on a disk; and files that cannot be read."""

import os
from pathlib import Path

import pytest

from appliance.sources import FileSources, SettingsError, read_text
from tests.unprivileged import as_nobody


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the settings, and below it a folder with a workflow; the first is the cwd."""
    (tmp_path / "box" / "workflows" / "parts").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "box")
    return tmp_path / "box"


FIRST = Path("workflows/gate.yaml")


def sources(settings_dir: Path | None = None, **environment: str) -> FileSources:
    return FileSources(FIRST, settings_dir, environment)


def no_secret(name: str, given: FileSources) -> str:
    with pytest.raises(LookupError) as caught:
        given.secret(name)
    return str(caught.value.args[0])


def no_file(name: str, beside: str = "workflows/gate.yaml") -> str:
    with pytest.raises(LookupError) as caught:
        sources().file(name, beside)
    return str(caught.value.args[0])


# Secrets.


def test_a_secret_stands_beside_the_file_or_beside_the_settings(box: Path) -> None:
    (box / "workflows/secrets.yaml").write_text("pin: '0123'\n")
    (box / "secrets.yaml").write_text("pin: other\nword: x\n")
    assert sources(box).secret("pin") == "0123"
    assert sources(box).secret("word") == "x"
    assert "there is no secret 'word' in workflows/secrets.yaml" in no_secret("word", sources())


def test_a_credential_of_systemd_goes_before_all_files(box: Path, tmp_path: Path) -> None:
    (box / "workflows/secrets.yaml").write_text("pin: x\nword: y\n")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "pin").write_text("a\nb\r\n")
    given = sources(CREDENTIALS_DIRECTORY=str(tmp_path / "credentials"))
    assert (given.secret("pin"), given.secret("word")) == ("a\nb", "y")


def test_a_secret_that_is_nowhere_is_refused_with_what_to_write(box: Path) -> None:
    assert no_secret("pin", sources(box)) == (
        "there is no secret 'pin': write it into workflows/secrets.yaml, as pin: TEXT"
    )
    (box / "secrets.yaml").write_text("pin: hunter2\n")
    (box / "workflows/secrets.yaml").write_text("word: hunter2\n")
    assert no_secret("pni", sources(box)) == (
        f"there is no secret 'pni' in workflows/secrets.yaml or {box}/secrets.yaml "
        "(did you mean 'pin'?)"
    )


def test_the_same_folder_is_looked_into_once(box: Path) -> None:
    (box / "workflows/secrets.yaml").write_text("word: x\n")
    assert no_secret("pin", sources(box / "workflows")) == (
        "there is no secret 'pin' in workflows/secrets.yaml (there is word)"
    )


@pytest.mark.parametrize("name", ["../pin", "/etc/passwd", "a b", "", ".", "..", "a\0", "a\n"])
def test_a_name_that_is_a_path_is_no_name(box: Path, name: str) -> None:
    (box.parent / "pin").write_text("x")
    given = sources(CREDENTIALS_DIRECTORY=str(box))
    assert no_secret(name, given) == (
        f"{name!r} is no name of a secret: a letter or digit, then also '_', '.' and '-'"
    )


def test_secrets_that_cannot_be_read_are_refused_without_showing_them(box: Path) -> None:
    (box / "workflows/secrets.yaml").write_text("pin: [hunter2]\n")
    assert no_secret("pin", sources()) == (
        "workflows/secrets.yaml:1:6: a secret is a text: write it in quotes"
    )
    (box / "workflows/secrets.yaml").write_bytes(b"pin: hunter2\xff\n")
    assert no_secret("pin", sources()) == (
        "workflows/secrets.yaml: this is no secrets file: it is not text in UTF-8"
    )


def test_secrets_that_may_not_be_read_are_refused(box: Path) -> None:
    (box / "workflows/secrets.yaml").write_text("pin: x\n")
    (box / "workflows/secrets.yaml").chmod(0)
    with as_nobody():
        said = no_secret("pin", sources())
    assert said == "workflows/secrets.yaml: cannot be read: Permission denied"


def test_secrets_are_read_once(box: Path) -> None:
    (box / "workflows/secrets.yaml").write_text("pin: x\n")
    given = sources()
    assert given.secret("pin") == "x"
    (box / "workflows/secrets.yaml").unlink()
    (box / "workflows/secrets.yaml").write_text("pin: y\n")
    assert (given.secret("pin"), sources().secret("pin")) == ("x", "y")


# Variables.


def test_a_variable_is_that_of_the_environment_that_is_given() -> None:
    assert sources(HOST="broker").variable("HOST") == "broker"
    assert sources().variable("HOST") is None


def test_a_variable_that_is_no_text_is_refused() -> None:
    given = sources(HOST=os.fsdecode(b"broker\xff"))
    with pytest.raises(LookupError, match="the environment variable HOST is not text in UTF-8"):
        given.variable("HOST")


# Included files.


def test_a_file_is_found_from_the_one_that_includes_it(box: Path) -> None:
    (box / "workflows/parts/a.yaml").write_text("a")
    (box / "workflows/b.yaml").write_text("b")
    assert sources().file("parts/a.yaml", "workflows/gate.yaml") == (
        "a",
        "workflows/parts/a.yaml",
    )
    # As long as it stays below the first file, it may be above the one that includes it.
    assert sources().file("../b.yaml", "workflows/parts/a.yaml") == ("b", "workflows/b.yaml")


def test_a_file_outside_of_the_folder_is_refused(box: Path) -> None:
    (box / "secret.txt").write_text("hunter2")
    outside = "it is not in the folder workflows or below"
    assert no_file("../secret.txt") == f"'../secret.txt' cannot be included: {outside}"
    assert no_file("../../secret.txt", "workflows/parts/a.yaml").endswith(outside)
    (box / "workflows/link.yaml").symlink_to("../secret.txt")
    assert no_file("link.yaml") == f"'link.yaml' cannot be included: {outside}"
    (box / "workflows/up").symlink_to("..")
    assert no_file("up/secret.txt").endswith(outside)


def test_a_link_that_stays_inside_is_followed(box: Path) -> None:
    (box / "workflows/parts/a.yaml").write_text("a")
    (box / "workflows/link.yaml").symlink_to("parts/a.yaml")
    assert sources().file("link.yaml", str(FIRST)) == ("a", "workflows/parts/a.yaml")


@pytest.mark.parametrize("name", ["/etc/hostname", "http://host/a.yaml"])
def test_only_a_path_from_here_is_included(name: str) -> None:
    assert no_file(name) == (
        f"'{name}' cannot be included: name a file as seen from the folder of this one"
    )


def test_secrets_are_not_included(box: Path) -> None:
    (box / "workflows/secrets.yaml").write_text("pin: hunter2\n")
    (box / "workflows/link.yaml").symlink_to("secrets.yaml")
    for name in ("secrets.yaml", "link.yaml", "parts/../secrets.yaml"):
        assert no_file(name) == ("secrets are not included: write !secret name where one is needed")


def test_a_file_that_cannot_be_included_is_refused_in_a_sentence(box: Path) -> None:
    (box / "workflows/parts/area.yaml").write_text("a")
    assert no_file("parts/aera.yaml") == (
        "workflows/parts/aera.yaml: there is no such file to include (did you mean 'area.yaml'?)"
    )
    assert no_file("parts") == "workflows/parts: this is a folder, not a file to include"
    os.mkfifo(box / "workflows/pipe")
    assert no_file("pipe") == "'pipe' cannot be included: it is no regular file"
    (box / "workflows/loop").symlink_to("loop")
    assert no_file("loop").startswith("'loop' cannot be included: ")
    assert no_file("a\0b") == "'a\\x00b' cannot be included: no file can have this name"


# Any file that a user names.


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "appliance.yaml"
    path.write_text("version: 1")
    return path


def test_a_file_is_read_as_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ä\n", encoding="utf-8")
    assert read_text(tmp_path / "a.txt", "text") == "ä\n"


def test_a_video_named_by_mistake_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    with path.open("wb") as clip:
        clip.truncate(500_000_000_000)  # without a block on the disk
    with pytest.raises(SettingsError) as caught:
        read_text(path, "workflow file")
    assert str(caught.value) == f"{path}: this is no workflow file: it is larger than 1 MB"


def test_a_path_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"'a\\x00b': cannot be read: embedded null byte"):
        read_text(Path("a\0b"), "workflow file")


def test_a_missing_file_with_nothing_like_it_beside_is_just_missing(file: Path) -> None:
    for path in (file.with_name("x"), file.parent / "no" / "folder.yaml"):
        with pytest.raises(SettingsError) as caught:
            read_text(path, "settings file")
        assert str(caught.value) == f"{path}: there is no such settings file"


def test_a_folder_is_no_file(file: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_text(file.parent, "settings file")
    assert str(caught.value) == f"{file.parent}: this is a folder, not a settings file"


def test_a_file_that_is_not_text_is_refused(file: Path) -> None:
    file.write_bytes(b"version: 1 \xff\xfe")
    with pytest.raises(SettingsError) as caught:
        read_text(file, "settings file")
    assert str(caught.value) == f"{file}: this is no settings file: it is not text in UTF-8"


def test_a_file_below_another_file_is_refused(file: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_text(file / "appliance.yaml", "settings file")
    assert str(caught.value) == f"{file}/appliance.yaml: cannot be read: Not a directory"


def test_a_file_that_may_not_be_read_is_refused(file: Path) -> None:
    file.chmod(0)
    with as_nobody(), pytest.raises(SettingsError) as caught:
        read_text(file, "settings file")
    assert str(caught.value) == f"{file}: cannot be read: Permission denied"
