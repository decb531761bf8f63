"""Once for each: steps that run along what another gives, and what each element leaves behind."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from appliance.engine.errors import StepError
from appliance.engine.plan import Plan
from appliance.engine.run import Run
from appliance.engine.testing import frame
from appliance.engine.turn import Turn
from blocks.block import Origin

Starter = Callable[..., Run]
Planner = Callable[..., Plan]
Around = Callable[[str], str]
Calls = list[tuple[list[float], float]]


@pytest.fixture
def turn_of(start: Starter, steps: Around) -> Callable[[str], Turn]:
    """The first turn of these steps, on frame 5."""
    return lambda lines: start(steps(lines)).turn(frame(5.0, sequence=5))


Turned = Callable[[str], Turn]


def calls_of(run: Run, name: str) -> Calls:
    """How `run_many` of a step was called."""
    (block,) = (step.block for step in run._own if step.planned.name == name)
    found: Calls = block.calls
    return found


def failures_of(turn: Turn) -> list[tuple[str, str, int]]:
    return [(f.step, str(f.error), f.elements) for f in turn.failures]


def test_a_step_that_takes_one_runs_once_for_each_of_many(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: parts, type: split@1}
        - {name: twice, type: double@1, value: $steps.parts.values}
        outputs: {parts: $steps.parts.values, twice: $steps.twice.value, one: $steps.parts.total}
    """)
    assert turn.outputs == {"parts": (0.0, 1.0, 2.0), "twice": (0.0, 2.0, 4.0), "one": 3}


def test_what_is_one_is_the_same_for_each(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: parts, type: split@1}
        - {name: twice, type: double@1, value: $steps.parts.values, add: $frame.sequence}
        - {name: more, type: double@1, value: $steps.parts.total, add: $steps.twice.value}
        outputs: {twice: $steps.twice.value, more: $steps.more.value}
    """)
    assert turn.outputs == {"twice": (5.0, 7.0, 9.0), "more": (11.0, 13.0, 15.0)}


def test_many_of_many_are_tuples_in_tuples(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: a, type: split@1, count: 2}
        - {name: b, type: split@1, count: 2, start: "= steps.a.values * 10"}
        - {name: c, type: split@1, count: 2, start: "= steps.b.values * 10"}
        - {name: deep, type: double@1, value: $steps.c.values, add: $steps.a.values}
        outputs: {b: $steps.b.values, c: $steps.c.values, deep: $steps.deep.value,
                  counts: $steps.c.total}
    """)
    assert turn.outputs == {
        "b": ((0.0, 1.0), (10.0, 11.0)),
        "c": (((0.0, 1.0), (10.0, 11.0)), ((100.0, 101.0), (110.0, 111.0))),
        "deep": (((0.0, 2.0), (20.0, 22.0)), ((201.0, 203.0), (221.0, 223.0))),
        "counts": ((2, 2), (2, 2)),
    }


def test_collecting_takes_away_one_depth_at_a_time(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: a, type: split@1, count: 2}
        - {name: b, type: split@1, count: 2, start: "= steps.a.values * 10"}
        - {name: c, type: split@1, count: 2, start: "= steps.b.values * 10"}
        - {name: sum_c, type: sum@1, values: $steps.c.values}
        - {name: sum_b, type: sum@1, values: $steps.sum_c.value}
        - {name: sum_a, type: sum@1, values: $steps.sum_b.value}
        outputs: {c: $steps.sum_c.value, b: $steps.sum_b.value, a: $steps.sum_a.value}
    """)
    assert turn.outputs == {"c": ((1.0, 21.0), (201.0, 221.0)), "b": (22.0, 422.0), "a": 444.0}


def test_what_is_shallower_may_meet_what_is_collected(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: a, type: split@1, count: 2}
        - {name: b, type: split@1, count: 2, start: "= steps.a.values * 10"}
        - {name: own, type: sum@1, values: $steps.b.values, add: $steps.a.values}
        - {name: each, type: sum@1, values: $steps.a.values, add: $steps.b.values}
        outputs: {own: $steps.own.value, each: $steps.each.value}
    """)
    assert turn.outputs == {"own": (1.0, 22.0), "each": ((1.0, 2.0), (11.0, 12.0))}


