"""Trials, with children that really crash."""

import sys
from pathlib import Path

import pytest

from appliance.inference import trials
from appliance.inference.probe import VERSION, Measured, Trial
from appliance.inference.session import CPU, OPENVINO
from appliance.inference.trials import Verdict, find_out, recalled, verdicts

SHA256 = "0" * 64
MEASURED = '{"result_ms": 2.5, "memory_mib": 7}'


def trial(provider: str = OPENVINO, shape: tuple[int, ...] = (1, 3, 8, 8)) -> Trial:
    return Trial(model=Path("m.onnx"), provider=provider, shape=shape)


def find(folder: Path, code: str, given: Trial | None = None) -> Verdict:
    command = (sys.executable, "-c", "import os, signal, sys\n" + code)
    return find_out(given or trial(), SHA256, folder, command)


def test_what_a_child_measured_is_its_last_line(tmp_path: Path) -> None:
    verdict = find(tmp_path, f"print('noise of a library'); print({MEASURED!r})")
    assert verdict.works
    assert verdict.measured == Measured(result_ms=2.5, memory_mib=7)
    assert recalled(trial(), SHA256, tmp_path) == verdict


def test_a_child_that_crashes_is_remembered(tmp_path: Path) -> None:
    verdict = find(tmp_path, "os.abort()")
    assert (verdict.ending, verdict.reason) == ("fails", "it crashed (SIGABRT)")
    assert recalled(trial(), SHA256, tmp_path) == verdict


def test_what_another_version_found_is_found_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = find(tmp_path, f"print({MEASURED!r})")
    assert verdicts(SHA256, tmp_path) == [verdict]
    (kept,) = tmp_path.iterdir()
    monkeypatch.setattr(trials, "VERSION", VERSION + 1)
    assert verdicts(SHA256, tmp_path) == []
    assert recalled(trial(), SHA256, tmp_path) is None
    # Nor if it lies where this version's would.
    newer = find(tmp_path, f"print({MEASURED!r})")
    (ours,) = set(tmp_path.iterdir()) - {kept}
    assert recalled(trial(), SHA256, tmp_path) == newer
    ours.write_bytes(kept.read_bytes())
    assert recalled(trial(), SHA256, tmp_path) is None
    ours.write_text(newer.model_dump_json(exclude={"version"}))
    assert recalled(trial(), SHA256, tmp_path) is None


def test_a_child_that_fails_says_why_in_its_last_line(tmp_path: Path) -> None:
    code = "sys.stderr.write('noise\\nno kernel for this\\n'); sys.exit(1)"
    assert find(tmp_path, code).reason == "no kernel for this"


def test_a_child_that_fails_silently_is_named_by_its_status(tmp_path: Path) -> None:
    assert find(tmp_path, "sys.exit(3)").reason == "it ended with status 3"


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "unclear"),
        ("sys.stderr.write('std::bad_alloc\\n'); os.abort()", "no memory"),
        ("raise MemoryError", "no memory"),
    ],
)
def test_what_says_nothing_of_the_model_is_not_remembered(
    tmp_path: Path, code: str, ending: str
) -> None:
    assert find(tmp_path, code).ending == ending
    assert recalled(trial(), SHA256, tmp_path) is None


def test_a_child_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "PROBE_TIMEOUT_S", 0.2)
    verdict = find(tmp_path, "signal.pause()")
    assert verdict.ending == "unclear"
    assert verdict.reason == "it had not answered after 0.2 seconds"


def test_a_verdict_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    find(tmp_path, "sys.exit(0)")
    (kept,) = tmp_path.iterdir()
    kept.write_text("{ not json")
    assert recalled(trial(), SHA256, tmp_path) is None
    assert verdicts(SHA256, tmp_path) == []


def test_a_verdict_holds_for_its_model_input_precision_runtime_and_processor_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find(tmp_path, "sys.exit(0)")
    fewer = trial().model_copy(update={"precision": "bf16"})
    assert recalled(trial(), SHA256, tmp_path) is not None
    assert recalled(trial(), "1" * 64, tmp_path) is None
    assert recalled(trial(shape=(1, 3, 9, 9)), SHA256, tmp_path) is None
    assert recalled(fewer, SHA256, tmp_path) is None
    with monkeypatch.context() as later:
        later.setattr(trials, "runtime_version", lambda: "99.0")
        assert recalled(trial(), SHA256, tmp_path) is None
    monkeypatch.setattr(trials, "processor_flags", lambda: ["another"])
    assert recalled(trial(), SHA256, tmp_path) is None


def test_all_that_is_known_of_a_model_can_be_shown(tmp_path: Path) -> None:
    find(tmp_path, "os.abort()")
    find(tmp_path, "sys.exit(0)", trial(CPU))
    known = [(verdict.provider, verdict.works) for verdict in verdicts(SHA256, tmp_path)]
    assert known == [(CPU, True), (OPENVINO, False)]
    assert verdicts("1" * 64, tmp_path) == []
    assert verdicts(SHA256, tmp_path / "not there") == []


def test_where_nothing_can_be_kept_it_is_found_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "probes").write_text("a file where a folder should be")
    assert find(tmp_path / "probes", "sys.exit(0)").works
