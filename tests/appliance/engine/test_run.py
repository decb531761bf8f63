"""A plan at work: what runs, what is absent, what fails, and what one turn leaves to the next."""

import gc
import resource
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.engine.errors import InputError, StepError
from appliance.engine.plan import Plan
from appliance.engine.run import Run, no_time
from appliance.engine.testing import EPOCH_S, frame
from appliance.engine.turn import StepTime, Turn
from blocks.block import Origin
from blocks.data import Frame, Moment
from blocks.host import Host

Planner = Callable[[str], Plan]
Starter = Callable[..., Run]
Around = Callable[[str], str]


def test_values_flow_along_the_wires(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: sum, type: add@1, a: $steps.two.value, b: 3}
        - {name: two, type: constant@1, value: 2}
        outputs:
          sum: $steps.sum.value
          all: [$steps.sum.value, {two: $steps.two.value, text: $$x}]
        """)
    )
    turn = run.turn(frame())
    assert turn.outputs == {"sum": 5.0, "all": [5.0, {"two": 2.0, "text": "$x"}]}
    assert (turn.events, turn.failures) == ((), ())


def test_the_frame_and_its_image_enter(start: Starter) -> None:
    run = start("""
        version: 1
        name: w
        inputs: {image: {type: image}, again: {type: image}, unused: {type: image}}
        steps: [{name: a, type: find@1, model: people, image: $inputs.image}]
        outputs:
          image: $steps.a.image
          again: $inputs.again
          at: $frame.captured_at
          camera: $frame.camera
          number: $frame.sequence
    """)
    given = frame(2.5, sequence=7)
    turn = run.turn(given)
    assert turn.moment is given
    assert turn.outputs["image"] is given.image
    assert turn.outputs["again"] is given.image
    assert turn.outputs["at"] == datetime.fromtimestamp(EPOCH_S + 2.5, UTC)
    assert turn.outputs["camera"] == "gate"
    assert turn.outputs["number"] == 7


def test_an_input_is_what_the_pipeline_says_or_its_default(start: Starter) -> None:
    text = """
        version: 1
        name: w
        inputs: {a: {type: number}, b: {type: number, default: 1}}
        steps: [{name: sum, type: add@1, a: $inputs.a, b: $inputs.b}]
        outputs: {sum: $steps.sum.value}
    """
    assert start(text, a=2).turn(frame()).outputs == {"sum": 3.0}
    assert start(text, a=2, b=5).turn(frame()).outputs == {"sum": 7.0}


def test_a_sink_gives_an_event(start: Starter, steps: Around) -> None:
    run = start(steps("- {name: out, type: send@1, data: {n: $frame.sequence}}"))
    (event,) = run.turn(frame(1.0, sequence=3)).events
    assert (event.connection, event.subject, event.time) == (
        "local",
        "w/yard/gate/out",
        EPOCH_S + 1,
    )
    assert event.data == {"n": 3}


def test_a_step_whose_condition_does_not_hold_does_not_run(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: n, type: count@1, when: frame.sequence > 1}
        outputs: {n: $steps.n.total}
        """)
    )
    assert [run.turn(frame(sequence=i)).outputs for i in range(4)] == [{}, {}, {"n": 1}, {"n": 2}]


def test_what_depends_on_an_absent_value_does_not_run(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: n, type: count@1, when: frame.sequence > 1}
        - {name: wired, type: add@1, a: $steps.n.total}
        - {name: asks, type: constant@1, when: steps.n.total < 9}
        - {name: far, type: constant@1, when: steps.wired.value < 99}
        outputs: {wired: $steps.wired.value, asks: $steps.asks.value, far: $steps.far.value}
        """)
    )
    assert run.turn(frame(sequence=1)).outputs == {}
    assert run.turn(frame(sequence=2)).outputs == {"wired": 11.0, "asks": 1.0, "far": 1.0}


def test_a_condition_that_could_hold_without_it_still_needs_every_name_in_it(
    start: Starter, steps: Around
) -> None:
    run = start(
        steps("""
        - {name: never, type: count@1, when: 'false'}
        - {name: asks, type: constant@1, when: steps.never.total > 0 || true}
        outputs: {asks: $steps.asks.value}
        """)
    )
    assert run.turn(frame()).outputs == {}


def test_what_is_absent_is_left_out_of_data_and_outputs(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: odd, type: odd@1}
        - {name: out, type: send@1, data: {odd: $steps.odd.value, list: [$steps.odd.value, 5]}}
        outputs: {odd: $steps.odd.value, all: {odd: $steps.odd.again}}
        """)
    )
    even, odd = run.turn(frame(sequence=2)), run.turn(frame(sequence=3))
    assert (even.events[0].data, even.outputs) == ({"list": [5]}, {"all": {}})
    assert odd.events[0].data == {"odd": 3.0, "list": [3.0, 5]}
    assert odd.outputs == {"odd": 3.0, "all": {"odd": 3.0}}