def test_what_is_collected_twice_over_runs_once_for_each_of_what_remains(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: a, type: split@1, count: 2}
        - {name: b, type: split@1, count: 2, start: "= steps.a.values * 10"}
        - {name: deep, type: sum@1, values: $steps.b.values, add: $steps.b.values}
        outputs: {deep: $steps.deep.value}
    """)
    assert turn.outputs == {"deep": ((1.0, 2.0), (31.0, 32.0))}


def test_a_condition_is_decided_for_each(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: parts, type: split@1, count: 4}
        - {name: twice, type: double@1, value: $steps.parts.values,
           when: item > 0 && index < 3 && frame.sequence > 3}
        outputs: {twice: $steps.twice.value}
        """)
    )
    assert run.turn(frame(sequence=5)).outputs == {"twice": (None, 2.0, 4.0, None)}
    assert run.turn(frame(sequence=1)).outputs == {"twice": (None, None, None, None)}


def test_the_index_is_that_in_the_own_group(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: a, type: split@1, count: 2}
        - {name: b, type: split@1, count: 2, start: $steps.a.values}
        - {name: at, type: double@1, value: "= index * 5", add: "= item + steps.a.values * 100",
           when: present(steps.b.values)}
        outputs: {at: $steps.at.value}
    """)
    assert turn.outputs == {"at": ((0.0, 11.0), (101.0, 112.0))}


def test_the_item_of_a_step_that_only_asks_is_what_it_asks_for(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: parts, type: split@1, count: 3}
        - {name: asks, type: constant@1, when: steps.parts.values > 0 && item < 2}
        outputs: {asks: $steps.asks.value}
    """)
    assert turn.outputs == {"asks": (None, 1.0, None)}


def test_an_absent_element_leaves_a_hole(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: parts, type: split@1, holes: [1]}
        - {name: twice, type: double@1, value: $steps.parts.values}
        - {name: filled, type: add@1, a: 1, b: $steps.parts.values}
        - {name: maybe, type: add@1, a: 1, b: 1, more: $steps.parts.values}
        - {name: sum, type: sum@1, values: $steps.twice.value}
        - {name: holes, type: holes@1, values: $steps.twice.value}
        outputs: {twice: $steps.twice.value, filled: $steps.filled.value, maybe: $steps.maybe.value,
                  sum: $steps.sum.value, holes: $steps.holes.holes}
    """)
    assert turn.outputs == {
        "twice": (0.0, None, 4.0),
        "filled": (1.0, 11.0, 3.0),
        "maybe": (2.0, 2.0, 4.0),
        "sum": 4.0,
        "holes": [1],
    }


def test_an_element_for_which_a_block_gives_nothing_is_a_hole(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: parts, type: list@1, values: [6, 7]}
        - {name: twice, type: double@1, value: $steps.parts.values}
        - {name: split, type: split@1, count: 1, start: $steps.twice.value,
           when: steps.twice.value > 0}
        outputs: {twice: $steps.twice.value, split: $steps.split.values,
                  total: $steps.split.total}
    """)
    assert turn.outputs == {"twice": (12.0, None), "split": ((12.0,), None), "total": (1, None)}
    assert turn.failures == ()


def test_over_nothing_no_step_runs_but_the_one_that_collects(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: parts, type: split@1, count: 0}
        - {name: twice, type: double@1, value: $steps.parts.values}
        - {name: batch, type: batch@1, value: $steps.parts.values}
        - {name: deep, type: split@1, start: $steps.parts.values}
        - {name: sum, type: sum@1, values: $steps.twice.value, add: 3}
        outputs: {twice: $steps.twice.value, batch: $steps.batch.value, deep: $steps.deep.values,
                  sum: $steps.sum.value}
    """)
    assert turn.outputs == {"twice": (), "batch": (), "deep": (), "sum": 3.0}


@pytest.mark.parametrize("none", ["count: -1", "when: 'false'"])
def test_where_many_is_absent_as_a_whole_nothing_after_it_runs(none: str, turn_of: Turned) -> None:
    turn = turn_of(f"""
        - {{name: parts, type: split@1, {none}}}
        - {{name: twice, type: double@1, value: $steps.parts.values}}
        - {{name: sum, type: sum@1, values: $steps.twice.value}}
        - {{name: own, type: sum@1, values: $steps.parts.values}}
        outputs: {{parts: $steps.parts.values, twice: $steps.twice.value, sum: $steps.sum.value,
                  own: $steps.own.value}}
    """)
    assert (turn.outputs, turn.failures) == ({}, ())


def test_a_block_whose_many_output_is_none_gives_none_of_it(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: none, type: list@1, values: [0]}
        - {name: sum, type: sum@1, values: $steps.none.values}
        - {name: parts, type: split@1, count: 2}
        - {name: each, type: list@1, values: "= item > 0 ? [5, 6] : [0]",
           when: present(steps.parts.values)}
        - {name: sums, type: sum@1, values: $steps.each.values}
        outputs: {none: $steps.none.values, sum: $steps.sum.value, each: $steps.each.values,
                  sums: $steps.sums.value}
    """)
    assert (turn.outputs, turn.failures) == (
        {"each": (None, (5.0, 6.0)), "sums": (None, 11.0)},
        (),
    )


