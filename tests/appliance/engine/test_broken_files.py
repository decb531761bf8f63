"""Files that are broken by chance: a plan, or a refusal with places in the file, never else."""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import timedelta
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from appliance.engine.errors import MOST_PROBLEMS, DefinitionError, InputError
from appliance.engine.plan import load_plan
from appliance.engine.testing import FixedHost, frame
from blocks.block import Origin
from tests.appliance.engine.generated_workflows import BLOCKS, files_of, text_of, workflows

# Nothing of some kilobytes may keep a check busy for long; a machine may be slow.
BOUNDED = settings(
    deadline=timedelta(seconds=20),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

WHOLE = dedent("""
    version: 1
    name: whole
    description: "of all kinds: ${LIMIT:-3}"
    inputs:
      x: {type: number, default: 2}
      y: {type: any, default: [1, {a: b}]}
    steps:
    - &first
      name: s
      type: split@1
      value: $frame.sequence
    - name: d
      type: add@1
      a: $steps.s.values
      more: "= steps.s.total * inputs.x"
      when: index > 0 && present(steps.s) && item < 9
      on_error: skip
    - {name: t, type: sum@1, values: $steps.d.value, others: [1, $inputs.x]}
    - {name: w, type: workflow, workflow: sub.yaml, v: $steps.d.value, when: steps.t.value > 1}
    - {name: e, type: tell@1, data: {a: $steps.d.value, b: [{c: "= index"}], d: $$, e: "==x"}}
    - {name: c, type: shift@1, value: $steps.t.value, amount: $inputs.x}
    outputs:
      a: $steps.w.out
      b: {c: $frame.captured_at, d: "= steps.c.value / 2"}
    """).lstrip()
SUB = dedent("""
    version: 1
    name: sub
    inputs: {v: {type: number}}
    steps: [{name: p, type: picky@1, value: $inputs.v}]
    outputs: {out: $steps.p.value, half: "= steps.p.value / 2"}
    """).lstrip()
FILES = {"sub.yaml": SUB}


class Files:
    """The files that run in a workflow, one secret and one variable."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def secret(self, name: str) -> str:
        if name != "key":
            raise LookupError(f"there is no secret {name}")
        return "sesame"

    def variable(self, name: str) -> str | None:
        return "7" if name == "LIMIT" else None

    def file(self, name: str, beside: str) -> tuple[str, str]:
        if name not in self._texts:
            raise LookupError(f"there is no file {name}")
        return self._texts[name], name


def check(text: str, files: Mapping[str, str]) -> DefinitionError | None:
    """Check a file, and run it on a frame if it is right; its refusal, looked at, if it is not."""
    try:
        plan = load_plan(text, "main.yaml", BLOCKS, Files(files))
        run = plan.start({}, FixedHost(), Origin("", "yard", "gate", ""))
    except InputError:
        # An input that lost its default.
        return None
    except DefinitionError as error:
        look_at(error, {**files, "main.yaml": text})
        return error
    run.turn(frame(sequence=7))
    return None


def look_at(error: DefinitionError, files: Mapping[str, str]) -> None:
    """Whether all that is told has a place in one of the files."""
    lines = {name: _lines(text) for name, text in files.items()}
    assert error.problems
    for problem in error.problems:
        mark, own = problem.mark, lines[problem.mark.path]
        assert 1 <= mark.line <= len(own)
        assert 1 <= mark.column <= len(own[mark.line - 1]) + 1
        assert problem.what
        assert str(problem).startswith(f"{mark}: ")


def _lines(text: str) -> list[str]:
    """The lines of a text as YAML counts them: a byte order mark is none of them."""
    for end in ("\r\n", "\r", "\x85", "\u2028", "\u2029"):
        text = text.replace(end, "\n")
    return text.split("\n")


SCALARS: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, -1, 1e300, 10**400, "", " ", "a", "$", "$steps", "$steps.s", "$inputs",
     "$steps.s.values", "$steps.nope.value", "$inputs.x", "$inputs.nope", "$frame.sequence", "=",
     "= 1 +", "= steps.s.total", "= index", "= present(steps.s)", "==", "split@1", "split@9",
     "add", "workflow", "sub.yaml", "main.yaml", "item > 1", "present(", "${LIMIT}", "${NOPE}",
     "${NOPE:?say}", "\ud800", "\0", "é😀", [], {}, [[]], {"a": {"b": []}}, [None], "x" * 300]
).map(deepcopy)  # fmt: skip
KEYS = st.sampled_from(
    ["name", "type", "when", "on_error", "value", "a", "values", "steps", "inputs", "outputs",
     "version", "default", "workflow", "nme", "", "<<", "in", "5", "é", "a.b"]
)  # fmt: skip
PIECES = st.sampled_from(
    ["- ", ": ", "{", "}", "[", "]", ", ", "\n", "\n  ", "\t", "#", "&a ", "*a ", "*first",
     "!secret key", "!secret no", "!include sub.yaml", "!x ", "|", ">", "'", '"', "%", "@", "`",
     "---\n", "...", "?", "$", "${LIMIT}", "${", "=", "\u2028", "\ufeff", "\x00", "\r",
     "😀", "<<: *first"]
)  # fmt: skip


def _paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data if isinstance(data, list) else ())
    )
    return [found for key, one in inner for found in ((*path, key), *_paths(one, (*path, key)))]


def _mutated(data: Any, draw: st.DrawFn) -> None:
    """Break one thing in plain data."""
    paths = _paths(data)
    if not paths:
        return
    *above, key = draw(st.sampled_from(paths))
    place = data
    for part in above:
        place = place[part]
    match draw(st.sampled_from(["delete", "rename", "scalar", "swap", "twice"])):
        case "delete":
            del place[key]
        case "rename" if isinstance(place, dict):
            place[draw(KEYS)] = place.pop(key)
        case "twice" if isinstance(place, list):
            place.insert(key, json.loads(json.dumps(place[key])))
        case "swap":
            *other, last = draw(st.sampled_from(paths))
            found = data
            for part in other:
                found = found[part]
            place[key] = json.loads(json.dumps(found[last]))
        case _:
            place[key] = draw(SCALARS)


@st.composite
def broken_data(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A workflow with some things in it deleted, renamed, repeated, or put in place of others."""
    if draw(st.booleans()):
        text, files = WHOLE, FILES
    else:
        workflow = draw(workflows())
        text, files = text_of(workflow), files_of(workflow)
    broken = draw(st.sampled_from(["main.yaml", *files]))
    data = yaml.safe_load(text if broken == "main.yaml" else files[broken])
    for _ in range(draw(st.integers(1, 4))):
        _mutated(data, draw)
    written = json.dumps(data) if draw(st.booleans()) else yaml.safe_dump(data)
    return (written, files) if broken == "main.yaml" else (text, {**files, broken: written})


@st.composite
def broken_text(draw: st.DrawFn) -> str:
    """A text cut off, with lines repeated, taken out or exchanged, and signs put in."""
    text = WHOLE
    for _ in range(draw(st.integers(1, 4))):
        lines = text.splitlines(keepends=True) or [""]
        i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        at = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["cut", "repeat", "take", "exchange", "put", "indent"])):
            case "cut":
                text = text[:at]
            case "repeat":
                text = "".join([*lines[: i + 1], lines[j], *lines[i + 1 :]])
            case "take":
                text = "".join([*lines[:i], *lines[i + 1 :]])
            case "exchange":
                lines[i], lines[j] = lines[j], lines[i]
                text = "".join(lines)
            case "put":
                text = text[:at] + draw(PIECES) + text[at:]
            case _:
                lines[i] = draw(st.sampled_from([" ", "  ", "- "])) + lines[i]
                text = "".join(lines)
    return text


