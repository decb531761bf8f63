"""The files of models and clips on this machine: where they lie, and that they are whole.

Below the root, models lie under their checksums, so that a name may come to mean another file while
the old one is in use:

    models/sha256/DIGEST   models; the same file is there once, whatever it is called
    models/names/NAME.yaml cards of what `appliance models add` put in
    clips/FILE             clips, named as players of videos want it
    facts/ probes/         what a model says of itself, and which provider runs it
    prepared/ quantized/   copies of models that are loaded in their place; which has one in int8
    banks/                 the good pictures that a model for anomalies was fitted to
    partial/               downloads that broke off, to be gone on with

and, beginning with a dot, locks and what is only there while something is fetched.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.inference.catalog import Clip, Entry, ModelError
from appliance.inference.front import copies


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that was read through, and its sha256."""

    path: Path
    sha256: str


class Store:
    """The folder that fetched files are kept in. Processes may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def probes(self) -> Path:
        """The folder of what is known about providers."""
        return self.root / "probes"

    @property
    def facts(self) -> Path:
        """The folder of what models say of themselves."""
        return self.root / "facts"

    @property
    def names(self) -> Path:
        """The folder of the cards of models that were added."""
        return self.root / "models" / "names"

    @property
    def quantized(self) -> Path:
        """The folder of which int8 copy is of which model."""
        return self.root / "quantized"

    @property
    def prepared(self) -> Path:
        """The folder of copies that are loaded in the place of models."""
        return self.root / "prepared"

    @property
    def banks(self) -> Path:
        """The folder of what models were fitted to, by their names."""
        return self.root / "banks"

    @property
    def partial(self) -> Path:
        """The folder of downloads that broke off."""
        return self.root / "partial"

    @property
    def option(self) -> str:
        """What a command must be told so that it uses this folder."""
        here = self.root.absolute() == Path(".appliance").absolute()
        return "" if here else f" --state-dir {self.root}"

    def model_path(self, sha256: str) -> Path:
        """Where a model with this checksum lies, or would."""
        return self.root / "models" / "sha256" / sha256

    def path(self, entry: Entry) -> Path:
        """Where the file of an entry lies, or would.

        Raises:
            ModelError: it has none: it is a model on a server.
        """
        if entry.file is not None:
            return entry.file
        if entry.sha256 is None:
            raise ModelError(f"{entry.name} runs on a server, and has no file here")
        if isinstance(entry, Clip):
            return self.root / "clips" / entry.file_name
        return self.model_path(entry.sha256)

    def has(self, entry: Entry) -> bool:
        """Whether the file is there; it is not read."""
        return self._found(entry) is not None

    def is_whole(self, entry: Entry) -> bool:
        """Whether the file is there and, read through, has its checksum."""
        try:
            self.whole(entry)
        except ModelError:
            return False
        return True

    def verified(self, entry: Entry) -> Path:
        """The file, checked. Raises as `whole` does."""
        return self.whole(entry).path

    def whole(self, entry: Entry) -> Kept:
        """The file, read through and checked, with its checksum.

        Raises:
            ModelError: it is not fetched, not to be read, or damaged.
        """
        path = self._found(entry)
        if path is None:
            raise ModelError(self._missing(entry, self.path(entry)))
        try:
            found = digest(path)
        except OSError as error:
            raise ModelError(
                f"{entry.name}: the file {path} cannot be read: {error.strerror}"
            ) from None
        if entry.sha256 not in (None, found):
            raise ModelError(
                f"{entry.name}: the file {path} is damaged or another one "
                f"(its checksum is not the expected): {self._mend(entry)}"
            )
        return Kept(self._moved(entry, path), found)

    def _missing(self, entry: Entry, path: Path) -> str:
        if entry.file is not None:
            return f"{entry.name}: there is no file {path}"
        what = f"{entry.name} is not on this machine"
        if entry.url or entry.package:
            return f"{what} yet: run `appliance models pull {entry.name}{self.option}`"
        return f"{what}: {self._mend(entry)}"

    def _mend(self, entry: Entry) -> str:
        if entry.file is not None:
            return "mend its sha256, or put the right file there"
        if entry.url or entry.package:
            return f"run `appliance models pull {entry.name}{self.option}`"
        return f"run `appliance models add FILE --name {entry.name}{self.option}`"

    def _found(self, entry: Entry) -> Path | None:
        """Where the file is, if it is there."""
        places = [self.path(entry)]
        if entry.file is None and not isinstance(entry, Clip):
            # Earlier versions named models so.
            places.append(self.root / "models" / f"{entry.name}.onnx")
        with suppress(PermissionError):
            return next((place for place in places if place.is_file()), None)
        return None

    def _moved(self, entry: Entry, path: Path) -> Path:
        """A file that is whole, now in its place; where it is, if nothing can be written."""
        target = self.path(entry)
        if path == target:
            return path
        try:
            return self._placed(path, target)
        except OSError:
            return path

    @contextmanager
    def locked(self, entry: Entry, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the entry against other processes; `waiting` is called if one has it now."""
        with self.locked_as(_key(entry), waiting):
            yield

    @contextmanager
    def locked_as(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """The same of what is fetched under a key."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f".lock-{key}").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def workplace(self, entry: Entry) -> Iterator[Path]:
        """An empty folder on the store's file system, gone afterwards. Only under the lock."""
        with self.workplace_as(_key(entry)) as folder:
            yield folder

    @contextmanager
    def workplace_as(self, key: str) -> Iterator[Path]:
        """The same for what is fetched under a key."""
        # Absolute: programs are run in it, and told of files in it.
        folder = (self.root / f".fetch-{key}").absolute()
        # One that a killed process left behind is in the way.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def tidy(self) -> None:
        """Take away what killed processes have left; what another one is at stays."""
        for folder in self.root.glob(".fetch-*"):
            key = folder.name.removeprefix(".fetch-")
            with suppress(OSError), (self.root / f".lock-{key}").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)

    def keep(self, entry: Entry, file: Path) -> Path:
        """Move a checked file from the workplace to its place, so that it is there whole or not."""
        return self._placed(file, self.path(entry))

    def keep_model(self, file: Path, sha256: str) -> Path:
        """Move a model of this checksum, on the store's file system, to its place. As `keep`."""
        return self._placed(file, self.model_path(sha256))

    def remove(self, entry: Entry, others: Collection[str | None] = ()) -> bool:
        """Take the file of an entry away, with all that was made of it; whether it was there.

        `others` are checksums of files that stay.

        Raises:
            OSError: it cannot be removed.
        """
        path = self._found(entry)
        if path is None or entry.file is not None:
            return False
        path.unlink()
        sync(path.parent)
        if entry.sha256 is not None:
            self._remove_int8(self.quantized / f"{entry.sha256}.json", others)
            self._remove_made(entry.sha256)
            (self.banks / f"{entry.name}.npz").unlink(missing_ok=True)
        return True

    def _remove_int8(self, record: Path, others: Collection[str | None]) -> None:
        """Take an int8 copy away, with the record of it and what was made of it."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            sha256 = str(json.loads(record.read_bytes())["sha256"])
            if sha256 not in others:
                self.model_path(sha256).unlink(missing_ok=True)
                self._remove_made(sha256)
        record.unlink(missing_ok=True)

    def _remove_made(self, sha256: str) -> None:
        """Take away what is known of a model and what was made of it, to be loaded faster."""
        (self.facts / f"{sha256}.json").unlink(missing_ok=True)
        for copy in copies(sha256, self.prepared):
            copy.unlink(missing_ok=True)
        for verdict in self.probes.glob("*.json"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                if json.loads(verdict.read_bytes())["model"] == sha256:
                    verdict.unlink(missing_ok=True)

    def _placed(self, file: Path, target: Path) -> Path:
        _made(target.parent)
        sync(file)
        file.replace(target)
        sync(target.parent)
        return target

    def written(self, target: Path, text: str) -> None:
        """Write a small file of the store, so that it is there whole or as it was."""
        _made(target.parent)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        unfinished.write_text(text, "utf-8")
        self._placed(unfinished, target)


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file, or the list of files of a folder, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _key(entry: Entry) -> str:
    # Two names of one file are one download.
    return (entry.sha256 or entry.name)[:20]


def _made(folder: Path) -> None:
    """Make a folder, and all above it, that are still there after a power cut."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync(each.parent)
