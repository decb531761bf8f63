"""What is taken of a folder, when, and how often."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.testing import ManualClock
from appliance.video.errors import VideoError
from appliance.video.folders import (
    LARGE,
    LOOK_S,
    RELIST_S,
    WatchedFolder,
    natural_order,
    pictures_in,
)


def put(folder: Path, *names: str, content: str = "x") -> None:
    for name in names:
        (folder / name).write_text(content)


def watched(folder: Path, taken: set[str] | None = None) -> WatchedFolder:
    return WatchedFolder(folder, ManualClock(), threading.Event(), taken)


def take(watching: WatchedFolder, looks: int) -> list[list[str]]:
    """What each of so many looks gives; as `names` does, it is taken at once."""
    found = []
    for _ in range(looks):
        found.append(watching.look())
        watching._taken.update(found[-1])
    return found


def test_numbers_in_names_are_ordered_as_numbers() -> None:
    names = ["img10.jpg", "img2.jpg", "Img1.jpg", "a.jpg", "img2b.jpg", "img02.jpg", "9.jpg"]
    assert sorted(names, key=natural_order) == [
        "9.jpg",
        "a.jpg",
        "Img1.jpg",
        "img02.jpg",
        "img2.jpg",
        "img2b.jpg",
        "img10.jpg",
    ]


@given(st.lists(st.text(max_size=8), max_size=8))
def test_any_names_have_one_order(names: list[str]) -> None:
    ordered = sorted(names, key=natural_order)
    names.reverse()
    assert sorted(names, key=natural_order) == ordered


def test_only_visible_pictures_in_the_folder_itself_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "b10.png", "b9.png", ".c.png", "d.png.part", "e.txt")
    (tmp_path / "f.png").mkdir()
    (tmp_path / "g").mkdir()
    put(tmp_path / "g", "h.png")
    (tmp_path / "z.png").symlink_to(tmp_path / "b9.png")
    assert pictures_in(tmp_path) == ["b9.png", "b10.png", "z.png"]


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="gone: there is no such file"):
        pictures_in(tmp_path / "gone")


def test_what_is_there_is_given_at_the_second_look_in_natural_order(tmp_path: Path) -> None:
    put(tmp_path, "img10.png", "img2.png", ".x.png", "y.tmp", "z.png.part")
    assert take(watched(tmp_path), 3) == [[], ["img2.png", "img10.png"], []]


def test_a_file_that_grows_waits_until_it_has_been_the_same_twice(tmp_path: Path) -> None:
    watching = watched(tmp_path)
    found = []
    for length in (1, 2, 3, 3, 3):
        put(tmp_path, "a.png", content="x" * length)
        os.utime(tmp_path / "a.png", ns=(0, 10**9 * length))
        found += take(watching, 1)
    assert found == [[], [], [], ["a.png"], []]


def test_a_file_that_is_rewritten_in_the_same_size_waits_too(tmp_path: Path) -> None:
    watching = watched(tmp_path)
    put(tmp_path, "a.png")
    found = []
    for second in (1, 2, 2):
        os.utime(tmp_path / "a.png", ns=(0, 10**9 * second))
        found += take(watching, 1)
    assert found == [[], [], ["a.png"]]


def test_a_file_renamed_into_place_is_given_once_under_its_new_name(tmp_path: Path) -> None:
    watching = watched(tmp_path)
    put(tmp_path, "a.png.part")
    assert take(watching, 2) == [[], []]
    (tmp_path / "a.png.part").rename(tmp_path / "a.png")
    assert take(watching, 3) == [[], ["a.png"], []]


def test_a_file_that_vanishes_before_it_is_complete_is_forgotten(tmp_path: Path) -> None:
    watching = watched(tmp_path)
    put(tmp_path, "a.png", "b.png")
    take(watching, 1)
    (tmp_path / "a.png").unlink()
    assert take(watching, 2) == [["b.png"], []]


def test_a_link_that_leads_nowhere_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    put(tmp_path, "b.png")
    assert take(watched(tmp_path), 2) == [[], ["b.png"]]


def test_a_name_that_goes_and_comes_again_is_a_new_picture(tmp_path: Path) -> None:
    watching = watched(tmp_path)
    put(tmp_path, "a.png")
    assert take(watching, 2) == [[], ["a.png"]]
    (tmp_path / "a.png").unlink()
    take(watching, 1)
    put(tmp_path, "a.png")
    assert take(watching, 2) == [[], ["a.png"]]


def test_what_was_taken_before_is_not_taken_again(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png")
    taken = {"a.png", "gone.png"}
    assert take(watched(tmp_path, taken), 2) == [[], ["b.png"]]
    assert taken == {"a.png", "b.png"}


def test_thousands_that_come_while_it_looks_are_each_given_once(tmp_path: Path) -> None:
    watching = watched(tmp_path)
    given: list[str] = []
    for wave in range(6):
        put(tmp_path, *(f"p{wave}-{number}.png" for number in range(500)))
        given += [name for names in take(watching, 1) for name in names]
    given += [name for names in take(watching, 1) for name in names]
    assert given == [f"p{wave}-{number}.png" for wave in range(6) for number in range(500)]


def test_a_large_folder_that_is_not_said_to_change_is_listed_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, *(f"{number}.png" for number in range(LARGE + 1)))
    clock = ManualClock()
    watching = WatchedFolder(tmp_path, clock, threading.Event())
    take(watching, 3)
    os.utime(tmp_path, ns=(0, 0))
    assert take(watching, 1) == [[]]
    listings: list[Path] = []
    scandir = os.scandir

    def counted(path: Path) -> object:
        listings.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert take(watching, 5) == [[]] * 5
    assert listings == []
    clock.advance(RELIST_S)
    take(watching, 1)
    assert listings == [tmp_path]
    # As on a file system that does not tell: the new file is found at the next listing.
    put(tmp_path, "new.png")
    os.utime(tmp_path, ns=(0, 0))
    assert take(watching, 1) == [[]]
    clock.advance(RELIST_S)
    assert take(watching, 2) == [[], ["new.png"]]


def test_a_large_folder_that_says_that_it_has_changed_is_listed_at_once(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}.png" for number in range(LARGE + 1)))
    watching = watched(tmp_path)
    take(watching, 3)
    put(tmp_path, "new.png")
    os.utime(tmp_path, ns=(0, 7))
    assert take(watching, 2) == [[], ["new.png"]]


class StoppingClock(ManualClock):
    """Sets `stop` at the wait of that number."""

    def __init__(self, at_wait: int) -> None:
        super().__init__()
        self._at_wait = at_wait

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        super().wait(stop, seconds)
        if len(self.waits) == self._at_wait:
            stop.set()
        return stop.is_set()


def test_names_come_until_the_stop_which_ends_the_wait(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png")
    clock, stop = StoppingClock(4), threading.Event()
    assert list(WatchedFolder(tmp_path, clock, stop).names()) == ["a.png", "b.png"]
    assert clock.waits == [LOOK_S] * 4


def test_the_stop_ends_names_in_the_middle_of_many(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png", "c.png")
    stop = threading.Event()
    taken: set[str] = set()
    names = WatchedFolder(tmp_path, ManualClock(), stop, taken).names()
    assert next(names) == "a.png"
    stop.set()
    assert list(names) == []
    assert taken == {"a.png"}


def test_a_folder_that_goes_away_is_a_failure(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    watching = watched(folder)
    take(watching, 1)
    folder.rmdir()
    with pytest.raises(VideoError, match="in: there is no such file"):
        watching.look()