def test_a_block_that_gives_none_gives_nothing_at_all(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: odd, type: odd@1}
        outputs: {odd: $steps.odd.value}
        """)
    )
    turn = run.turn(frame(sequence=0))
    assert (turn.outputs, turn.failures) == ({}, ())


def test_an_optional_parameter_gets_its_fallback(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: odd, type: odd@1}
        - {name: sum, type: add@1, a: 1, b: $steps.odd.value, more: $steps.odd.again}
        - {name: bare, type: add@1, a: 1, more: ~}
        outputs: {sum: $steps.sum.value, bare: $steps.bare.value}
        """)
    )
    assert run.turn(frame(sequence=2)).outputs == {"sum": 11.0, "bare": 11.0}
    assert run.turn(frame(sequence=3)).outputs == {"sum": 7.0, "bare": 11.0}


def test_a_step_that_raises_loses_what_depends_on_it_and_nothing_more(
    start: Starter, steps: Around
) -> None:
    run = start(
        steps("""
        - {name: broken, type: fail@1}
        - {name: wired, type: add@1, a: $steps.broken.total}
        - {name: asks, type: constant@1, when: steps.broken.total >= 0}
        - {name: other, type: constant@1}
        - {name: late, type: add@1, a: $steps.wired.value}
        - {name: half, type: send@1, data: {lost: $steps.broken.text, kept: $steps.other.value}}
        - {name: out, type: send@1, data: {kept: $steps.other.value}}
        outputs: {wired: $steps.wired.value, asks: $steps.asks.value, other: $steps.other.value}
        """)
    )
    turn = run.turn(frame())
    assert turn.outputs == {"other": 1.0}
    assert [event.data for event in turn.events] == [{"kept": 1.0}]
    assert [(f.step, str(f.error)) for f in turn.failures] == [("broken", "it is broken")]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("short", "run gave tuple, not a tuple of its 2 outputs"),
        ("number", "run gave int, not a tuple of its 2 outputs"),
    ],
)
def test_a_block_that_breaks_its_promise_fails_and_gives_nothing(
    how: str, sentence: str, start: Starter, steps: Around
) -> None:
    run = start(
        steps(f"""
        - {{name: broken, type: fail@1, how: {how}}}
        outputs: {{total: $steps.broken.total}}
        """)
    )
    turn = run.turn(frame())
    assert turn.outputs == {}
    assert [str(failure.error) for failure in turn.failures] == [sentence]


def test_a_sink_that_gives_something_else_than_an_event_fails(
    start: Starter, steps: Around
) -> None:
    turn = start(steps("- {name: out, type: send@1, data: {wrong: 1}}")).turn(frame())
    assert turn.events == ()
    assert [str(failure.error) for failure in turn.failures] == ["run gave dict, not an Event"]


def test_a_step_that_says_stop_ends_the_turn(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: broken, type: fail@1, on_error: stop}
        - {name: other, type: constant@1}
        """)
    )
    with pytest.raises(StepError) as caught:
        run.turn(frame(camera="yard", sequence=9))
    assert str(caught.value) == ("step broken, camera yard, frame 9: RuntimeError: it is broken")
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize("text", ["steps.row.row.missing", "!steps.row.row.missing"])
def test_a_condition_that_gives_an_error_is_false_and_counted(
    text: str, start: Starter, steps: Around
) -> None:
    run = start(
        steps(f"""
        - {{name: row, type: row@1, row: {{n: $frame.sequence}}}}
        - {{name: asks, type: constant@1, when: "{text}"}}
        outputs: {{asks: $steps.asks.value, ok: $steps.row.ok}}
        """)
    )
    turn = run.turn(frame())
    assert turn.outputs == {"ok": True}
    (failure,) = turn.failures
    assert failure.step == "asks"
    assert str(failure.error).startswith(f"'{text}' ")
    assert "missing" in str(failure.error)


def test_an_error_in_a_condition_is_never_true_whatever_stands_beside_it(
    start: Starter, steps: Around
) -> None:
    run = start(
        steps("""
        - {name: row, type: row@1, row: {n: $frame.sequence}}
        - {name: asks, type: constant@1, when: steps.row.row.missing || true}
        outputs: {asks: $steps.asks.value}
        """)
    )
    turn = run.turn(frame())
    assert turn.outputs == {}
    assert [failure.step for failure in turn.failures] == ["asks"]


def test_no_value_of_one_turn_is_seen_in_the_next(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: odd, type: odd@1}
        - {name: row, type: row@1, row: {n: $steps.odd.value}}
        outputs: {odd: $steps.odd.value, row: $steps.row.row}
        """)
    )
    first = run.turn(frame(sequence=1))
    second = run.turn(frame(sequence=2))
    assert first.outputs == {"odd": 1.0, "row": {"n": 1.0}}
    assert second.outputs == {"row": {}}