def test_the_whole_files_are_right_and_cover_the_language() -> None:
    assert check(WHOLE, FILES) is None


@BOUNDED
@given(broken_data())
def test_a_workflow_with_broken_parts_is_refused_with_places_or_runs(
    broken: tuple[str, dict[str, str]],
) -> None:
    check(*broken)


@BOUNDED
@given(broken_text())
def test_a_broken_text_is_refused_with_places_or_runs(text: str) -> None:
    check(text, FILES)


@BOUNDED
@given(st.binary(max_size=4000), st.sampled_from(["utf-8", "latin-1"]))
@example(b"\xef\xbb\xbfversion: 1", "utf-8")
@example(b"\x85\xa0", "latin-1")
def test_bytes_made_by_chance_are_refused_with_places(raw: bytes, encoding: str) -> None:
    assert check(raw.decode(encoding, "replace"), FILES) is not None


@BOUNDED
@given(st.lists(PIECES | KEYS | st.text(max_size=3), max_size=400).map("".join))
def test_signs_of_the_language_in_any_order_are_refused_with_places(text: str) -> None:
    # A file that is nothing but another one is as good as that.
    assert check(text, FILES) is not None or text.strip() == "!include sub.yaml"


@pytest.mark.long
@settings(BOUNDED, max_examples=2000)
@given(broken_data() | st.tuples(broken_text(), st.just(FILES)))
def test_many_broken_files_are_refused_with_places_or_run(
    broken: tuple[str, dict[str, str]],
) -> None:
    check(*broken)


def test_of_thousands_of_mistakes_only_the_first_are_told() -> None:
    steps = "".join(f"- {{name: s{i}, type: add@1, a: $steps.t{i}.value}}\n" for i in range(1000))
    error = check(f"version: 1\nname: w\nsteps:\n{steps}", {})
    assert error is not None
    assert len(error.problems) == MOST_PROBLEMS + 1
    assert error.problems[0].what == (
        f"of all that is wrong only the first {MOST_PROBLEMS} problems are told"
    )
