"""Expressions as they are written: names, present(), and what is made of them for CEL."""

import pytest

from appliance.engine.cel_text import LONGEST, ExpressionError, Written, check_writing
from appliance.engine.expressions import Language
from tests.appliance.engine.known_values import (
    LANGUAGE,
    holds,
    refused,
)

HOW = "present() asks for a step, an output or an input, as in present(steps.gate)"
NO_VALUE = "present is no value: ask it of something, as in present(steps.gate)"


@pytest.mark.parametrize(
    "text",
    [
        "1e1 > steps.gate.total",
        ".5 < 1",
        "steps . gate . total > 1",
        ".steps.gate.total > 1 && .frame.sequence == 12",
        "size(steps.tracks.detections) == 2",
        "steps.tracks.detections.size() == 2",
        "size(steps.tracks.detections) == 2 && steps.tracks.detections[0].label == 'person'",
        "size (steps.crop.sizes) == 3",
        "size(size(steps.gate.label) == 2 ? [1, 2, 3] : [1]) == 3",
        "steps.crop.sizes.size() == 3",
        'steps.tracks.detections.filter(d, d.label == "person").size() == 1',
        "steps.crop.sizes.map(x, x + 1).filter(y, y > 2).size() == 2",
        "(steps.crop.sizes).size() == 3",
        "[steps.crop.sizes, [1]][0].size() == 3",
        "[[1, 2]][0].map(x, x)[1] == 2",
        "3 == {'a': 1, 'b': 2, 'c': 3}.size()",
        "{1: 'a', 2: 'b'}[2] == 'b'",
        "size(steps.crop.images) == 2",
        "steps.crop.images.size() > 1",
        "inputs.site.size > (3 - 1)",
        "inputs.site.exists == 1",
        "inputs.site.`a-b` == 5",
        "steps.gate.total == 7 // its size( is 3 and it's [ || {",
        "// steps.nothing.here\n steps.gate.open",
        "1 // ends with a dot.\n < steps.gate.total",
        '"size(3) // [" == "size(3) // ["',
        '"a || b, c ? d : e" == "a || b, c ? d : e" && true',
        '"\\"3" == "\\"3" && \'\\\'\' == "\'"',
        'r"\\d3" == "\\\\d3"',
        'b"3" == b"3"',
        '"""a "3" b""" == "a \\"3\\" b"',
        "'''3''' == \"3\"",
        '{"a": 1}.a == 1 && [1][0] == 1',
        "present(steps.gate) && !present(steps.alarm)",
        "present ( steps . crop\n.image )==true",
        "present(inputs.bar) ? inputs.bar == 0.5 : false",
        "!present(steps.gate.total) || size('') == 0",
        "[1, 2].exists(item, item == 2) && [3].all(index, index > 2)",
    ],
)
def test_however_it_is_written_it_holds(text: str) -> None:
    assert holds(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "inputs.site.off || true",
        "!(inputs.site.off && false)",
        "inputs.site.off == 1 || inputs.site.off == 2 || steps.gate.open",
        "(steps.gate.total > 100 || inputs.site.off) || steps.gate.open",
        "!(steps.gate.open && inputs.site.off && false)",
        "false ? true : inputs.site.off || true",
        "[inputs.site.off || true][0]",
        "{'a': inputs.site.off || true}.a",
        "inputs.site.mixed.exists(m, m.on)",
        "!inputs.site.mixed.all(m, m.on == 'nothing')",
        "steps.tracks.detections.exists(d, d.tracker_id == 7)",
        "steps.tracks.detections.exists(d, d.label == 'car' || d.tracker_id == 7)",
        "!steps.tracks.detections.all(d, d.tracker_id == 8 && false)",
        "inputs.site.name || true",
        "(steps.gate.open && inputs.site.name) == inputs.site.name",
    ],
)
def test_what_is_missing_is_not_made_up_for_by_what_stands_beside_it(text: str) -> None:
    with pytest.raises(
        ExpressionError, match=r"there is no key|neither true nor false|gave a text"
    ):
        holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "true || inputs.site.missing",
        "!(false && inputs.site.missing)",
        "true ? true : inputs.site.missing",
        "!has(inputs.site.off) || inputs.site.off",
        "steps.tracks.detections.all(d, !has(d.tracker_id) || d.tracker_id == 7)",
    ],
)
def test_what_is_decided_from_the_left_asks_no_further(text: str) -> None:
    assert holds(text) is True


