"""The account of where a site's processor time goes."""

import threading
from collections import Counter
from collections.abc import Callable
from importlib import import_module

from benchmarks.video_parts import LANES, PARTS, Account, lines, measured


def burn() -> int:
    return sum(range(200_000))


def on_thread(name: str, call: Callable[[], object]) -> None:
    thread = threading.Thread(target=call, name=name)
    thread.start()
    thread.join()


def test_a_part_does_not_hold_what_a_part_within_it_holds() -> None:
    account = Account()
    inner = account.around("inner", burn)
    on_thread("lane:count:gate", account.around("outer", inner))
    assert account.spent["inner"] > 1_000_000
    assert account.spent["outer"] < account.spent["inner"] / 2


def test_only_threads_of_lanes_are_noted() -> None:
    account = Account()
    on_thread("camera:gate", account.around("decoding", burn))
    assert account.spent == Counter()


def test_all_parts_are_there_and_are_themselves_again_afterwards() -> None:
    def found() -> list[object]:
        return [getattr(getattr(import_module(m), owner), name) for m, owner, name, _ in PARTS]

    before = found()
    with measured(Account()):
        inside = found()
    assert all(one is not other for one, other in zip(before, inside, strict=True))
    assert found() == before


def test_the_table_says_what_is_left_of_the_lanes() -> None:
    spent = Counter({LANES: 900_000_000, "outbox": 10_000_000})
    table = list(lines(spent, Counter({"decoding": 600_000_000}), results=100, wall_s=1.0))
    assert table == [
        "100.0 results/s; processor time in ms, each second and for each result",
        "   900.0    9.00  lanes",
        "       600.0    6.00    decoding",
        "       300.0    3.00    everything else",
        "    10.0    0.10  outbox",
    ]