def test_two_runs_of_one_plan_share_no_state(plan: Planner, steps: Around) -> None:
    made = plan(
        steps("""
        - {name: n, type: count@1}
        outputs: {n: $steps.n.total}
        """)
    )
    first, second = start_bare(made), start_bare(made)
    assert [first.turn(frame()).outputs["n"] for _ in range(3)] == [1, 2, 3]
    assert second.turn(frame()).outputs["n"] == 1
    assert [time.runs for time in (*first.times, *second.times)] == [3, 1]


def test_the_time_of_each_step_is_that_of_its_timer(plan: Planner, steps: Around) -> None:
    made = plan(
        steps("""
        - {name: twice, type: add@1, a: $steps.first.value}
        - {name: first, type: constant@1}
        - {name: broken, type: fail@1}
        - {name: never, type: count@1, when: 'false'}
        """)
    )
    ticks = iter([0.0, 1.0, 1.0, 4.0, 10.0, 10.5, 20.0, 21.0, 21.0, 21.0, 21.0, 21.0])
    run = start_bare(made, lambda: next(ticks))
    run.turn(frame())
    run.turn(frame())
    assert run.times == (
        StepTime("first", 2, 2.0),
        StepTime("twice", 2, 3.0),
        StepTime("broken", 2, 0.5),
        StepTime("never", 0, 0.0),
    )


def test_nobody_has_to_measure() -> None:
    assert no_time() == no_time()


def start_bare(plan: Plan, timer: Callable[[], float] = no_time) -> Run:
    """A run on a host of which nothing is asked."""
    return plan.start({}, no_host(), Origin("", "", "gate", ""), timer)


def moment(at_s: float) -> Moment:
    """A time on the camera of the frames, without a picture."""
    return Moment("gate", at_s, EPOCH_S + at_s)


TICKING = """
    - {name: keep, type: keep@1, value: $frame.sequence, every_s: 10}
    - {name: after, type: add@1, a: $steps.keep.total, b: $steps.keep.seen}
    - {name: beside, type: count@1}
    - {name: note, type: note@1, data: {total: $steps.keep.total, camera: $frame.camera}}
    - {name: out, type: send@1, data: {total: $steps.keep.total}}
    - {name: time, type: row@1, row: {at: $frame.captured_at, n: $frame.sequence},
       when: steps.after.value > 0}
    outputs: {total: $steps.keep.total, after: $steps.after.value, beside: $steps.beside.total,
              row: $steps.time.row}
"""


def test_a_tick_runs_what_is_due_and_what_takes_something_from_it(
    start: Starter, steps: Around
) -> None:
    run = start(steps(TICKING))
    assert run.next_at(moment(0.0)) == 10.0
    assert run.turn(frame(5.0, sequence=4)).outputs == {"beside": 1}
    early = run.tick(moment(9.0))
    assert (early.outputs, early.events, early.failures) == ({}, (), ())
    now = moment(20.0)
    turn = run.tick(now)
    assert turn.moment is now
    assert turn.outputs == {
        "total": 4.0,
        "after": 6.0,
        "row": {"at": datetime.fromtimestamp(EPOCH_S + 20, UTC)},
    }
    assert [(event.type, event.time, dict(event.data)) for event in turn.events] == [
        ("noted", EPOCH_S + 20, {"total": 4.0, "camera": "gate"})
    ]
    assert run.next_at(now) == 30.0