@pytest.mark.parametrize("operator", ["||", "&&"])
def test_a_long_row_does_not_nest_deeply(operator: str) -> None:
    row = f" {operator} ".join(f"steps.gate.total == {i}" for i in range(200))
    assert holds(row) is (operator == "||")


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        (
            "steps.gate.open &&\n $steps.gate.total > 0 && $frame.camera != '$frame.x'",
            "in a condition names have no dollar: "
            "steps.gate.open && steps.gate.total > 0 && frame.camera != '$frame.x'",
            21,
        ),
        ("$inputs.site", "in a condition names have no dollar: inputs.site", 1),
        ("{{ steps.gate.open }}", "a condition needs no braces: steps.gate.open", 1),
        ("${{ steps.gate.open }}", "a condition needs no braces: steps.gate.open", 1),
        (" ${inputs.site}", "a condition needs no braces: inputs.site", 1),
        ("present_0", "unknown name 'present_0'", 1),
        (
            "3 > 2 && has(steps.gate.open)",
            "has() asks for a key inside of a value; 'steps.gate.open' is a value that is there "
            "whenever this step runs: present(steps.gate.open) asks whether there is one",
            14,
        ),
        ("'\ud800' == ''", "there is half a character (a lone surrogate) in this condition", 1),
        ("x" * (LONGEST + 1), "a condition has at most 10,000 characters", 1),
    ],
)
def test_what_is_written_wrong_is_said_with_its_column(
    text: str, message: str, column: int
) -> None:
    assert refused(text) == (message, column)


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("true && present", NO_VALUE, 9),
        ("present == true", NO_VALUE, 1),
        ("present.steps.gate", NO_VALUE, 1),
        ("present[0]", NO_VALUE, 1),
        ("[true].all(present, true)", NO_VALUE, 12),
        ("present()", HOW, 9),
        ("present(", NO_VALUE, 1),
        ("present(3)", HOW, 9),
        ("present('steps.gate')", HOW, 9),
        ("present(steps)", HOW, 9),
        ("present(frame.camera)", HOW, 9),
        ("present(steps.gate.total.more)", HOW, 9),
        ("present(inputs.site.name)", HOW, 9),
        ("present(!steps.gate)", HOW, 9),
        ("present($steps.gate)", HOW, 9),
        ("present(steps.gate, steps.tracks)", HOW, 9),
        ("true || present(steps.gat)", "there is no step 'gat' (did you mean 'gate'?)", 9),
        (
            "present(steps.gate.totl)",
            "unknown name 'steps.gate.totl' (did you mean 'steps.gate.total'?)",
            1,
        ),
        ("present(inputs.bat)", "unknown name 'inputs.bat' (did you mean 'inputs.bar'?)", 1),
        (
            "present(steps.gate).total > 3",
            "this is no condition: true or false has no fields",
            20,
        ),
        (
            "present(steps.gate) && 1 > 'x'",
            "this is no condition: '>' does not go with a number and a text",
            26,
        ),
    ],
)
def test_present_is_asked_of_a_step_an_output_or_an_input(
    text: str, message: str, column: int
) -> None:
    assert refused(text) == (message, column)


def test_what_is_only_asked_to_be_present_is_no_value_that_is_needed() -> None:
    text = (
        "present(steps.gate) && present(steps.crop.image) && inputs.bar > 0 || present(inputs.bar)"
    )
    condition = LANGUAGE.condition(text)
    assert condition.names == ("inputs.bar",)
    assert condition.presences == ("steps.gate", "steps.crop.image", "inputs.bar")
    assert condition.holds([0.5, True, True, False]) is True
    assert condition.holds([0.5, True, False, False]) is False


def test_each_value_and_presence_is_named_once() -> None:
    text = "steps.gate.total > 1 && inputs.site.zones[0] < steps.gate.total"
    assert LANGUAGE.condition(text).names == ("steps.gate.total", "inputs.site")
    assert LANGUAGE.names(f"present(steps.gate) && {text} || present(steps.gate)") == (
        ("steps.gate.total", "inputs.site"),
        ("steps.gate",),
    )


def test_names_are_read_from_what_does_not_compile() -> None:
    text = "steps.later.total + 'x' > inputs.none.a.b && item.box[index] . steps . size("
    assert Language({}, ()).names(text) == (
        ("steps.later.total", "inputs.none", "item", "index"),
        (),
    )


@pytest.mark.parametrize("text", ["$steps.a.b", "present(3)", "present(steps.a)", "{{ 3 }}"])
def test_names_are_refused_where_they_say_nothing(text: str) -> None:
    with pytest.raises(ExpressionError):
        Language({}, ()).names(text)


def test_names_in_texts_and_comments_are_none() -> None:
    text = "'steps.a.b' + \"inputs.c\" + `steps.d.e` // present(steps.f) item"
    assert LANGUAGE.names(text) == ((), ())