def test_one_call_is_made_for_all_groups(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: a, type: split@1, count: 2}
        - {name: b, type: split@1, count: 2, start: "= steps.a.values * 10"}
        - {name: all, type: batch@1, value: $steps.b.values, add: $frame.sequence}
        outputs: {all: $steps.all.value}
        """)
    )
    assert run.turn(frame(sequence=5)).outputs == {"all": ((5.0, 7.0), (25.0, 27.0))}
    assert calls_of(run, "all") == [([0.0, 1.0, 10.0, 11.0], 5)]


def test_one_call_leaves_out_those_whose_condition_is_false_or_which_are_absent(
    start: Starter, steps: Around
) -> None:
    run = start(
        steps("""
        - {name: parts, type: split@1, count: 9, holes: [2]}
        - {name: all, type: batch@1, value: $steps.parts.values, when: index > 0}
        outputs: {all: $steps.all.value}
        """)
    )
    outputs = run.turn(frame()).outputs
    assert outputs == {"all": (None, 2.0, None, 6.0, 8.0, 10.0, 12.0, None, 16.0)}
    assert calls_of(run, "all") == [([1.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 0.0)]


def test_no_call_is_made_for_nobody(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: parts, type: split@1}
        - {name: all, type: batch@1, value: $steps.parts.values, when: item > 5}
        outputs: {all: $steps.all.value}
        """)
    )
    assert run.turn(frame()).outputs == {"all": (None, None, None)}
    assert calls_of(run, "all") == []


def test_where_an_argument_varies_that_a_call_takes_once_each_is_called_alone(
    start: Starter, steps: Around
) -> None:
    run = start(
        steps("""
        - {name: parts, type: split@1}
        - {name: all, type: batch@1, value: $steps.parts.values, add: $steps.parts.values}
        - {name: one, type: batch@1, value: $frame.sequence}
        outputs: {all: $steps.all.value, one: $steps.one.value}
        """)
    )
    assert run.turn(frame(sequence=5)).outputs == {"all": (0.0, 3.0, 6.0), "one": 10.0}
    assert (calls_of(run, "all"), calls_of(run, "one")) == ([], [])


LOSING = """
    - {{name: parts, type: list@1, values: [12, 13, 14]}}
    - {{name: one, type: {block}, value: $steps.parts.values}}
    - {{name: next, type: double@1, value: $steps.one.value}}
    - {{name: many, type: split@1, count: 1, start: $steps.one.value}}
    - {{name: fallback, type: add@1, a: 1, more: $steps.one.value}}
    - {{name: batched, type: batch@1, value: $steps.one.value}}
    - {{name: asks, type: constant@1, when: "!present(steps.one)"}}
    - {{name: sum, type: sum@1, values: $steps.one.value}}
    - {{name: holes, type: holes@1, values: $steps.next.value}}
    - {{name: sums, type: sum@1, values: $steps.many.values}}
    outputs: {{one: $steps.one.value, next: $steps.next.value, many: $steps.many.values,
              fallback: $steps.fallback.value, batched: $steps.batched.value,
              asks: $steps.asks.value, sum: $steps.sum.value, holes: $steps.holes.holes,
              sums: $steps.sums.value, total: $steps.many.total}}
"""


def test_an_element_that_raises_is_lost_to_all_that_hang_on_it_and_no_other_is(
    turn_of: Turned,
) -> None:
    turn = turn_of(LOSING.format(block="double@1"))
    assert failures_of(turn) == [("one", "thirteen", 1)]
    assert turn.outputs == {
        "one": (24.0, None, 28.0),
        "next": (48.0, None, 56.0),
        "many": ((24.0,), None, (28.0,)),
        "fallback": (35.0, None, 39.0),
        "batched": (48.0, None, 56.0),
        "asks": (None, None, None),
        "sum": 52.0,
        "holes": [1],
        "sums": (24.0, None, 28.0),
        "total": (1, None, 1),
    }