def test_of_several_ticks_the_first_is_due(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: slow, type: keep@1, value: 1, every_s: 10}
        - {name: fast, type: keep@1, value: 1, every_s: 3}
        - {name: never, type: keep@1, value: 1}
        outputs: {slow: $steps.slow.seen, fast: $steps.fast.seen, never: $steps.never.seen}
        """)
    )
    assert run.next_at(moment(0.0)) == 3.0
    assert run.tick(moment(3.0)).outputs == {"fast": 1}
    assert run.tick(moment(10.0)).outputs == {"slow": 1, "fast": 2}


def test_who_has_nothing_to_do_is_never_due(start: Starter, steps: Around) -> None:
    run = start(steps("- {name: keep, type: keep@1, value: 1}"))
    assert (run.next_at(moment(0.0)), run.awake_until) == (None, None)


def test_every_frame_is_asked_for_until_the_latest_time_of_all(
    start: Starter, steps: Around
) -> None:
    run = start(
        steps("""
        - {name: a, type: keep@1, value: 1, awake_s: 3}
        - {name: b, type: keep@1, value: 1, awake_s: 7}
        - {name: c, type: keep@1, value: 1}
        """)
    )
    assert run.awake_until == 7.0


def test_a_command_is_given_to_its_step_and_runs_what_hangs_on_it(
    start: Starter, steps: Around
) -> None:
    run = start(steps(TICKING.replace(", every_s: 10", "")))
    run.turn(frame(sequence=4))
    silent = run.command("keep", "reset", 7.0, moment(1.0))
    assert (silent.outputs, silent.events) == ({}, ())
    told = run.command("keep", "tell", None, moment(2.0))
    assert told.outputs["total"] == 7.0
    assert "beside" not in told.outputs
    assert [event.type for event in told.events] == ["noted"]


@pytest.mark.parametrize(
    ("step", "name", "sentence"),
    [
        ("kep", "tell", "there is no step 'kep' that takes commands (did you mean 'keep'?)"),
        ("beside", "tell", "there is no step 'beside' that takes commands (there is keep)"),
        ("keep", "rest", "step 'keep' has no command 'rest' (did you mean 'reset'?)"),
    ],
)
def test_a_command_that_does_not_exist_is_refused(
    step: str, name: str, sentence: str, start: Starter, steps: Around
) -> None:
    with pytest.raises(InputError) as caught:
        start(steps(TICKING)).command(step, name, None, moment(0.0))
    assert str(caught.value) == sentence


def test_a_workflow_without_commands_says_so(start: Starter, steps: Around) -> None:
    run = start(steps("- {name: a, type: constant@1}"))
    with pytest.raises(InputError, match=r"\(this workflow has none\)$"):
        run.command("a", "tell", None, moment(0.0))


def test_at_the_stop_what_was_held_back_comes_out(start: Starter, steps: Around) -> None:
    run = start(steps(TICKING))
    run.turn(frame(sequence=4))
    turn = run.stop(moment(2.0))
    assert turn.outputs["total"] == 4.0
    assert "beside" not in turn.outputs
    assert [(event.type, dict(event.data)) for event in turn.events] == [
        ("noted", {"total": 4.0, "camera": "gate"})
    ]


@pytest.mark.parametrize("what", ["tick", "command", "stop"])
def test_a_turn_without_a_frame_that_raises_is_a_failure_and_loses_what_hangs_on_it(
    what: str, start: Starter, steps: Around
) -> None:
    run = start(steps(TICKING.replace("every_s: 10", f"every_s: 10, raises: {what}")))
    turn = turn_without_frame(run, what)
    assert [(f.step, str(f.error)) for f in turn.failures] == [("keep", f"{what} is broken")]
    assert (turn.outputs, turn.events) == ({}, ())


@pytest.mark.parametrize("what", ["tick", "command", "stop"])
def test_a_step_that_says_stop_ends_a_turn_without_a_frame(
    what: str, start: Starter, steps: Around
) -> None:
    run = start(
        steps(TICKING.replace("every_s: 10", f"every_s: 10, on_error: stop, raises: {what}"))
    )
    with pytest.raises(StepError) as caught:
        turn_without_frame(run, what)
    assert str(caught.value) == (
        f"step keep, camera gate, no frame: RuntimeError: {what} is broken"
    )


@pytest.mark.parametrize("what", ["next_at", "awake_until"])
def test_a_step_that_raises_when_it_is_asked_fails_the_next_turn(
    what: str, start: Starter, steps: Around
) -> None:
    run = start(
        steps(f"""
        - {{name: keep, type: keep@1, value: 1, every_s: 5, raises: {what}}}
        - {{name: other, type: keep@1, value: 1, every_s: 3, awake_s: 7}}
        """)
    )
    asked = run.next_at(moment(0.0)) if what == "next_at" else run.awake_until
    assert asked == (3.0 if what == "next_at" else 7.0)
    failures = run.turn(frame()).failures
    assert [(f.step, str(f.error)) for f in failures] == [("keep", f"{what} is broken")]
    assert run.turn(frame()).failures == ()


@pytest.mark.parametrize("after", ["turn", "tick", "stop"])
@pytest.mark.parametrize("what", ["next_at", "awake_until"])
def test_a_step_that_says_stop_and_raises_when_it_is_asked_ends_the_next_turn(
    what: str, after: str, start: Starter, steps: Around
) -> None:
    line = f"- {{name: k, type: keep@1, value: 1, every_s: 5, on_error: stop, raises: {what}}}"
    run = start(steps(line))
    asked = run.next_at(moment(0.0)) if what == "next_at" else run.awake_until
    assert asked is None
    with pytest.raises(StepError, match=rf"^step k, camera gate, .*: {what} is broken$"):
        run.turn(frame()) if after == "turn" else turn_without_frame(run, after)


def turn_without_frame(run: Run, what: str) -> Turn:
    if what == "command":
        return run.command("keep", "tell", None, moment(10.0))
    return run.tick(moment(10.0)) if what == "tick" else run.stop(moment(10.0))


def test_a_step_after_a_tick_that_raises_fails_alone(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: keep, type: keep@1, value: 1, every_s: 10}
        - {name: broken, type: fail@1, when: steps.keep.seen > 0}
        - {name: after, type: add@1, a: $steps.broken.total}
        - {name: note, type: note@1, data: {n: $steps.keep.seen}}
        """)
    )
    turn = run.tick(moment(10.0))
    assert [failure.step for failure in turn.failures] == ["broken"]
    assert [dict(event.data) for event in turn.events] == [{"n": 1}]