@pytest.mark.parametrize(
    "text",
    ["size(" * 1900, ".size()" * 1400, "(" * 9999, '"""' * 3333, "a||" * 3333, "present(" * 1200],
)
def test_a_hostile_text_is_refused_in_no_time(text: str) -> None:
    assert refused(text)[0].startswith(("this is no condition", "unknown name", "present is no"))


def test_names_come_in_the_order_of_their_first_use_each_with_its_column() -> None:
    found = Written("frame.camera == steps.a.b.c && steps.a.b > inputs.x || present(steps.d)")
    references = found.references()
    assert references.names == {"frame.camera": 1, "steps.a.b": 17, "inputs.x": 44}
    assert references.presences == {"steps.d": 56}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("size(steps.a.d) > 3", {"steps.a.d"}),
        ("steps.a.d.size() > size(steps.a.e)", {"steps.a.d", "steps.a.e"}),
        ("size(steps.a.d) > 3 && steps.a.d[0].label == 'x'", set()),
        ("size(steps.a.d[0]) > 3", set()),
        ("size(steps.a.d, 3)", set()),
        ("steps.a.d.size", set()),
        ("size(item)", set()),
    ],
)
def test_of_some_values_only_the_number_is_asked(text: str, names: set[str]) -> None:
    assert Written(text).counted() == names


def test_a_present_becomes_a_variable_and_all_columns_stay() -> None:
    text = "present(steps.gate) && x.present(steps.gate) || present(inputs.bar)"
    given = {"steps.gate": "present_0", "inputs.bar": "present_11"}
    found = Written(text).with_presences(given.__getitem__)
    assert found == "present_0           && x.present(steps.gate) || present_11         "
    assert len(found) == len(text)


@pytest.mark.parametrize(
    ("text", "doubles"),
    [
        ("3 > 2.5", "3.0 > 2.5"),
        ("x[3] + [3][0]", "x[3] + [3.0][0]"),
        ("3 in [1, 2u, 0x3]", "3.0 in [1.0, 2u, 0x3]"),
        ("{1: 2, 3: 4}", "{1: 2.0, 3: 4.0}"),
        ("int(x) % 2", "int(x) % 2"),
        ("7 % int(x)", "7 % int(x)"),
        ("size(x) > 1", "double(size(x)) > 1.0"),
        ("a + b.c[0].d(1).size()", "a + double(b.c[0].d(1.0).size())"),
        ("[1].size()", "double([1.0].size())"),
        ("'3' // 3", "'3'     "),
        ("3) ] + (size(x)", "3.0) ] + (double(size(x))"),
    ],
)
def test_numbers_become_doubles(text: str, doubles: str) -> None:
    assert Written(text).with_doubles()[0] == doubles


def test_what_is_put_in_is_told_with_its_offset() -> None:
    _, added = Written("size(x) > 3").with_doubles()
    assert added == [(0, "double("), (7, ")"), (11, ".0")]


@pytest.mark.parametrize(
    ("text", "strict"),
    [
        ("a > b", "a > b"),
        ("a || b", "((a )?true:( b?true:false))"),
        ("a && b", "((a )?( b?true:false):false)"),
        ("f(a || b, c)", "f(((a )?true:( b?true:false)), c)"),
        ("x.exists(d, d.k)", "x.map(d, ( d.k)?true:false).exists(d, d)"),
        ("x.all(d, d.k)", "x.map(d, ( d.k)?true:false).all(d, d)"),
        ("x.exists(d)", "x.exists(d)"),
        ("x.exists(d.k, d, 3)", "x.map(d.k, ( d, 3)?true:false).exists(d.k, d.k)"),
        ("(a, b)", "(a, b)"),
    ],
)
def test_an_error_is_not_passed_over_in_what_cel_is_given(text: str, strict: str) -> None:
    assert Written(text).strict() == strict


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x" * LONGEST, None),
        ("x" * (LONGEST + 1), "an expression has at most 10,000 characters"),
        ("'é😀'", None),
        ("'\udc00'", "there is half a character (a lone surrogate) in this expression"),
        ("\n {{ a }}", "an expression needs no braces: a"),
        ("{'a': 1}", None),
    ],
)
def test_a_text_is_looked_at_before_anything_is_read(text: str, said: str | None) -> None:
    if said is None:
        check_writing(text, "an expression")
        assert Written(text, "an expression").references().presences == {}
        return
    with pytest.raises(ExpressionError) as caught:
        check_writing(text, "an expression")
    assert (str(caught.value), caught.value.column) == (said, 1)
