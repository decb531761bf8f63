"""The files of models and clips on this machine: where they lie, and that they are whole.

Below the root: `models/NAME.onnx`, `clips/FILE`, `probes/` (which provider runs which model), and,
beginning with a dot, locks and what is only there while something is fetched.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.inference.catalog import Clip, Entry, ModelError


class Store:
    """The folder that fetched files are kept in. Processes may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def probes(self) -> Path:
        """The folder of what is known about providers."""
        return self.root / "probes"

    @property
    def _option(self) -> str:
        """What a command must be told so that it uses this folder."""
        here = self.root.absolute() == Path(".appliance").absolute()
        return "" if here else f" --state-dir {self.root}"

    def path(self, entry: Entry) -> Path:
        """Where the file of an entry lies, or would."""
        if entry.file is not None:
            return entry.file
        if isinstance(entry, Clip):
            return self.root / "clips" / entry.file_name
        return self.root / "models" / f"{entry.name}.onnx"

    def has(self, entry: Entry) -> bool:
        """Whether the file is there; it is not read."""
        try:
            return self.path(entry).is_file()
        except PermissionError:
            return False

    def is_whole(self, entry: Entry) -> bool:
        """Whether the file is there and, read through, has its checksum."""
        try:
            self.verified(entry)
        except ModelError:
            return False
        return True

    def verified(self, entry: Entry) -> Path:
        """The file, checked.

        Raises:
            ModelError: it is not fetched, not to be read, or damaged.
        """
        path, pull = self.path(entry), f"`appliance models pull {entry.name}{self._option}`"
        if not self.has(entry):
            if entry.file is not None:
                raise ModelError(f"{entry.name}: there is no file {path}")
            raise ModelError(f"{entry.name} is not on this machine yet: run {pull}")
        try:
            found = digest(path)
        except OSError as error:
            raise ModelError(
                f"{entry.name}: the file {path} cannot be read: {error.strerror}"
            ) from None
        if entry.sha256 not in (None, found):
            mend = "mend its sha256, or put the right file there" if entry.file else f"run {pull}"
            raise ModelError(
                f"{entry.name}: the file {path} is damaged or another one "
                f"(its checksum is not the expected): {mend}"
            )
        return path

    @contextmanager
    def locked(self, entry: Entry, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the entry against other processes; `waiting` is called if one has it now."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f".lock-{entry.name}").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def workplace(self, entry: Entry) -> Iterator[Path]:
        """An empty folder on the store's file system, gone afterwards. Only under the lock."""
        # Absolute: programs are run in it, and told of files in it.
        folder = (self.root / f".fetch-{entry.name}").absolute()
        # One that a killed process left behind is in the way.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, entry: Entry, file: Path) -> Path:
        """Move a checked file from the workplace to its place, so that it is there whole or not."""
        target = self.path(entry)
        target.parent.mkdir(parents=True, exist_ok=True)
        _sync(file)
        file.replace(target)
        _sync(target.parent)
        return target


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
