"""A file of secrets is read exactly, and refused without a word of what stands in it."""

import pytest

from appliance.engine.secrets import read_secrets


def test_every_secret_is_the_text_as_it_is_written() -> None:
    text = "pin: 0123\nyes: true\nword: a b\nquoted: '${X}'\nplain: ${X:-y}\nlong: |\n  a\n  b\n"
    assert read_secrets(text, "secrets.yaml") == {
        "pin": "0123",
        "yes": "true",
        "word": "a b",
        "quoted": "${X}",
        "plain": "${X:-y}",
        "long": "a\nb\n",
    }


NOT_YAML = "this is not YAML: write NAME: TEXT on each line, and the text in quotes"
NO_TEXT = "a secret is a text: write it in quotes"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: *hunter2", f"secrets.yaml:1:4: {NOT_YAML}"),
        ("a: 'hunter2", f"secrets.yaml:1:4: {NOT_YAML}"),
        ("a: @hunter2", f"secrets.yaml:1:4: {NOT_YAML}"),
        ("", f"secrets.yaml:1:1: {NOT_YAML}"),
        ("a: !hunter2", f"secrets.yaml:1:4: {NO_TEXT}"),
        ("a: !secret hunter2", f"secrets.yaml:1:4: {NO_TEXT}"),
        ("a: [hunter2]", f"secrets.yaml:1:4: {NO_TEXT}"),
        ("b: 1\na: {hunter2: hunter2}", f"secrets.yaml:2:4: {NO_TEXT}"),
        ("a:", f"secrets.yaml:1:3: {NO_TEXT}"),
        ("hunter2", "secrets.yaml:1:1: write NAME: TEXT on each line"),
        ("- hunter2", "secrets.yaml:1:1: write NAME: TEXT on each line"),
        ("a: hunter2\na: hunter2", "secrets.yaml:2:1: this name stands there twice"),
        ("'': hunter2", "secrets.yaml:1:1: a secret has a name"),
        ("[hunter2]: hunter2", "secrets.yaml:1:1: a secret has a name"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place_alone(text: str, sentence: str) -> None:
    with pytest.raises(LookupError) as caught:
        read_secrets(text, "secrets.yaml")
    assert caught.value.args == (sentence,)
