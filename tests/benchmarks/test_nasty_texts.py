"""The files a check is measured with are the same each time, and no larger than asked."""

from benchmarks.nasty_texts import nasty_texts


def test_the_texts_are_the_same_each_time_and_larger_where_more_is_asked() -> None:
    first, second = nasty_texts(1, 4_000), nasty_texts(1, 4_000)
    assert first == second
    assert len(first) > 40
    larger = nasty_texts(1, 40_000)
    assert sum(len(larger[name]) > 5 * len(text) for name, text in first.items()) > 30
