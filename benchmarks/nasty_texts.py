"""Workflow texts that nobody means: for how long the check of a file can be kept busy.

Made by chance from a seed, so that a slow one can be made again.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence

_HEAD = "version: 1\nname: nasty\n"
_WORDS = (
    "steps",
    "inputs",
    "outputs",
    "name",
    "type",
    "when",
    "value",
    "frame",
    "image",
    "on_error",
)
_SIGNS = " \n\t:-,[]{}#&*!|>'\"%@`$=~?.0123456789abcxyzäß\u2028\ufeff😀"


def nasty_texts(seed: int, size: int) -> dict[str, str]:
    """One text of each kind, by the name of the kind; most are as long as `size` allows."""
    chance = random.Random(seed)  # repeatable on purpose, and no secret
    return {make.__name__: make(chance, size) for make in _KINDS}


def _steps(lines: Iterator[str], size: int, *, tail: str = "") -> str:
    found = [_HEAD, "steps:\n"]
    room = size
    for line in lines:
        room -= len(line)
        if room < 0:
            break
        found.append(line)
    return "".join(found) + tail


def _numbered(form: str) -> Callable[[int], Iterator[str]]:
    return lambda most: (form.replace("#", str(i)) for i in range(most))


def near_names(chance: random.Random, size: int) -> str:
    """Each step is wired to a step that is not there, but called almost like all others."""
    names = [f"camera_gate_{i}_{chance.choice('abc')}" for i in range(100_000)]
    wired = (
        f"- {{name: {n}, type: pass_on@1, value: $steps.{n[:-1]}_{i}.value}}\n"
        for i, n in enumerate(names)
    )
    return _steps(wired, size)


def near_outputs(_chance: random.Random, size: int) -> str:
    """One step, and thousands of outputs that misspell it."""
    lines = (f"  x{i}: $steps.camera_gatee_{i}.value\n" for i in range(100_000))
    head = f"{_HEAD}steps:\n- {{name: camera_gate, type: pass_on@1, value: 1}}\noutputs:\n"
    return head + "".join(_within(lines, size))


def near_blocks(_chance: random.Random, size: int) -> str:
    """Each step has a block that nobody knows, with a long name."""
    return _steps(
        _numbered("- {name: s#, type: pass_onn_#@1, value: $inputs.start}\n")(50_000), size
    )


def near_keys(_chance: random.Random, size: int) -> str:
    """One step with thousands of keys that it does not know."""
    lines = (f"  valeu_{i}: 1\n" for i in range(100_000))
    return f"{_HEAD}steps:\n- name: a\n  type: pass_on@1\n" + "".join(_within(lines, size))


def near_inputs(_chance: random.Random, size: int) -> str:
    """Thousands of inputs, and steps that misspell them."""
    head = [_HEAD, "inputs:\n"]
    head += _within((f"  threshold_{i}: {{type: number}}\n" for i in range(100_000)), size // 2)
    head.append("steps:\n")
    lines = _numbered("- {name: s#, type: pass_on@1, value: $inputs.treshold_#}\n")(100_000)
    return "".join([*head, *_within(lines, size // 2)])


def near_words_in_conditions(_chance: random.Random, size: int) -> str:
    """Each condition misspells the step before it."""
    form = (
        "- {name: camera_gate_#, type: pass_on@1, value: 1.0, when: steps.camera_gat_#.value > 1}\n"
    )
    return _steps(_numbered(form)(100_000), size)


def bad_conditions(_chance: random.Random, size: int) -> str:
    """Each condition is no CEL."""
    form = "- {name: s#, type: pass_on@1, value: 1.0, when: 'steps.s0.value > > (#'}\n"
    return _steps(_numbered(form)(100_000), size)


def good_conditions(_chance: random.Random, size: int) -> str:
    """As many conditions as go in, all of them different and right."""
    form = "- {name: s#, type: pass_on@1, value: 1.0, when: frame.sequence > #}\n"
    return _steps(_numbered(form)(100_000), size)


def all_of_one_name(_chance: random.Random, size: int) -> str:
    """Thousands of steps that are all called the same."""
    return _steps(_numbered("- {name: s, type: pass_on@1, value: $steps.s.value}\n")(100_000), size)


def one_circle(_chance: random.Random, size: int) -> str:
    """All steps wait for the one after them, and the last for the first."""
    lines = (
        f"- {{name: s{i}, type: pass_on@1, value: $steps.s{(i + 1) % 4000}.value}}\n"
        for i in range(4000)
    )
    return _steps(lines, size)


def everything_from_everything(_chance: random.Random, size: int) -> str:
    """Steps that are wired, by lists, to all before them."""
    found = ["- {name: s0, type: pass_on@1, value: 1.0}\n"]
    for i in range(1, 200):
        wires = ", ".join(f"$steps.s{j}.value" for j in range(i))
        found.append(f"- {{name: s{i}, type: sum_up@1, values: [{wires}]}}\n")
    return _steps(iter(found), size)


def long_chain(_chance: random.Random, size: int) -> str:
    """As many steps as go in, each wired to the one before it."""
    lines = (
        f"- {{name: s{i}, type: pass_on@1, value: {f'$steps.s{i - 1}.value' if i else 1.0}}}\n"
        for i in range(100_000)
    )
    return _steps(lines, size)


def ever_deeper(_chance: random.Random, size: int) -> str:
    """Each step makes many of each of the many of the one before it."""
    lines = (
        f"- {{name: s{i}, type: split_up@1, value: {f'$steps.s{i - 1}.values' if i else 1.0}}}\n"
        for i in range(400)
    )
    return _steps(lines, max(size, 30_000))


def different_origin(_chance: random.Random, size: int) -> str:
    """Each step brings together what cannot meet."""
    lines = (
        f"- {{name: s{i}, type: split_up@1, value: $frame.sequence}}\n"
        f"- {{name: t{i}, type: pass_on@1, value: $steps.s{i}.values, "
        f"when: steps.s{i - 1 if i else 1}.values > 1}}\n"
        for i in range(100_000)
    )
    return _steps(lines, size)


def deep_lists(_chance: random.Random, size: int) -> str:
    """Nothing but opening brackets."""
    return "[" * size


def deep_mappings(_chance: random.Random, size: int) -> str:
    """A mapping in a mapping, and so on."""
    return "{a: " * (size // 4)


def deep_blocks(_chance: random.Random, size: int) -> str:
    """A list in a list, by indentation."""
    return _HEAD + "steps:\n" + "- " * (size // 2) + "x"


def stairs(_chance: random.Random, size: int) -> str:
    """Each key one further to the right."""
    most = int((2 * size) ** 0.5) - 5
    return "".join(" " * i + "a:\n" for i in range(most))


def wide_mapping(_chance: random.Random, size: int) -> str:
    """Thousands of keys that no workflow has."""
    return "".join(_within((f"key{i}: {i}\n" for i in range(size)), size))


def one_key_again(_chance: random.Random, size: int) -> str:
    """One key, thousands of times."""
    return _HEAD + "steps: 1\n" * (size // 9)


def laughing_aliases(_chance: random.Random, _size: int) -> str:
    """Each line repeats the one before it ten times."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"]
    for i in range(1, 12):
        lines.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n")
    return "".join(lines)


