"""How problems are said: place, excerpt, caret, order, and what was probably meant."""

import pytest

from appliance.engine.errors import (
    DefinitionError,
    InputError,
    Mark,
    Problem,
    StepError,
    WorkflowError,
    nearest,
    suggestion,
)


def test_a_problem_shows_its_place_its_line_and_a_caret() -> None:
    problem = Problem(Mark("w.yaml", 14, 5, "    lines: 3"), "steps.gate", "this is wrong")
    assert str(problem) == (
        "w.yaml:14:5: steps.gate: this is wrong\n    14 |     lines: 3\n       |     ^"
    )


def test_a_problem_without_a_line_to_show_is_one_sentence() -> None:
    assert str(Problem(Mark("w.yaml", 1, 1), "", "the file is empty")) == (
        "w.yaml:1:1: the file is empty"
    )


def test_a_note_says_that_it_is_one() -> None:
    problem = Problem(Mark("w.yaml", 2, 1), "steps.a", "worth knowing", "note")
    assert str(problem) == "w.yaml:2:1: note: steps.a: worth knowing"


def test_a_warning_says_that_it_is_one() -> None:
    problem = Problem(Mark("w.yaml", 1, 2), "steps.a", "nobody takes its outputs", "warning")
    assert str(problem) == "w.yaml:1:2: warning: steps.a: nobody takes its outputs"


def test_the_caret_stands_under_its_character_behind_tabs_and_at_the_end_of_a_cut_line() -> None:
    assert str(Problem(Mark("w", 1, 3, "\t\tx"), "", "what")).splitlines()[2] == "       | \t\t^"
    assert str(Problem(Mark("w", 1, 900, "abc"), "", "what")).splitlines()[2] == "       |    ^"


def test_problems_are_told_in_the_order_of_the_file() -> None:
    marks = [Mark("b", 9, 1), Mark("a", 5, 1), Mark("b", 2, 7), Mark("b", 2, 3)]
    error = DefinitionError(Problem(mark, "", str(i)) for i, mark in enumerate(marks))
    assert str(error) == "b:2:3: 3\nb:2:7: 2\nb:9:1: 0\na:5:1: 1"
    assert [problem.what for problem in error.problems] == ["3", "2", "0", "1"]


def test_a_step_error_names_step_camera_and_frame() -> None:
    error = StepError("gate", "north", 7, ValueError("it is broken"))
    assert str(error) == "step gate, camera north, frame 7: ValueError: it is broken"
    assert error.step == "gate"


@pytest.mark.parametrize("kind", [DefinitionError, InputError, StepError])
def test_all_errors_of_the_engine_have_one_root(kind: type[Exception]) -> None:
    assert issubclass(kind, WorkflowError)


@pytest.mark.parametrize(
    ("word", "known", "text"),
    [
        ("detektions", ["detections", "image"], " (did you mean 'detections'?)"),
        ("zzz", ["image"], " (there is image)"),
        ("zzz", ["image", "detections"], " (one of detections or image)"),
        ("zzz", ["b", "c", "a"], " (one of a, b or c)"),
        ("zzz", [], ""),
        ("zzz", [f"name{i}" for i in range(13)], ""),
    ],
)
def test_a_word_is_suggested_or_all_if_they_are_few(word: str, known: list[str], text: str) -> None:
    assert suggestion(word, known) == text


def test_the_nearest_word_is_none_where_none_is_near() -> None:
    assert nearest("zone", {"zones", "line"}) == "zones"
    assert nearest("zone", {"camera"}) is None


def test_where_no_word_is_known_that_is_said() -> None:
    assert suggestion("zone", [], " (there is none)") == " (there is none)"
    assert suggestion("zone", [f"n{i}" for i in range(13)], " (there is none)") == ""


def test_among_many_names_one_that_begins_or_ends_like_the_word_is_found() -> None:
    names = [f"{n:05}_gate_{n:05}" for n in range(0, 100_000, 7)]
    assert nearest("00700_gate_0700", names) == "00700_gate_00700"
    assert nearest("0700_gate_00700", names) == "00700_gate_00700"
    assert nearest("zebra", names) is None
