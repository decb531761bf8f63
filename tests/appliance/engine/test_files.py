"""Workflow files that run as steps: each read once, and what it looks like from outside."""

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from appliance.engine.errors import DefinitionError
from appliance.engine.plan import Plan, load_plan
from appliance.engine.run import Run
from appliance.engine.testing import frame
from blocks.block import BlockType

Planner = Callable[..., Plan]
Starter = Callable[..., Run]
Refusal = Callable[..., str]
Around = Callable[[str], str]
Blocks = Mapping[str, BlockType]


class CountedFiles:
    """Sources that count how often they are asked for a file, and name it as seen from there."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = {name: dedent(text).lstrip("\n") for name, text in files.items()}
        self.asked = 0

    def secret(self, name: str) -> str:
        raise LookupError(name)

    def variable(self, name: str) -> str | None:
        return None

    def file(self, name: str, beside: str) -> tuple[str, str]:
        self.asked += 1
        shown = str(Path(beside).parent / name)
        return self._files[shown], shown


def workflow(name: str, lines: list[str], rest: str = "") -> str:
    return "\n".join(["version: 1", f"name: {name}", "steps:", *lines, rest, ""])


def uses(count: int, file: str) -> list[str]:
    return [f"- {{name: s{i}, type: workflow, workflow: {file}}}" for i in range(count)]


def test_a_file_is_read_once_however_often_it_runs(blocks: Blocks) -> None:
    sources = CountedFiles({"a.yaml": workflow("a", ["- {name: a, type: constant@1}"])})
    plan = load_plan(workflow("w", uses(50, "a.yaml")), "w.yaml", blocks, sources)
    assert len(plan.steps) == 100
    assert [document.path for document in plan.documents] == ["w.yaml", "a.yaml"]
    assert sources.asked == 1


def test_a_thousand_uses_of_a_file_of_a_thousand_steps_are_refused_in_one_sentence(
    blocks: Blocks,
) -> None:
    lines = [f"- {{name: a{i}, type: constant@1, value: nope}}" for i in range(1_000)]
    sources = CountedFiles({"a.yaml": workflow("a", lines)})
    right = CountedFiles({"a.yaml": workflow("a", [line.replace("nope", "1") for line in lines])})
    with pytest.raises(DefinitionError) as caught:
        load_plan(workflow("w", uses(1_000, "a.yaml")), "w.yaml", blocks, right)
    (problem,) = caught.value.problems
    assert problem.what == "with all that run in it this workflow has more than 2,000 steps"
    with pytest.raises(DefinitionError):
        load_plan(workflow("w", uses(1_000, "a.yaml")), "w.yaml", blocks, sources)
    assert (sources.asked, right.asked) == (1, 1)


def test_a_file_is_found_from_the_one_that_names_it(blocks: Blocks) -> None:
    files = {
        "one/a.yaml": workflow("a", uses(1, "b.yaml")),
        "two/a.yaml": workflow("a", uses(1, "b.yaml")),
        "one/b.yaml": workflow("b", ["- {name: first, type: constant@1}"]),
        "two/b.yaml": workflow("b", ["- {name: second, type: constant@1}"]),
    }
    lines = [
        "- {name: x, type: workflow, workflow: one/a.yaml}",
        "- {name: y, type: workflow, workflow: two/a.yaml}",
    ]
    plan = load_plan(workflow("w", lines), "w.yaml", blocks, CountedFiles(files))
    named = {step.name for step in plan.steps if not step.enters}
    assert named == {"x/s0/first", "y/s0/second"}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("workflow: gone.yaml", "w.yaml:4:39: steps.s.workflow: there is no file 'gone.yaml'"),
        ("workflow: 5", "w.yaml:4:29: steps.s.workflow: this must be the name of a workflow file"),
        ("workflow: ''", "this must be the name of a workflow file"),
        ("n: 1", "steps.s.workflow: the key 'workflow' is missing: it names the file that runs"),
        ("workflow: w.yaml", "this workflow runs itself: w.yaml → w.yaml"),
        ("workflow: a.yaml", "this workflow runs itself: a.yaml → b.yaml → a.yaml"),
        ("workflow: d0.yaml", "workflows run in each other more than 8 deep"),
    ],
)
def test_a_file_that_cannot_be_had_is_told(
    line: str, sentence: str, refusal: Refusal, steps: Around
) -> None:
    main = steps(f"- {{name: s, type: workflow, {line}}}")
    files = {f"d{i}.yaml": workflow("d", uses(1, f"d{i + 1}.yaml")) for i in range(10)}
    files |= {"w.yaml": main, "a.yaml": workflow("a", uses(1, "b.yaml"))}
    files |= {"b.yaml": workflow("b", uses(1, "a.yaml"))}
    assert sentence in refusal(main, files)


TYPED = {
    "inner.yaml": """
        version: 1
        name: inner
        inputs: {n: {type: number}}
        steps:
        - {name: a, type: count@1}
        - {name: l, type: look@1}
        outputs:
          text: $steps.a.text
          number: "= steps.a.total * 2"
          input: $inputs.n
          row: {n: $steps.a.total}
          found: $steps.l.detections
    """,
    "outer.yaml": """
        version: 1
        name: outer
        steps:
        - {name: i, type: workflow, workflow: inner.yaml, n: 1}
        outputs:
          text: $steps.i.text
          number: $steps.i.number
          more: "= steps.i.number + 1.0"
          input: $steps.i.input
          row: $steps.i.row
          found: $steps.i.found
    """,
}


@pytest.mark.parametrize("file", ["inner.yaml, n: 1", "outer.yaml"])
@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("steps.s.text > 3", "steps.it.when: "),
        ("steps.s.number == 'x'", "steps.it.when: "),
        ("steps.s.input.size() > 1", "steps.it.when: "),
        (
            "steps.s.found.exists(d, d.lable == 'x')",
            "detections have no field 'lable' (did you mean 'label'?)",
        ),
        ("steps.s.number", "steps.it.when: "),
    ],
)
def test_a_condition_on_what_a_file_gives_is_checked_by_its_type(
    file: str, condition: str, sentence: str, refusal: Refusal, steps: Around
) -> None:
    text = steps(f"""
        - {{name: s, type: workflow, workflow: {file}}}
        - {{name: it, type: constant@1, when: "{condition}"}}
    """)
    told = refusal(text, TYPED)
    assert told.count("w.yaml:") == 1
    assert sentence in told


@pytest.mark.parametrize("file", ["inner.yaml, n: 1", "outer.yaml"])
def test_what_a_file_gives_may_be_asked_for_as_what_it_is(
    file: str, start: Starter, steps: Around
) -> None:
    text = steps(f"""
        - {{name: s, type: workflow, workflow: {file}}}
        - name: it
          type: constant@1
          when: "steps.s.text.size() > 3 && steps.s.number == 2.0 && steps.s.input > 0 &&
            steps.s.row.n > 0 && steps.s.found.exists(d, d.direction == 'in')"
        outputs: {{it: $steps.it.value}}
    """)
    assert start(text, TYPED).turn(frame()).outputs == {"it": 1.0}


def test_an_expression_of_two_levels_up_is_of_its_own_type(
    refusal: Refusal, plan: Planner, steps: Around
) -> None:
    lines = "- {name: s, type: workflow, workflow: outer.yaml}\n"
    assert plan(steps(lines + "outputs: {m: $steps.s.number}"), TYPED).output_types == {"m": float}
    wrong = steps(lines + "- {name: f, type: find@1, model: people, image: $steps.s.more}")
    assert "'image' takes an image, but $steps.s.more is a number" in refusal(wrong, TYPED)


def test_the_type_of_what_cannot_be_known_is_open(refusal: Refusal, steps: Around) -> None:
    files = {
        "s.yaml": """
        version: 1
        name: s
        steps:
        - {name: lost, type: nothing_like_it@1}
        - {name: gone, type: workflow, workflow: gone.yaml}
        - {name: none, type: workflow, workflow: none.yaml}
        outputs: {a: $steps.lost.a, b: "= steps.lost.b + 1", c: "= 1 +", d: 5, e: $steps.gone.e}
        """,
        "none.yaml": "a: [1\nb: 2\n",
    }
    text = steps("""
        - {name: s, type: workflow, workflow: s.yaml}
        - {name: it, type: constant@1, when: steps.s.a > 1 && steps.s.b > 1 && steps.s.c > 1}
        - {name: d, type: constant@1, when: steps.s.d > 1 && steps.s.e > 1}
    """)
    told = refusal(text, files)
    assert "w.yaml:" not in told.replace("beside w.yaml", "")
    assert "steps.lost.type: unknown block" in told
    assert "outputs.c: this is no expression" in told
    assert told.count("none.yaml:") == 1


@pytest.mark.parametrize(
    ("default", "sentence"),
    [
        ("text", "this must be a number, as the input's type says, not 'text'"),
        ("[1]", "this must be a number, as the input's type says, not a list"),
    ],
)
def test_the_default_of_an_input_of_a_file_is_checked(
    default: str, sentence: str, refusal: Refusal, steps: Around
) -> None:
    sub = f"""
        version: 1
        name: s
        inputs: {{n: {{type: number, default: {default}}}}}
        steps: [{{name: a, type: add@1, a: $inputs.n}}]
    """
    text = steps("""
        - {name: s, type: workflow, workflow: s.yaml}
        - {name: t, type: workflow, workflow: s.yaml, n: 1}
    """)
    told = refusal(text, {"s.yaml": sub})
    assert told.count(".yaml:") == 1
    assert sentence in told
