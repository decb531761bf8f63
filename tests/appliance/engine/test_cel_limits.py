"""What could fill the memory or take for ever is refused before it runs."""

import subprocess
import sys

import pytest

from appliance.engine.cel_limits import check_values, growth
from appliance.engine.cel_text import ExpressionError, Written
from tests.appliance.engine.known_values import FOUND, LANGUAGE, refused, value

DEEP = "more than 4 of map(), filter(), exists() and the like are chained or nested"
LARGE = "what is put together in its loops (with +, or in lists) gets too large"
END = ": do it in several steps"
# Half of these took gigabytes, the others minutes.
CHILD = r'''
import resource
from appliance.engine.expressions import ExpressionError, Language

resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
language = Language({"inputs.a": str}, ())
language.condition("1 > 0")
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (200 << 20),) * 2)

def zeros(count):
    return "[" + ",".join("0" * count) + "]"

def text(count):
    return "'" + "a" * count + "'"

nested = f"size({zeros(99)}.map(a, {zeros(99)}.map(b, %s))) > 1"
texts = [
    f"size([{text(9000)}]{'.map(a,a+a)' * 24}[0]) > 1",
    f"size([{text(700)}]{'.map(a,a+a)' * 4}[0]) > 1",
    f"size([{zeros(1000)}]{'.map(a,a+a)' * 14}[0]) > 1",
    f"size([0]{('.map(a,[' + ','.join('a' * 100) + '])') * 4}) > 1",
    f"[{text(90)}].exists(a,[a+a+a+a].exists(b,[b+b+b+b].exists(c,size(c+c+c+c)>1)))",
    nested % f"{zeros(400)} + {zeros(400)}",
    nested % zeros(4000),
    nested % f"{text(3000)} + 'b'",
    nested % f"{text(2000)}.matches('{'(a?)' * 800}b')",
    f"size({zeros(2400)}.map(a, {zeros(2400)})) > 1",
]
texts += ['"' * 3 + '""" ' * 2490, "r" + "'" * 9990, "'" * 9999] * 80
texts += ["'" * 3 + "a " * 4990, '"""' + '\\"""' * 2000] * 20
texts += ["inputs.a" + ".size()" * 1400] * 10
for written in texts:
    try:
        language.condition(written)
    except ExpressionError:
        pass
print("done")
'''


def test_neither_memory_nor_time_can_be_used_up() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("['a'].map(a, a).map(a, a).map(a, a).map(a, a).map(a, a) == ['a']", DEEP, 1),
        ("true && ['a'].map(a, a+a+a+a+a+a+a+a).map(b, b+b+b+b+b+b+b+b+b) == []", LARGE, 9),
        (
            "[1].map(a, [a, a, a, a, a, a, a, a]).map(a, [a, a, a, a, a, a, a, a, a]) == []",
            LARGE,
            1,
        ),
        (
            f"['{'a' * 800}'].exists(a, a + a == a)",
            "with a loop that puts things together it has at most 800 characters",
            1,
        ),
        (
            f"['a'].exists(a, a == '{'a' * 1000}')",
            "in the brackets of exists() stand at most 1,000 characters",
            14,
        ),
        (
            f"[1].exists(a, a in [{','.join('1' * 102)}])",
            "lists in the brackets of exists() have at most 100 entries",
            12,
        ),
        (
            f"['{'a' * 400}'].exists(a, a.matches('b'))",
            "with a loop and matches() it has at most 400 characters",
            413,
        ),
    ],
)
def test_loops_that_make_too_much_are_refused(text: str, message: str, column: int) -> None:
    assert refused(text) == (message + END, column)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("steps.gate.total + 1 + 2 > 3", 1),
        ("steps.tracks.detections.filter(d, d.label in ['car', 'dog']).size() > 1", 1),
        ("steps.tracks.detections.map(d, d.label + '!')", 2),
        ("steps.tracks.detections.map(d, [d.label, d.confidence])", 2),
        ("steps.tracks.detections.map(d, d.confidence * inputs.bar)", 2),
        ("[1].map(a, [2].map(b, a + b))", 32),
        (" || ".join(["inputs.a.exists(x, x > 1)"] * 9), 1),
    ],
)
def test_what_it_makes_of_its_values_is_estimated(text: str, times: int) -> None:
    assert growth(Written(text)) == times


def test_very_many_values_are_not_put_together() -> None:
    text = "steps.crop.sizes.map(a, steps.crop.sizes)"
    assert value(text, steps__crop__sizes=[1, 2]) == [[1.0, 2.0], [1.0, 2.0]]
    with pytest.raises(ExpressionError, match="it puts together too much at once"):
        value(text, steps__crop__sizes=[1] * 3000)
    assert value("size(steps.crop.sizes.map(a, a))", steps__crop__sizes=[1] * 3000) == 3000
    with pytest.raises(ValueError, match="ask it of fewer values"):
        check_values({"inputs.site": {"a": ["x" * 90_000, FOUND, 1, None]}}, 16)
    check_values({"inputs.site": {"a": ["x" * 9_000, FOUND, 1, None]}}, 16)


def test_memory_that_runs_out_is_an_error() -> None:
    def full(**_given: object) -> None:
        raise MemoryError

    expression = LANGUAGE.expression("1 + 1")
    object.__setattr__(expression, "_evaluate", full)
    with pytest.raises(ExpressionError, match=r"'1 \+ 1' needs more memory than there is"):
        expression.value(())
