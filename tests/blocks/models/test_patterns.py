"""Regular expressions: those that are taken are fast, whatever they search."""

import re
import time

import pytest

from blocks.models.patterns import LONGEST_LINE, bounded

TAKEN = [
    "[A-Z]{1,3}[- ]?[A-Z]{1,2} ?[0-9]{1,4}",
    r"\d+\.\d+",
    r"^(EXP|BB)[: ]*(\d{2}/\d{2}/\d{4})$",
    "(?i)lot ?([a-z0-9]{4,12})",
    "(?:[0-9A-F]{2}:){5}[0-9A-F]{2}",
    "(?<=SN )[0-9]{8}(?![0-9])",
    ".*ready.*",
    "(a)?(?(1)b|c)",
]
REFUSED = [
    "(a+)+$",
    "(a|aa)+$",
    "(a?){50}a{50}",
    "(?:a*)*b",
    "((a{1,3}){1,9}){1,9}b",
    "a*a*a*a*b",
    "(?=(a+)+$)a",
    "(?>(a+)+$)",
    "(((){200}){200}){200}",
    "(?:a{1000000}){1000000}",
]


@pytest.mark.parametrize("pattern", TAKEN)
def test_an_expression_with_few_choices_is_taken_as_it_is(pattern: str) -> None:
    assert bounded(pattern) == pattern


@pytest.mark.parametrize("pattern", REFUSED)
def test_an_expression_that_may_take_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="could take too long: give repeats an upper end"):
        bounded(pattern)


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a{5,2}", "(?<=a+)b"])
def test_what_is_no_expression_is_told_so(pattern: str) -> None:
    with pytest.raises(ValueError, match="this is no regular expression"):
        bounded(pattern)


@pytest.mark.parametrize("pattern", [*TAKEN, "a*a*b", "a{1,36}a{1,36}a{1,36}b"])
def test_whatever_is_taken_is_searched_in_less_than_a_second(pattern: str) -> None:
    found = re.compile(bounded(pattern))
    began_s = time.thread_time()
    for letter in "aA0 .":
        found.search(letter * LONGEST_LINE)
    assert time.thread_time() - began_s < 1.0
