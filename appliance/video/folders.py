"""The pictures in a folder: those that are there, and those that come."""

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from appliance.clock import Clock
from appliance.video.errors import unusable_file
from appliance.video.pictures import is_picture

LOOK_S = 0.25
"""How often a watched folder is looked at."""

# A large folder that does not say that it has changed is listed less often: it takes long.
LARGE = 1000
RELIST_S = 10.0

Stamp = tuple[int, int]
"""Size in bytes, and time of modification in ns."""


def natural_order(name: str) -> tuple[list[str | int], str]:
    """A key by which img2 comes before img10: runs of digits count as numbers."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if at % 2 else part for at, part in enumerate(parts)], name


def pictures_in(folder: Path) -> list[str]:
    """The names of the pictures in a folder, not in folders below it, in natural order.

    Raises:
        VideoError: it cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if is_picture(entry.name) and entry.is_file()]
    except OSError as error:
        raise unusable_file(folder, error) from None
    return sorted(names, key=natural_order)


class WatchedFolder:
    """Gives each picture of a folder once: those that are there, then those that come.

    A picture is complete, and given, when its size and its time of modification were the same at
    two looks. One that is renamed into the folder is so at the second. `taken` has the names that
    were given and are still there: a name that goes and comes again is a new picture.
    """

    def __init__(
        self, folder: Path, clock: Clock, stop: threading.Event, taken: set[str] | None = None
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._stop = stop
        self._taken = set() if taken is None else taken
        self._pending: dict[str, Stamp] = {}
        self._changed_ns = -1
        self._listed_s = clock.monotonic()

    def names(self) -> Iterator[str]:
        """Names as they are complete, those of one look in natural order, until the stop.

        Raises:
            VideoError: the folder is gone, or cannot be listed any more.
        """
        while not self._stop.is_set():
            for name in self.look():
                self._taken.add(name)
                yield name
                if self._stop.is_set():
                    return
            self._clock.wait(self._stop, LOOK_S)

    def look(self) -> list[str]:
        """Look once: the names that are complete and not yet given, in natural order."""
        try:
            if self._may_rest():
                return []
            found = self._untaken()
        except OSError as error:
            raise unusable_file(self._folder, error) from None
        ready = [name for name, stamp in found.items() if self._pending.get(name) == stamp]
        for name in ready:
            del found[name]
        self._pending = found
        return sorted(ready, key=natural_order)

    def _may_rest(self) -> bool:
        """Whether a large folder need not be listed now: nothing is awaited, and nothing changed.

        Some file systems are late to say that a folder has changed, so it is listed all the same
        from time to time.
        """
        now = self._clock.monotonic()
        changed_ns = self._folder.stat().st_mtime_ns
        rests = changed_ns == self._changed_ns and now - self._listed_s < RELIST_S
        if rests and not self._pending and len(self._taken) > LARGE:
            return True
        self._changed_ns, self._listed_s = changed_ns, now
        return False

    def _untaken(self) -> dict[str, Stamp]:
        found: dict[str, Stamp] = {}
        there: set[str] = set()
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name in self._taken:
                    there.add(entry.name)
                    continue
                if not is_picture(entry.name):
                    continue
                stamp = _stamp(entry)
                if stamp is not None:
                    found[entry.name] = stamp
        self._taken &= there
        return found


def _stamp(entry: "os.DirEntry[str]") -> Stamp | None:
    """None for what is no file, or is gone."""
    try:
        if not entry.is_file():
            return None
        found = entry.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
