"""Choosing a provider, with children that really crash."""

import sys
from pathlib import Path

import pytest

from appliance.inference import providers
from appliance.inference.catalog import load_catalog
from appliance.inference.providers import choose_provider
from appliance.inference.session import CPU, OPENVINO, available_providers
from appliance.inference.store import Store

SHAPE = (1, 3, 300, 300)
SHA256 = "0" * 64


@pytest.fixture
def openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a provider that may fail on machines that have none, too: the child decides."""
    monkeypatch.setattr(providers, "available_providers", lambda: [OPENVINO, CPU])


def child(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", "import os, signal, sys\n" + code)


def choose(tmp_path: Path, code: str) -> tuple[str, str]:
    choice = choose_provider(tmp_path / "m.onnx", SHA256, SHAPE, tmp_path / "probes", child(code))
    return choice.provider, choice.reason


@pytest.mark.usefixtures("openvino")
def test_a_provider_that_works_is_chosen_and_not_asked_again(tmp_path: Path) -> None:
    assert choose(tmp_path, "sys.exit(0)") == (OPENVINO, "")
    assert choose(tmp_path, "sys.exit(1)") == (OPENVINO, "")


@pytest.mark.usefixtures("openvino")
def test_a_provider_that_crashes_is_not_used_and_not_asked_again(tmp_path: Path) -> None:
    assert choose(tmp_path, "os.abort()") == (CPU, "it crashed (SIGABRT)")
    assert choose(tmp_path, "sys.exit(0)") == (CPU, "it crashed (SIGABRT)")


@pytest.mark.usefixtures("openvino")
def test_a_provider_that_fails_says_why_in_its_last_line(tmp_path: Path) -> None:
    code = "sys.stderr.write('noise\\nno kernel for this\\n'); sys.exit(1)"
    assert choose(tmp_path, code) == (CPU, "no kernel for this")


@pytest.mark.usefixtures("openvino")
def test_a_provider_that_fails_silently_is_named_by_its_status(tmp_path: Path) -> None:
    assert choose(tmp_path, "sys.exit(3)") == (CPU, "it ended with status 3")


@pytest.mark.usefixtures("openvino")
def test_a_child_killed_from_outside_says_nothing_of_the_model(tmp_path: Path) -> None:
    code = "os.kill(os.getpid(), signal.SIGKILL)"
    assert choose(tmp_path, code) == (CPU, "it crashed (SIGKILL)")
    assert choose(tmp_path, "sys.exit(0)") == (OPENVINO, "")


@pytest.mark.usefixtures("openvino")
def test_a_child_that_never_ends_is_ended_and_asked_again_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as impatient:
        impatient.setattr(providers, "PROBE_TIMEOUT_S", 0.2)
        provider, reason = choose(tmp_path, "signal.pause()")
    assert (provider, reason) == (CPU, "it had not answered after 0.2 seconds")
    assert choose(tmp_path, "sys.exit(0)") == (OPENVINO, "")


@pytest.mark.usefixtures("openvino")
def test_a_verdict_that_cannot_be_read_is_found_anew(tmp_path: Path) -> None:
    choose(tmp_path, "sys.exit(1)")
    (kept,) = (tmp_path / "probes").iterdir()
    kept.write_text("{ not json")
    assert choose(tmp_path, "sys.exit(0)") == (OPENVINO, "")


@pytest.mark.usefixtures("openvino")
def test_a_verdict_holds_for_its_model_and_version_of_onnxruntime_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(tmp_path, "sys.exit(1)")
    monkeypatch.setattr(providers, "runtime_version", lambda: "99.0")
    assert choose(tmp_path, "sys.exit(0)") == (OPENVINO, "")


@pytest.mark.usefixtures("openvino")
def test_where_nothing_can_be_kept_it_is_found_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "probes").write_text("a file where a folder should be")
    assert choose(tmp_path, "sys.exit(0)") == (OPENVINO, "")


def test_where_there_is_only_onnxruntimes_own_provider_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "available_providers", lambda: [CPU])
    assert choose(tmp_path, "os.abort()") == (CPU, "")
    assert not (tmp_path / "probes").exists()


@pytest.mark.network
def test_the_demos_model_runs_on_the_best_provider_there_is(
    demo_store: Store, tmp_path: Path
) -> None:
    model = demo_store.path(load_catalog()["people-ssdlite"])
    chosen = choose_provider(model, SHA256, SHAPE, tmp_path)
    assert (chosen.provider, chosen.reason) == (available_providers()[0], "")
