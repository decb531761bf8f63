"""Models as blocks use them, against the bare runtime at its best; and what they cost.

    python -m benchmarks.inference --models FOLDER      # the ONNX files in it, too
    python -m benchmarks.inference --only yolo-net      # those that have this in their name

A card NAME.yaml beside NAME.onnx says what the file does not.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from appliance.inference.models import Models
from appliance.inference.session import CPU, OPENVINO, available_providers, cores
from appliance.inference.store import Store
from appliance.observe.log import set_up_logging
from benchmarks import inference_start
from benchmarks.harness import Benchmark, Options, Variant, main
from benchmarks.inference_bare import Bare, has_bf16, quantized
from benchmarks.inference_subjects import Subject, fresh, names, pictures, subjects
from benchmarks.samples import Goal, Rounds, Series, Values

# Short, so that what is compared is close in time: the speed of a machine drifts within seconds.
SECONDS, SECONDS_IF_QUICK = 0.5, 0.02
SHORT = {OPENVINO: "OpenVINO", CPU: "CPU"}
Call = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Runner:
    """Something that threads call again and again, for some seconds."""

    call: Call
    threads: int
    seconds: float

    def measure(self) -> Values:
        """Calls for each second, and the processor time of each."""
        done = [0] * self.threads
        ready = threading.Barrier(self.threads + 1)

        def loop(thread: int) -> None:
            self.call(thread)
            ready.wait()
            until_s = time.perf_counter() + self.seconds
            while not done[thread] or time.perf_counter() < until_s:
                self.call(thread + self.threads * done[thread])
                done[thread] += 1

        workers = [threading.Thread(target=loop, args=(i,)) for i in range(self.threads)]
        for worker in workers:
            worker.start()
        ready.wait()
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        for worker in workers:
            worker.join()
        wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        return {"speed": sum(done) / wall_s, "cpu": cpu_s / sum(done) * 1000}


def whole(subject: Subject, precision: str, store: Store, callers: int) -> Call:
    """From an image that nobody has looked at before to what a block is given."""
    card = subject.card.model_copy(update={"precision": precision})
    use = subject.use(Models(store, {card.name: card}, {card.name: callers}))
    planes = pictures()
    return lambda number: use(fresh(planes[number % len(planes)]))


def variants_of(
    subject: Subject, store: Store, folder: Path, options: Options
) -> Sequence[Variant]:
    """All that is measured of one model."""
    seconds = SECONDS_IF_QUICK if options.quick else SECONDS
    found: list[Variant] = []

    def add(what: str, threads: int, call: Call) -> None:
        measure = Runner(call, threads, seconds).measure
        found.append(Variant(f"{subject.name}: {what}", measure))

    bare = partial(Bare, subject.path, subject.form)
    for callers, threads in (("one", 1), ("all", cores())):
        add(f"whole fp32, {callers}", threads, whole(subject, "fp32", store, threads))
        for provider in available_providers():
            call = bare(provider, threads).run
            add(f"bare {SHORT[provider]} fp32, {callers}", threads, call)
    if not options.quick:
        add("whole auto, all", cores(), whole(subject, "auto", store, cores()))
        if OPENVINO in available_providers() and has_bf16():
            add("bare OpenVINO bf16, all", cores(), bare(OPENVINO, cores(), bf16=True).run)
        small = quantized(subject.path, subject.form, folder / f"{subject.name}-int8.onnx")
        for provider in available_providers():
            call = Bare(small, subject.form, provider, cores()).run
            add(f"bare {SHORT[provider]} int8, all", cores(), call)
    # Once is enough, and takes as long as all the rest of a round.
    start = cache(partial(inference_start.values, subject, quick=options.quick))
    found.append(Variant(f"{subject.name}: start", start))
    return found


def prepare(
    wanted: Sequence[str], more: Path | None, options: Options, stack: ExitStack
) -> Sequence[Variant]:
    """Get and make the models, and load each as often as it is measured."""
    set_up_logging("console", "WARNING")
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-inference-")))
    store = Store(folder / "state")
    variants: list[Variant] = []
    for subject in subjects(wanted, folder, more, _say):
        _say(f"{subject.name} is measured")
        variants += variants_of(subject, store, folder, options)
    return variants


def share_of_best(name: str, callers: str, rounds: Rounds) -> Series:
    """The speed of the whole path, that of the bare session that is faster in the median being 1.

    Not the faster one of each round: of two that vary by chance that is better than either.
    """
    bare = [
        rounds[f"{name}: bare {SHORT[provider]} fp32, {callers}", "speed"]
        for provider in available_providers()
    ]
    best = max(bare, key=lambda series: series.median)
    return rounds[f"{name}: whole fp32, {callers}", "speed"] / best


def more_for_each(name: str, rounds: Rounds) -> Series:
    """The memory that one pipeline more needs."""
    return rounds[f"{name}: start", "each"]


def goals_of(name: str) -> Sequence[Goal]:
    """What one model should reach."""
    return [
        Goal(
            f"{name}: whole path, all cores, the bare runtime being 1",
            partial(share_of_best, name, "all"),
            "at least",
            0.95,
        ),
        Goal(
            f"{name}: whole path, one caller, the bare runtime being 1",
            partial(share_of_best, name, "one"),
            "at least",
            0.9,
        ),
        Goal(f"{name}: memory of one pipeline more", partial(more_for_each, name), "at most", 5),
    ]


def benchmark(wanted: Sequence[str], more: Path | None) -> Benchmark:
    """The benchmark of these models, of which some may be files of the folder `more`."""
    return Benchmark(
        name="inference",
        about="models as blocks use them, from the image to the result, against the bare runtime; "
        "how soon they start, and their memory",
        units={
            "speed": "frames/s",
            "cpu": "ms/frame",
            "cold": "s",
            "warm": "s",
            "memory": "MiB",
            "each": "MiB",
        },
        prepare=partial(prepare, wanted, more),
        goals=[goal for name in wanted for goal in goals_of(name)],
        rounds=15,
    )


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run it as a command; the exit status. A quick run is of one model."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--models", type=Path, default=None)
    parser.add_argument("--only", default="")
    given, others = parser.parse_known_args(arguments)
    wanted = [name for name in names(given.models) if given.only in name]
    if "--quick" in others:
        wanted = wanted[:1]
    return main(benchmark(wanted, given.models), others)


if __name__ == "__main__":
    sys.exit(run())