def test_one_call_that_raises_loses_all_its_elements(turn_of: Turned) -> None:
    turn = turn_of(LOSING.format(block="batch@1"))
    assert failures_of(turn) == [("one", "thirteen", 3)]
    nothing = (None, None, None)
    assert turn.outputs == {
        **dict.fromkeys(("one", "next", "many", "fallback", "batched", "asks"), nothing),
        **{"sum": 0.0, "holes": [0, 1, 2], "sums": nothing, "total": nothing},
    }


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (99, "run_many gave 2 for 1 elements"),
        (98, "run_many gave str for 1 elements"),
    ],
)
def test_one_call_that_breaks_its_promise_fails(value: int, sentence: str, turn_of: Turned) -> None:
    turn = turn_of(f"""
        - {{name: parts, type: list@1, values: [{value}]}}
        - {{name: all, type: batch@1, value: $steps.parts.values}}
        outputs: {{all: $steps.all.value}}
    """)
    assert (failures_of(turn), turn.outputs) == ([("all", sentence, 1)], {"all": (None,)})


@pytest.mark.parametrize("block", ["double@1", "batch@1"])
def test_a_condition_that_gives_an_error_loses_its_element(block: str, turn_of: Turned) -> None:
    turn = turn_of(f"""
        - {{name: parts, type: split@1}}
        - {{name: asks, type: {block}, value: $steps.parts.values,
           when: "[true, true][int(item)]"}}
        - {{name: sum, type: sum@1, values: $steps.asks.value}}
        outputs: {{asks: $steps.asks.value, sum: $steps.sum.value}}
    """)
    ((step, _, elements),) = failures_of(turn)
    assert (step, elements) == ("asks", 1)
    assert turn.outputs == {"asks": (0.0, 2.0, None), "sum": 2.0}


@pytest.mark.parametrize("block", ["double@1", "batch@1"])
def test_a_step_that_says_stop_ends_the_turn_at_an_element(
    block: str, start: Starter, steps: Around
) -> None:
    run = start(
        steps(f"""
        - {{name: parts, type: list@1, values: [12, 13]}}
        - {{name: one, type: {block}, value: $steps.parts.values, on_error: stop}}
        """)
    )
    with pytest.raises(StepError, match=r"^step one, camera gate, frame 3: ValueError: thirteen$"):
        run.turn(frame(sequence=3))


def test_outputs_that_are_many_must_be_equally_long(turn_of: Turned) -> None:
    sentence = "run gave many of different lengths: 3 values, 2 names"
    turn = turn_of("""
        - {name: broken, type: split@1, names: 2}
        - {name: twice, type: double@1, value: $steps.broken.values}
        - {name: parts, type: split@1, count: 2}
        - {name: each, type: split@1, start: $steps.parts.values, names: 2}
        - {name: sum, type: sum@1, values: $steps.each.values}
        outputs: {twice: $steps.twice.value, each: $steps.each.values, sum: $steps.sum.value}
    """)
    assert failures_of(turn) == [("broken", sentence, 1), ("each", sentence, 2)]
    assert turn.outputs == {"each": (None, None), "sum": (None, None)}


def test_a_step_that_is_lost_takes_with_it_all_that_is_many_after_it(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: broken, type: fail@1}
        - {name: parts, type: split@1, start: $steps.broken.total}
        - {name: twice, type: double@1, value: $steps.parts.values}
        - {name: sum, type: sum@1, values: $steps.twice.value}
        - {name: mixed, type: split@1}
        - {name: both, type: double@1, value: $steps.mixed.values, add: $steps.broken.total}
        - {name: gathered, type: sum@1, values: $steps.both.value}
        outputs: {sum: $steps.sum.value, both: $steps.both.value, gathered: $steps.gathered.value}
    """)
    assert (turn.outputs, failures_of(turn)) == ({}, [("broken", "it is broken", 1)])


def test_one_event_is_given_for_each_element(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: parts, type: split@1, holes: [1]}
        - {name: out, type: send@1, data: {v: $steps.parts.values, i: "= index", at: $frame.camera}}
        - {name: there, type: note@1, data: {v: $steps.parts.values},
           when: present(steps.parts.values)}
    """)
    told = [(event.type, dict(event.data)) for event in turn.events]
    assert told == [
        ("sent", {"v": 0.0, "i": 0.0, "at": "gate"}),
        ("sent", {"i": 1.0, "at": "gate"}),
        ("sent", {"v": 2.0, "i": 2.0, "at": "gate"}),
        ("noted", {"v": 0.0}),
        ("noted", {"v": 2.0}),
    ]