def repeated_long_text(_chance: random.Random, size: int) -> str:
    """A long text, and aliases of it as far as they are taken."""
    return f"{_HEAD}description: &d {'x' * (size // 2)}\nsteps:\n" + "- *d\n" * (size // 10)


def repeated_step(_chance: random.Random, size: int) -> str:
    """A step that is wrong, and aliases of it."""
    head = f"{_HEAD}steps:\n- &s {{name: a, type: pass_onn@1, value: $steps.b.value, bogus: 1}}\n"
    return head + "- *s\n" * (size // 5)


def many_aliases(_chance: random.Random, size: int) -> str:
    """Nothing but anchors."""
    return "".join(_within((f"- &a{i} *a{i - 1}\n" for i in range(size)), size))


def long_plain_scalar(_chance: random.Random, size: int) -> str:
    """One word."""
    return "a" * size


def long_plain_lines(_chance: random.Random, size: int) -> str:
    """A text without quotes over thousands of lines."""
    return _HEAD + "description: a\n" + "  word word\n" * (size // 12)


def long_number(_chance: random.Random, size: int) -> str:
    """A number of all digits where the version stands."""
    return f"version: {'9' * size}\nname: x\nsteps: []\n"


def long_fraction(_chance: random.Random, size: int) -> str:
    """Almost a number."""
    return f"version: 1.{'0' * size}e\nname: x\nsteps: []\n"


def long_condition(_chance: random.Random, size: int) -> str:
    """One condition, as long as the file."""
    terms = " || ".join(["steps.a.value > 1"] * (size // 21))
    return f"{_HEAD}steps:\n- {{name: a, type: pass_on@1, value: 1.0, when: {terms}}}\n"


def deep_conditions(_chance: random.Random, size: int) -> str:
    """Conditions in as many brackets as may be, in each step."""
    condition = f"{'(' * 200}frame.sequence > 1{')' * 200}"
    return _steps(
        _numbered(f"- {{name: s#, type: pass_on@1, value: 1.0, when: '{condition}'}}\n")(9999), size
    )


def many_expressions(_chance: random.Random, size: int) -> str:
    """One mapping of thousands of expressions."""
    inner = ", ".join(
        _within((f'k{i}: "= frame.sequence + {i}"' for i in range(100_000)), size * 9 // 10)
    )
    return f"{_HEAD}steps:\n- {{name: a, type: say@1, data: {{{inner}}}}}\n"


def many_selectors(_chance: random.Random, size: int) -> str:
    """One mapping of thousands of selectors that name nothing."""
    inner = ", ".join(_within((f"k{i}: $frame.sequenc{i}" for i in range(100_000)), size * 9 // 10))
    return f"{_HEAD}steps:\n- {{name: a, type: say@1, data: {{{inner}}}}}\n"


def dollars(_chance: random.Random, size: int) -> str:
    """Dollars and braces where environment variables are looked for."""
    return f"{_HEAD}description: '{'${' * (size // 2)}'\nsteps: []\n"


def variables(_chance: random.Random, size: int) -> str:
    """Thousands of environment variables that are not set."""
    return f"{_HEAD}description: '{'${A:-b} ' * (size // 8)}'\nsteps: []\n"


def tags(_chance: random.Random, size: int) -> str:
    """Nothing but tags that nobody knows."""
    return f"{_HEAD}steps:\n" + "".join(_within((f"- !t{i} x\n" for i in range(size)), size))


def documents(_chance: random.Random, size: int) -> str:
    """Thousands of documents in one file."""
    return "--- a\n" * (size // 6)


def comments(_chance: random.Random, size: int) -> str:
    """Nothing but comments."""
    return "# x\n" * (size // 4)


def blank_lines(_chance: random.Random, size: int) -> str:
    """Nothing but ends of lines, and one mistake."""
    return "\n" * size + "version: ["


def tabs(_chance: random.Random, size: int) -> str:
    """Nothing but tabs."""
    return "\t" * size


def quotes(_chance: random.Random, size: int) -> str:
    """A quote that is never closed."""
    return 'name: "' + "\\n" * (size // 2)


def quoted_keys(_chance: random.Random, size: int) -> str:
    """Keys as long as they may be."""
    return "".join(_within((f"'{'k' * 1000}{i}': 1\n" for i in range(size)), size))


def question_marks(_chance: random.Random, size: int) -> str:
    """Keys that are introduced by question marks."""
    return "? " * (size // 2)


def block_scalars(_chance: random.Random, size: int) -> str:
    """Nothing but texts in blocks."""
    return "".join(_within((f"k{i}: |\n  a\n  b\n" for i in range(size)), size))


def flat_json(_chance: random.Random, size: int) -> str:
    """A list of numbers, as JSON."""
    return json.dumps(list(range(size // 8)))


def json_steps(_chance: random.Random, size: int) -> str:
    """Steps as JSON, in one line."""
    steps = [
        {"name": f"s{i}", "type": "pass_on@1", "value": "$steps.x.value"} for i in range(size // 75)
    ]
    return json.dumps({"version": 1, "name": "nasty", "steps": steps})


def wrong_steps(_chance: random.Random, size: int) -> str:
    """Steps that are no steps."""
    return _HEAD + "steps:\n" + "- 1\n" * (size // 4)


def nameless_steps(_chance: random.Random, size: int) -> str:
    """Steps without a name and with a key that is wrong."""
    return _HEAD + "steps:\n" + "- {type: 1, wehn: 2}\n" * (size // 21)


def random_signs(chance: random.Random, size: int) -> str:
    """Signs that mean something in YAML."""
    return _random(chance, _SIGNS, size // 10)


def random_words(chance: random.Random, size: int) -> str:
    """Words of the language and signs of YAML."""
    return _random(chance, [*_WORDS, *_SIGNS], size // 10)


def random_bytes(chance: random.Random, size: int) -> str:
    """Bytes, as far as they are a text."""
    return chance.randbytes(size).decode("utf-8", "replace")


def random_latin(chance: random.Random, size: int) -> str:
    """Bytes, each taken as a letter."""
    return chance.randbytes(size).decode("latin-1")


def _random(chance: random.Random, signs: Sequence[str], count: int) -> str:
    return "".join(chance.choices(signs, k=count))


def _within(parts: Iterator[str], size: int) -> list[str]:
    """As many of the parts as have room."""
    found = []
    for part in parts:
        size -= len(part)
        if size < 0:
            break
        found.append(part)
    return found


_KINDS: tuple[Callable[[random.Random, int], str], ...] = (
    near_names, near_outputs, near_blocks, near_keys, near_inputs, near_words_in_conditions,
    bad_conditions, good_conditions, all_of_one_name, one_circle, everything_from_everything,
    long_chain, ever_deeper, different_origin, deep_lists, deep_mappings, deep_blocks, stairs,
    wide_mapping, one_key_again, laughing_aliases, repeated_long_text, repeated_step, many_aliases,
    long_plain_scalar, long_plain_lines, long_number, long_fraction, long_condition,
    deep_conditions, many_expressions, many_selectors, dollars, variables, tags, documents,
    comments, blank_lines, tabs, quotes, quoted_keys, question_marks, block_scalars, flat_json,
    json_steps, wrong_steps, nameless_steps, random_signs, random_words, random_bytes, random_latin,
)  # fmt: skip
