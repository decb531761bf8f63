"""Files that a user named, and what they take from outside: secrets, other files, the environment.

Secrets come from systemd's credentials, or from a file `secrets.yaml`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from appliance.engine.errors import nearest, suggestion
from appliance.engine.secrets import read_secrets
from appliance.engine.syntax import LONGEST_TEXT

# A character of UTF-8 takes four bytes at most.
LARGEST_FILE = 4 * LONGEST_TEXT
SECRETS_FILE = "secrets.yaml"
# Set by systemd for a unit with LoadCredential= or SetCredential=.
CREDENTIALS = "CREDENTIALS_DIRECTORY"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class SettingsError(Exception):
    """Settings, or a file, that cannot be used; the message says which and why."""


class FileSources:
    """What one file may take from outside, and the files that it includes.

    `first` is that file; `settings_dir` the folder of the settings, whose secrets are for all. What
    was read once is kept: make another one to see changes.
    """

    def __init__(
        self, first: Path, settings_dir: Path | None, environment: Mapping[str, str]
    ) -> None:
        self._folder = first.parent
        self._settings_dir = settings_dir
        self._environment = environment
        self._secrets: dict[Path, dict[str, str]] = {}

    def variable(self, name: str) -> str | None:
        """The value of an environment variable, None if it is not set.

        Raises:
            LookupError: it is not text in UTF-8.
        """
        value = self._environment.get(name)
        # Python keeps bytes that are no text as halves of characters, which nothing can print.
        if value is not None and any("\ud800" <= character <= "\udfff" for character in value):
            raise LookupError(f"the environment variable {name} is not text in UTF-8")
        return value

    def secret(self, name: str) -> str:
        """The text of a secret.

        Raises:
            LookupError: there is none of that name, or its file cannot be read.
        """
        if not _NAME.fullmatch(name):
            what = f"{name!r} is no name of a secret: a letter or digit, then also '_', '.' and '-'"
            raise LookupError(what)
        credential = self._credential(name)
        if credential is not None:
            return credential
        files = list(self._secrets_files())
        for file in files:
            if name in self._secrets_of(file):
                return self._secrets_of(file)[name]
        if not files:
            place = self._folder / SECRETS_FILE
            raise LookupError(
                f"there is no secret '{name}': write it into {place}, as {name}: TEXT"
            )
        known = {name for file in files for name in self._secrets_of(file)}
        listed = " or ".join(map(str, files))
        raise LookupError(f"there is no secret '{name}' in {listed}{suggestion(name, known)}")

    def _credential(self, name: str) -> str | None:
        folder = self._environment.get(CREDENTIALS)
        if not folder or not _is_there(Path(folder) / name):
            return None
        # One line break at the end is the editor's.
        return re.sub(r"\r?\n\Z", "", _text(Path(folder) / name, "credential"))

    def _secrets_files(self) -> Iterator[Path]:
        folders = [self._folder]
        if self._settings_dir is not None and self._settings_dir.resolve() != folders[0].resolve():
            folders.append(self._settings_dir)
        return (folder / SECRETS_FILE for folder in folders if _is_there(folder / SECRETS_FILE))

    def _secrets_of(self, file: Path) -> dict[str, str]:
        if file not in self._secrets:
            self._secrets[file] = read_secrets(_text(file, "secrets file"), str(file))
        return self._secrets[file]

    def file(self, name: str, beside: str) -> tuple[str, str]:
        """The text of a file that is named in the file `beside`, and its path for messages.

        Links are followed, and what they lead to must lie in the folder of the first file or below.

        Raises:
            LookupError: it cannot be read, or must not be included.
        """
        if "\0" in name:
            raise LookupError(f"{name!r} cannot be included: no file can have this name")
        if Path(name).is_absolute() or "://" in name:
            what = f"'{name}' cannot be included: name a file as seen from the folder of this one"
            raise LookupError(what)
        try:
            path = (Path(beside).parent / name).resolve()
            below = path.relative_to(self._folder.resolve())
        except (OSError, RuntimeError) as error:
            raise LookupError(f"'{name}' cannot be included: {error}") from None
        except ValueError:
            what = f"'{name}' cannot be included: it is not in the folder {self._folder} or below"
            raise LookupError(what) from None
        if SECRETS_FILE in (path.name, Path(name).name):
            raise LookupError("secrets are not included: write !secret name where one is needed")
        if _is_there(path) and not (path.is_file() or path.is_dir()):
            # A pipe would be waited for.
            raise LookupError(f"'{name}' cannot be included: it is no regular file")
        shown = self._folder / below
        return _text(shown, "file to include"), str(shown)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _text(path: Path, kind: str) -> str:
    try:
        return read_text(path, kind)
    except SettingsError as error:
        raise LookupError(str(error)) from None


def read_text(path: Path, kind: str) -> str:
    """A small text file that a user named.

    Raises:
        SettingsError: it is not there, is a folder, may not be read, is large or not UTF-8 text.
    """
    try:
        with path.open("rb") as file:
            # No more than that: a video named by mistake may be larger than the memory.
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        near = nearest(path.name, _names_beside(path))
        hint = f" (did you mean '{near}'?)" if near else ""
        raise SettingsError(f"{path}: there is no such {kind}{hint}") from None
    except IsADirectoryError:
        raise SettingsError(f"{path}: this is a folder, not a {kind}") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        # A zero byte in the path.
        raise SettingsError(f"{str(path)!r}: cannot be read: {error}") from None
    if len(content) > LARGEST_FILE:
        megabytes = LARGEST_FILE // 1_000_000
        raise SettingsError(f"{path}: this is no {kind}: it is larger than {megabytes} MB")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: this is no {kind}: it is not text in UTF-8") from None


def _names_beside(path: Path) -> list[str]:
    try:
        return [other.name for other in path.parent.iterdir()]
    except OSError:
        return []
