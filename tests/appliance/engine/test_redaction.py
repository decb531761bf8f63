"""Hidden values never stand in what is told, however they are written there."""

import json
import tracemalloc
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.engine.errors import Mark, Problem
from appliance.engine.redaction import SHORTEST, Redaction
from appliance.engine.validation import shown

# The ellipsis itself stands for what was left out.
SECRETS = st.text(
    st.characters(
        codec="utf-8", exclude_characters="…", exclude_categories=["Cs", "Cc", "Zs", "Lt"]
    )
    | st.sampled_from("\\\"'\nabAB%u"),
    min_size=SHORTEST,
    max_size=40,
).filter(lambda text: len(text.strip()) >= SHORTEST)
WRITTEN = [
    str,
    repr,
    json.dumps,
    quote,
    lambda text: repr(f"'\"{text}"),
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps(repr(text)),
    lambda text: f"{text[:1].lower()}{text[1:]}",
    lambda text: f"mqtt://user:{text}@host",
]


@given(SECRETS, st.sampled_from(WRITTEN))
@example("a\\\\b'\"\n\\nc", repr)
@example("a\\\nbc", repr)
@example("abab\U0001f600ab", json.dumps)
@example("aaaab", str)
@example("000\u0130", json.dumps)
def test_a_hidden_value_is_left_out_however_it_is_written(secret: str, write: object) -> None:
    assert callable(write)
    written = write(secret)
    told = Redaction({secret}).text(f"before{written}behind {written}")
    assert secret not in told
    assert secret.strip() not in told
    assert written not in told
    assert told.endswith(("behind …", "behind '…'", 'behind "…"')) or "…" in told


@given(SECRETS, st.text("abc'\\ "))
def test_a_text_without_the_value_stays_as_it_is(secret: str, text: str) -> None:
    if secret[0] not in "abcABC'\\":
        assert Redaction({secret}).text(text) == text


def test_what_is_cut_short_is_left_out_too() -> None:
    secret = "correct horse battery staple " * 5
    told = Redaction({secret}).text(f"not {shown(secret)}")
    assert told == "not '…...'"
    told = Redaction({secret}).text(
        f"not {shown(f'mqtt://a-name-that-is-rather-long-so:{secret}')}"
    )
    assert told == "not 'mqtt://a-name-that-is-rather-long-so:…...'"
    told = Redaction({secret}).text("the beginning: correct horse battery")
    assert told == "the beginning: …"


def test_a_word_that_only_begins_like_the_value_stays() -> None:
    assert Redaction({"workshop-pass"}).text("this workflow works") == "this workflow works"


def test_each_line_of_a_long_value_is_left_out() -> None:
    told = Redaction({"-----BEGIN\nMIIEvQ==\n  x\n"}).text("found 'MIIEvQ==' and x")
    assert told == "found '…' and x"


def test_of_two_values_the_longer_one_is_looked_for_first() -> None:
    assert Redaction({"pass", "password"}).text("a password passes") == "a … …es"


@pytest.mark.parametrize("hidden", [set(), {""}, {"abc"}, {"    "}])
def test_what_is_too_short_to_be_told_from_words_is_not_searched_for(hidden: set[str]) -> None:
    assert Redaction(hidden).text("an abc    of words") == "an abc    of words"


def test_a_problem_is_told_without_the_line_that_shows_the_value() -> None:
    redaction = Redaction({"hunter2"})
    shows = Problem(Mark("w", 1, 4, "a: hunter2"), "steps.hunter2", "not 'hunter2'", "note")
    assert redaction.problem(shows) == Problem(Mark("w", 1, 4), "steps.…", "not '…'", "note")
    harmless = Problem(Mark("w", 1, 4, "a: !secret pin"), "steps.gate", "wrong")
    assert redaction.problem(harmless) == harmless


def test_texts_without_end_take_no_room_without_end() -> None:
    redaction = Redaction({"hunter2"})
    tracemalloc.start()
    try:
        for number in range(20_000):
            assert redaction.text(f"frame {number}: not hunter2") == f"frame {number}: not …"
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1_000_000
