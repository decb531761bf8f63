"""The benchmark of models: its nets, its arithmetic, and that it runs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from appliance.inference.graph import facts_of, problems
from appliance.inference.session import CPU, Session, available_providers
from benchmarks import inference_nets
from benchmarks.inference import SHORT, Runner, more_for_each, share_of_best
from benchmarks.inference_subjects import MODEL, fresh, names, pictures
from benchmarks.machine import Load
from benchmarks.samples import Round, Rounds


@pytest.mark.parametrize(
    ("write", "outputs"),
    [
        (inference_nets.yolo, {"output0": (1, 84, 2100)}),
        (inference_nets.detr, {"logits": (1, 100, 80), "pred_boxes": (1, 100, 4)}),
    ],
)
def test_the_nets_have_the_outputs_of_their_kin_and_find_a_few_things(
    tmp_path: Path, write: Callable[[Path], None], outputs: dict[str, tuple[int, ...]]
) -> None:
    write(path := tmp_path / "net.onnx")
    assert problems(path) == ""
    facts = facts_of(path)
    assert facts is not None
    assert facts.outputs == outputs
    image = np.random.default_rng(seed=0).random((1, 3, 320, 320), np.float32)
    found = Session(path, CPU).run(image)
    if "output0" in found:
        sure = found["output0"][0, 4:].max(axis=0) > 0.5
    else:
        sure = found["logits"][0].max(axis=1) > 0
    assert 1 <= sure.sum() <= 100


def test_the_bare_session_that_is_faster_in_the_median_is_1() -> None:
    bare = [f"net: bare {SHORT[provider]} fp32, all" for provider in available_providers()]
    speeds = [
        {bare[0]: 10.0, bare[-1]: 25.0},
        {bare[0]: 40.0, bare[-1]: 20.0},
        {bare[0]: 10.0, bare[-1]: 20.0},
    ]
    rounds = Rounds(
        {"speed": "frames/s", "each": "MiB"},
        tuple(
            Round(
                {
                    "net: whole fp32, all": {"speed": 10.0},
                    "net: start": {"each": 3.0},
                    **{name: {"speed": speed} for name, speed in each.items()},
                },
                Load(1.0, 1.0, 0.0),
            )
            for each in speeds
        ),
    )
    assert share_of_best("net", "all", rounds).values == (0.4, 0.5, 0.5)
    assert more_for_each("net", rounds).values == (3.0, 3.0, 3.0)


def test_a_runner_calls_with_numbers_of_its_own_for_each_thread() -> None:
    seen: list[int] = []
    values = Runner(seen.append, threads=2, seconds=0.0).measure()
    # Each thread once to warm up, and once that counts.
    assert sorted(seen) == [0, 0, 1, 1]
    assert values["speed"] > 0


def test_each_image_is_one_that_nobody_has_looked_at() -> None:
    (planes, *_) = pictures()
    image = fresh(planes)
    assert (image.width, image.height) == (1280, 720)
    assert not np.shares_memory(image.rgb(32, 32), fresh(planes).rgb(32, 32))


def test_the_files_of_a_folder_are_measured_too(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").touch()
    assert names(None)[0] == MODEL
    assert list(names(tmp_path))[-1] == "mine"


@pytest.mark.usefixtures("demo_store")
def test_it_runs(quick_run: Callable[[str], str]) -> None:
    printed = quick_run("inference")
    for variant in ("whole fp32, one", "whole fp32, all", "bare CPU fp32, all", "start"):
        assert f"\n{MODEL}: {variant}  " in printed
    assert f"{MODEL}: whole path, all cores, the bare runtime being 1" in printed