def test_a_tick_runs_once_for_each_of_what_it_leads_to(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: keep, type: keep@1, value: $frame.sequence, every_s: 10}
        - {name: parts, type: split@1, count: 2, start: $steps.keep.total}
        - {name: note, type: note@1, data: {v: $steps.parts.values}}
        outputs: {parts: $steps.parts.values}
        """)
    )
    run.turn(frame(sequence=4))
    turn = run.tick(moment(20.0))
    assert turn.outputs == {"parts": (4.0, 5.0)}
    assert [dict(event.data) for event in turn.events] == [{"v": 4.0}, {"v": 5.0}]


def test_a_step_inside_of_another_workflow_ticks_too(start: Starter, steps: Around) -> None:
    sub = """
        version: 1
        name: s
        inputs: {n: {type: number}}
        steps:
        - {name: keep, type: keep@1, value: $inputs.n, every_s: 10}
        - {name: note, type: note@1, data: {total: $steps.keep.total}}
        outputs: {total: $steps.keep.total}
    """
    run = start(
        steps("""
        - {name: s, type: workflow, workflow: s.yaml, n: $frame.sequence}
        - {name: note, type: note@1, data: {twice: "= steps.s.total * 2"}}
        """),
        {"s.yaml": sub},
    )
    run.turn(frame(sequence=4))
    turn = run.tick(moment(20.0))
    assert [(event.subject, dict(event.data)) for event in turn.events] == [
        ("s/note", {"total": 4.0}),
        ("note", {"twice": 8.0}),
    ]


def test_what_a_run_tells_of_an_error_holds_no_secret(start: Starter, steps: Around) -> None:
    run = start(steps("- {name: out, type: send@1, topic: !secret key}"))
    told = run.told(RuntimeError("sent to the secret of key"))
    assert told.startswith("RuntimeError: sent to ")
    assert "the secret" not in told


def test_many_turns_leave_nothing_behind(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: parts, type: split@1, count: 2}
        - {name: twice, type: double@1, value: $steps.parts.values, when: item < 9}
        - {name: sum, type: sum@1, values: $steps.twice.value}
        - {name: keep, type: keep@1, value: $steps.sum.value}
        - {name: broken, type: fail@1}
        outputs: {total: $steps.keep.total, row: {n: $frame.sequence}}
        """)
    )
    given = frame()
    grown = [growth_over(run, given, turns) for turns in (4_000, 5_000, 5_000, 5_000)]
    # Others in this process may take memory meanwhile; turns that leak take it every time.
    assert min(bytes_ for bytes_, _ in grown[1:]) < 400_000
    assert min(objects for _, objects in grown[1:]) < 500


def growth_over(run: Run, given: Frame, turns: int) -> tuple[int, int]:
    """By how many bytes, and objects, the process has grown."""
    gc.collect()
    before = (resident_bytes(), len(gc.get_objects()))
    for _ in range(turns):
        run.turn(given)
    gc.collect()
    return resident_bytes() - before[0], len(gc.get_objects()) - before[1]


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


def no_host() -> Host:
    """A host of which nothing is asked."""
    host: Host = object()  # type: ignore[assignment]  # no block here takes one
    return host
