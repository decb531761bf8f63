"""Choosing a provider and a precision, with children that say what is wanted of them."""

import json
import sys
from pathlib import Path

import pytest

from appliance.inference import providers
from appliance.inference.catalog import ModelError, Precision, load_catalog
from appliance.inference.probe import Measured
from appliance.inference.providers import (
    Choice,
    NotNowError,
    choose_provider,
    providers_in,
)
from appliance.inference.session import CPU, CUDA, OPENVINO, TENSORRT, available_providers
from appliance.inference.store import Store

SHAPE = (1, 3, 300, 300)
SHA256 = "0" * 64
OV_CRASHES = "if openvino: os.abort()"


@pytest.fixture(autouse=True)
def openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a provider that may fail on machines that have none, too: the child decides."""
    monkeypatch.setattr(providers, "available_providers", lambda: [OPENVINO, CPU])
    monkeypatch.setattr(providers, "has_bf16", lambda: False)
    monkeypatch.setattr(providers, "free_mib", lambda: None)


def child(code: str) -> tuple[str, ...]:
    """A probe that knows what is tried, and does what the code says."""
    start = (
        "import json, os, signal, sys\n"
        "trial = json.loads(sys.argv[1])\n"
        f"openvino, bf16 = trial['provider'] == {OPENVINO!r}, trial['precision'] == 'bf16'\n"
        "def say(**measured): print(json.dumps(measured))\n"
    )
    return (sys.executable, "-c", start + code)


def choose(
    tmp_path: Path, code: str, precision: Precision = "auto", order: tuple[str, ...] = ()
) -> Choice:
    return choose_provider(
        tmp_path / "m.onnx",
        SHA256,
        SHAPE,
        tmp_path / "probes",
        child(code),
        order=order,
        precision=precision,
    )


def chosen(tmp_path: Path, code: str) -> tuple[str, str]:
    choice = choose(tmp_path, code)
    return choice.provider, choice.reason


def test_a_provider_that_works_is_chosen_and_not_asked_again(tmp_path: Path) -> None:
    assert chosen(tmp_path, "sys.exit(0)") == (OPENVINO, "")
    assert chosen(tmp_path, "sys.exit(1)") == (OPENVINO, "")


def test_a_provider_that_crashes_is_not_used_and_not_asked_again(tmp_path: Path) -> None:
    assert chosen(tmp_path, OV_CRASHES) == (CPU, "OpenVINO: it crashed (SIGABRT)")
    assert chosen(tmp_path, "sys.exit(0)") == (CPU, "OpenVINO: it crashed (SIGABRT)")


def test_a_provider_that_is_clearly_slower_is_left_out(tmp_path: Path) -> None:
    slow = "say(result_ms=6.0, reference_ms=3.0) if openvino else say(result_ms=3.0)"
    reason = "OpenVINO: it takes 6 ms for a result, CPU 3 ms"
    assert choose(tmp_path, slow) == Choice(CPU, "fp32", reason, {"result_ms": 3.0})


def test_a_provider_that_is_slower_is_taken_where_the_card_names_it_first(tmp_path: Path) -> None:
    slow = "say(result_ms=6.0, reference_ms=3.0)"
    assert choose(tmp_path, slow, order=("openvino", "cpu")).provider == OPENVINO


def test_a_model_that_crashes_everywhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as refused:
        choose(tmp_path, "os.abort()")
    assert not isinstance(refused.value, NotNowError)
    assert str(refused.value) == "nothing here can run it: it crashed (SIGABRT)"


def test_a_refusal_names_what_each_provider_says(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as refused:
        choose(tmp_path, "os.abort() if openvino else sys.exit('no kernel')")
    said = "OpenVINO: it crashed (SIGABRT); CPU: no kernel"
    assert str(refused.value) == f"nothing here can run it: {said}"


def test_a_model_whose_child_is_killed_is_not_loaded_but_asked_again(tmp_path: Path) -> None:
    with pytest.raises(NotNowError, match=r"it cannot be run now: it crashed \(SIGKILL\)"):
        choose(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    assert chosen(tmp_path, "sys.exit(0)") == (OPENVINO, "")


def test_a_model_that_needs_more_memory_than_there_is_is_never_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "free_mib", lambda: 50)
    lacking = "it needs about 60 MiB of memory, 50 are free"
    with pytest.raises(NotNowError, match=lacking):
        choose(tmp_path, "open(trial['model'], 'w')")
    assert not (tmp_path / "m.onnx").exists()


def test_what_was_measured_decides_whether_there_is_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "free_mib", lambda: 100)
    greedy = "say(memory_mib=400 if openvino else 90)"
    reason = "OpenVINO: it needs about 400 MiB of memory, 100 are free"
    assert chosen(tmp_path, greedy) == (CPU, reason)
    monkeypatch.setattr(providers, "free_mib", lambda: 500)
    assert chosen(tmp_path, "sys.exit(1)") == (OPENVINO, "")


def test_a_child_is_told_how_much_memory_it_may_take_and_what_to_compare_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "free_mib", lambda: 700)
    choose(tmp_path, f"open({str(tmp_path / 'told')!r}, 'w').write(sys.argv[1])")
    told = json.loads((tmp_path / "told").read_text())
    assert (told["memory_mib"], told["reference"], told["shape"]) == (700, CPU, list(SHAPE))


BF16 = "say(result_ms=2.0, reference_ms={0}, difference={1}) if bf16 else say(result_ms=4.0)"


@pytest.mark.parametrize(
    ("times", "precision"),
    [
        (BF16.format(4.0, 0.01), "bf16"),
        (BF16.format(4.0, 0.03), "fp32"),
        (BF16.format(2.0, 0.01), "fp32"),
        ("sys.exit(int(bf16))", "fp32"),
    ],
    ids=["as good and faster", "not as good", "not faster", "fails"],
)
def test_auto_is_bf16_where_that_is_as_good_and_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: str, precision: str
) -> None:
    monkeypatch.setattr(providers, "has_bf16", lambda: True)
    assert choose(tmp_path, times).precision == precision


def test_what_bf16_gains_and_loses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "has_bf16", lambda: True)
    choice = choose(tmp_path, BF16.format(4.0, 0.01))
    assert choice.notes == {"result_ms": 2.0, "fp32_ms": 4.0, "difference": 0.01}


def test_who_asks_for_bf16_gets_it_whatever_the_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "has_bf16", lambda: True)
    choice = choose(tmp_path, BF16.format(1.0, 0.9), "bf16")
    assert (choice.provider, choice.precision) == (OPENVINO, "bf16")


def test_bf16_without_a_processor_for_it_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="processor does not compute in bf16"):
        choose(tmp_path, "sys.exit(0)", "bf16")


def test_bf16_without_openvino_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "has_bf16", lambda: True)
    with pytest.raises(ModelError, match="only OpenVINO computes in bf16"):
        choose(tmp_path, "sys.exit(0)", "bf16", ("cpu",))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_other_precisions_are_not_tried_in_bf16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    monkeypatch.setattr(providers, "has_bf16", lambda: True)
    assert choose(tmp_path, "sys.exit(int(bf16))", precision).precision == "fp32"
    assert len(list((tmp_path / "probes").iterdir())) == 1


def test_a_card_names_providers_in_its_order() -> None:
    assert providers_in(("CPU", "OpenVINOExecutionProvider")) == [CPU, OPENVINO]


def test_providers_that_this_build_has_not_are_left_out() -> None:
    assert providers_in(("tensorrt", "cuda", "cpu")) == [CPU]


def test_a_card_that_names_none_of_this_build_is_refused() -> None:
    with pytest.raises(ModelError, match="has no CUDA or Tensorrt, but OpenVINO, CPU"):
        providers_in(("cuda", "tensorrt"))


def test_a_provider_that_does_not_exist_is_named_with_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"no provider 'openvni' .did you mean 'openvino'"):
        providers_in(("openvni",))


def test_graphics_cards_go_first_but_tensorrt_only_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = [TENSORRT, CUDA, OPENVINO, CPU]
    monkeypatch.setattr(providers, "available_providers", lambda: built)
    assert providers_in(()) == [CUDA, OPENVINO, CPU]
    assert providers_in(("tensorrt", "cuda")) == [TENSORRT, CUDA]


@pytest.mark.network
def test_the_demos_model_runs_on_a_provider_there_is(
    demo_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    model = demo_store.path(load_catalog()["people-ssdlite"])
    choice = choose_provider(model, SHA256, SHAPE, tmp_path)
    assert choice.provider in available_providers()
    assert choice.notes["result_ms"] > 0
    assert Measured().result_ms == 0