def test_what_is_no_event_is_lost_for_its_element(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: parts, type: split@1, count: 2}
        - {name: out, type: send@1, data: {wrong: $steps.parts.values}, when: index > 0}
    """)
    assert failures_of(turn) == [("out", "run gave dict, not an Event", 1)]
    assert turn.events == ()


def test_presence_is_asked_for_each(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: parts, type: split@1}
        - {name: some, type: double@1, value: $steps.parts.values, when: item > 0}
        - {name: others, type: double@1, value: $steps.parts.values, when: "!present(steps.some)"}
        - {name: said, type: row@1, row: {ran: "= present(steps.some)", v: $steps.parts.values}}
        outputs: {others: $steps.others.value, said: $steps.said.row}
    """)
    assert turn.outputs["others"] == (0.0, None, None)
    assert [row["ran"] for row in turn.outputs["said"]] == [False, True, True]


def test_a_list_of_wires_collects_what_are_one_alone(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: odd, type: odd@1}
        - {name: never, type: count@1, when: 'false'}
        - {name: sum, type: sum@1, values: [$steps.odd.value, $steps.never.total, 3]}
        - {name: holes, type: holes@1, values: [$steps.odd.value, $steps.never.total, 3]}
        - {name: parts, type: split@1, count: 2}
        - {name: each, type: sum@1, values: [$steps.odd.value, $steps.parts.values]}
        outputs: {sum: $steps.sum.value, holes: $steps.holes.holes, each: $steps.each.value}
    """)
    assert turn.outputs == {"sum": 8.0, "holes": [1], "each": (5.0, 6.0)}


def test_an_output_that_is_made_of_many_is_made_for_each(turn_of: Turned) -> None:
    turn = turn_of("""
        - {name: parts, type: split@1, count: 2, holes: [1]}
        outputs:
          half: "= steps.parts.values / 2"
          row: {v: $steps.parts.values, n: $steps.parts.names, camera: $frame.camera}
    """)
    assert turn.outputs == {
        "half": (0.0, None),
        "row": ({"v": 0.0, "n": "n0", "camera": "gate"}, {"n": "n1", "camera": "gate"}),
    }


def test_the_image_of_the_frame_is_the_same_for_each(start: Starter) -> None:
    run = start("""
        version: 1
        name: w
        inputs: {image: {type: image}}
        steps:
        - {name: parts, type: split@1, count: 2}
        - {name: find, type: find@1, model: people, image: $inputs.image,
           confidence: $steps.parts.values}
        - {name: out, type: send@1, when: steps.find.detections.size() > 0}
        outputs: {image: $steps.find.image, sure: "= steps.find.detections[0].confidence"}
    """)
    given = frame()
    turn = run.turn(given)
    first, second = turn.outputs["image"]
    assert first is second is given.image
    assert turn.outputs["sure"] == (0.0, 1.0)
    assert len(turn.events) == 2


def test_a_step_that_runs_once_for_each_counts_as_one_run(plan: Planner, steps: Around) -> None:
    made = plan(
        steps("""
        - {name: parts, type: split@1}
        - {name: twice, type: double@1, value: $steps.parts.values}
        - {name: all, type: batch@1, value: $steps.parts.values}
        - {name: out, type: send@1, data: {a: $steps.twice.value, b: $steps.all.value}}
        """)
    )
    ticks = iter(range(100))
    host: Any = None
    run = made.start({}, host, Origin("", "", "gate", ""), lambda: float(next(ticks)))
    run.turn(frame())
    assert [(time.step, time.runs, time.total_s) for time in run.times] == [
        ("parts", 1, 1.0),
        ("twice", 1, 1.0),
        ("all", 1, 1.0),
        ("out", 1, 1.0),
    ]


def test_the_types_of_outputs_that_are_many_say_so(plan: Planner, steps: Around) -> None:
    made = plan(
        steps("""
        - {name: a, type: split@1}
        - {name: b, type: split@1, start: $steps.a.values}
        outputs: {a: $steps.a.values, b: $steps.b.values, n: $steps.b.total}
        """)
    )
    types: Mapping[str, Any] = made.output_types
    assert types == {
        "a": tuple[float, ...],
        "b": tuple[tuple[float, ...], ...],
        "n": tuple[int, ...],
    }
