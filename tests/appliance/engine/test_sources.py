"""Where there is nothing outside, each look-up says so; and a text from outside hides itself."""

import json

import pytest

from appliance.engine.sources import NOTHING_OUTSIDE, Verbatim


def test_nothing_outside_says_why() -> None:
    with pytest.raises(LookupError, match="the secret 'pin' is not known here"):
        NOTHING_OUTSIDE.secret("pin")
    with pytest.raises(LookupError, match="the environment variable HOST is not known here"):
        NOTHING_OUTSIDE.variable("HOST")
    with pytest.raises(LookupError, match="w stands in no folder that 'x' could be read from"):
        NOTHING_OUTSIDE.file("x", "w")


def test_a_text_from_outside_is_itself_but_where_it_is_shown() -> None:
    text = Verbatim("hunter2")
    assert (text, f"{text}", json.dumps(text)) == ("hunter2", "hunter2", '"hunter2"')
    assert repr([text]) == "['…']"
