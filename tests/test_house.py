"""The rules of this house that no linter knows; each failure is a list of what is to be done."""

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_type_hints

import pytest

from appliance.engine.annotations import members
from appliance.engine.definition import STEP_KEYS
from appliance.engine.errors import DefinitionError
from appliance.engine.plan import load_plan
from blocks.block import BlockType
from blocks.data import Event
from blocks.loading import load_blocks

ROOT = Path(__file__).parents[1]
SOURCES = ("appliance", "blocks", "benchmarks")
FORBIDDEN_NAMES = {
    "utils", "helpers", "common", "manager", "base", "misc", "core", "types", "impl",
}  # fmt: skip
LONGEST_FUNCTION = 60
LONGEST_FILE = 400
# A test file is a list of cases, and is read a case at a time.
LONGEST_TEST_FILE = 600
LONGEST_DECISION = 30

# Each with its reason.
WITHOUT_TEST: dict[str, str] = {
    "appliance/video/source.py": "what a source is, in words and fields; it does nothing",
    "appliance/inference/choosing.py": "tested with what it chooses from: test_quantization.py",
    "appliance/inference/quantizer.py": "a program, run by the tests of quantization.py",
    "appliance/inference/rating.py": "a program, run by the tests of bench.py",
    **{
        f"benchmarks/inference_{part}.py": "a part of benchmarks/inference.py, and run with it"
        for part in ("bare", "nets", "start", "subjects")
    },
    **{
        f"benchmarks/video_{part}.py": "a part of benchmarks/video.py, and run with it"
        for part in (
            "baselines",
            "blocks",
            "cell",
            "clips",
            "costs",
            "load",
            "scenarios",
            "site",
            "skipping",
            "table",
        )
    },
}
WITHOUT_SOURCE = {
    "tests/appliance/delivery/transports/test_sql_servers.py": "databases against real servers",
    "tests/appliance/engine/test_broken_files.py": "all of the engine, given files that are broken",
    "tests/appliance/engine/test_expressions_fuzz.py": "expressions made by chance",
    "tests/appliance/engine/test_mistakes.py": "every kind of mistake with its whole message",
    "tests/appliance/engine/test_properties.py": "all of the engine against a naive interpreter",
    "tests/appliance/inference/families/test_networks.py": "networks of random weights, by family",
    "tests/appliance/inference/test_bad_models.py": "every kind of bad model, by what is used",
    "tests/appliance/pipelines/test_lane_ages.py": "lanes in time, with permits and late frames",
    "tests/appliance/pipelines/test_lane_late.py": "lanes whose models have no time for a frame",
    "tests/appliance/pipelines/test_simulation.py": "a site in virtual time, which lies beside it",
    "tests/appliance/test_daemon_models.py": "a daemon while its models load, fail and are shared",
    "tests/appliance/video/test_rtsp.py": "the reader against a real RTSP server",
    "tests/blocks/test_examples.py": "the examples of all blocks",
}
WITHOUT_BLOCK = {
    "blocks/images/canvas.py": "how things are drawn, for the blocks that draw",
    "blocks/models/filtering.py": "what of a detector's finds a step wants",
    "blocks/models/finding.py": "how a step asks a detector",
    "blocks/models/labels.py": "the labels that a step names",
    "blocks/models/patterns.py": "expressions that cannot take for ever",
    "blocks/models/region.py": "the part of the image to look at",
    "blocks/models/seams.py": "pieces of things on both sides of a seam of slices",
    "blocks/models/slicing.py": "small things in large images",
    "blocks/sinks/sink.py": "what all sinks have in common",
    "blocks/tracking/kalman.py": "the filter of the trackers",
}
LONG_FILES = {
    "tests/appliance/engine/test_mistakes.py": "every kind of mistake, in one list",
}
# What a machine may lack; anywhere else a test that cannot run is a failure.
MAY_SKIP = {
    "tests/appliance/inference/conftest.py": "a clip comes from Debian's packages",
    "tests/appliance/inference/test_packages.py": "they are of Debian's tools",
    "tests/appliance/inference/test_probe.py": "OpenVINO is for one kind of processor",
    "tests/appliance/inference/test_session.py": "OpenVINO is for one kind of processor",
}


def tracked(*suffixes: str) -> list[Path]:
    """The files of the project that git does not ignore, by their ends."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [Path(name) for name in sorted(set(listed.split("\0"))) if name]
    return [p for p in paths if (ROOT / p).is_file() and (not suffixes or p.suffix in suffixes)]


def python_of(*tops: str) -> list[Path]:
    return [path for path in tracked(".py") if path.parts[0] in tops]


def test_every_source_file_has_its_test_file() -> None:
    missing = [
        f"{path}: has no {place_of_test(path)}"
        for path in python_of(*SOURCES)
        if path.name != "__init__.py"
        and str(path) not in WITHOUT_TEST
        and not (ROOT / place_of_test(path)).is_file()
    ]
    assert not missing, "\n" + "\n".join(missing)


def test_every_test_file_has_its_source_file() -> None:
    alone = [
        f"{path}: tests no file of that name"
        for path in python_of("tests")
        if path.name.startswith("test_")
        and path.parts[1] in SOURCES
        and str(path) not in WITHOUT_SOURCE
        and not (ROOT / Path(*path.parts[1:-1]) / path.name.removeprefix("test_")).is_file()
    ]
    assert not alone, "\n" + "\n".join(alone)


def test_no_exception_outlives_its_reason() -> None:
    lists = (WITHOUT_TEST, WITHOUT_SOURCE, WITHOUT_BLOCK, LONG_FILES, MAY_SKIP)
    gone = [
        f"{name}: is not there any more" for name in merged(lists) if not (ROOT / name).exists()
    ]
    gone += [
        f"{name}: has its test now"
        for name in WITHOUT_TEST
        if (ROOT / place_of_test(Path(name))).is_file()
    ]
    gone += [
        f"{name}: is short now"
        for name in LONG_FILES
        if lines_of(name) <= allowed_lines(Path(name))
    ]
    assert not gone, "\n" + "\n".join(gone)


def test_tests_are_no_packages() -> None:
    assert not [str(path) for path in python_of("tests") if path.name == "__init__.py"]


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    bad = [
        f"{path}: say what it is, not that it is '{word}'"
        for path in tracked()
        for word in sorted({part.partition(".")[0].removeprefix("test_") for part in path.parts})
        if word in FORBIDDEN_NAMES
    ]
    assert not bad, "\n" + "\n".join(bad)


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{path}:{node.lineno}: {node.name} has {length} lines; {LONGEST_FUNCTION} are enough"
        for path in python_of(*SOURCES)
        for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not long, "\n" + "\n".join(long)


def test_long_files_have_a_reason() -> None:
    long = [
        f"{path}: has {lines_of(path)} lines; part it, or give the reason in LONG_FILES"
        for path in python_of(*SOURCES, "tests")
        if lines_of(path) > allowed_lines(path) and str(path) not in LONG_FILES
    ]
    assert not long, "\n" + "\n".join(long)


def test_what_silences_a_tool_has_a_reason() -> None:
    mark = re.compile(r"# (?:noqa: [A-Z0-9, ]+|type: ignore(?:\[[a-z, -]+\])?)\s*$")
    bare = [
        f"{path}:{number}: say why: {line.strip()}"
        for path in python_of(*SOURCES, "tests")
        for number, line in enumerate((ROOT / path).read_text("utf-8").splitlines(), 1)
        if mark.search(line)
    ]
    assert not bare, "\n" + "\n".join(bare)


def test_no_test_is_skipped_unless_a_machine_may_lack_what_it_needs() -> None:
    words = re.compile(r"pytest\.(mark\.(skip|skipif|xfail)\b|skip\(|importorskip|xfail\()")
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in python_of("tests")
        if str(path) not in MAY_SKIP and path != Path(__file__).relative_to(ROOT)
        for number, line in enumerate((ROOT / path).read_text("utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert not found, "\n" + "\n".join(found)


def test_no_file_names_an_index_of_packages_or_a_place_on_somebodys_machine() -> None:
    hosts = [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("anaconda", "org")]
    signs = [".".join(parts) for parts in hosts]
    signs += [f"/{folder}/" for folder in ("home", "root", "work", "Users")]
    found = []
    for path in tracked():
        text = (ROOT / path).read_bytes().decode("utf-8", "replace")
        if path == Path(__file__).relative_to(ROOT):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            found += [f"{path}:{number}: names {sign}" for sign in signs if sign in line]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "LICENSE", "docs/architecture.md", "docs/decisions"]
)
def test_what_a_reader_looks_for_first_is_there(name: str) -> None:
    assert (ROOT / name).exists(), f"{name} is missing"


def test_decisions_are_numbered_without_gaps_and_short() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:5] for page in pages] == [f"{i:04}-" for i in range(1, len(pages) + 1)]
    long = [
        f"{page.relative_to(ROOT)}: has {lines_of(page)} lines; {LONGEST_DECISION} are enough"
        for page in pages
        if lines_of(page) > LONGEST_DECISION
    ]
    assert not long, "\n" + "\n".join(long)


def test_a_block_file_registers_one_block_of_its_own_name(
    installed: Mapping[str, BlockType],
) -> None:
    registered = Counter(block.cls.__module__ for block in installed.values())
    wrong = [
        f"{path}: registers {registered[module]} blocks"
        for path in python_of("blocks")
        if len(path.parts) > 2
        and path.name != "__init__.py"
        and registered[module := ".".join(path.with_suffix("").parts)]
        != (0 if str(path) in WITHOUT_BLOCK else 1)
    ]
    wrong += [
        f"{block.cls.__module__}: registers {type_}, which is to stand in {block.name}.py"
        for type_, block in installed.items()
        if block.cls.__module__.split(".")[-1] != block.name
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_a_block_says_what_everything_in_it_is(installed: Mapping[str, BlockType]) -> None:
    silent = [line for block in installed.values() for line in unsaid(block)]
    assert not silent, "\n" + "\n".join(silent)


def test_no_setting_or_input_has_the_name_of_a_key_of_steps(
    installed: Mapping[str, BlockType],
) -> None:
    clashes = [
        f"{type_}: '{name}' is a key of every step"
        for type_, block in installed.items()
        for name in (*block.manifest.model_fields, *block.inputs)
        if name in STEP_KEYS
    ]
    assert not clashes, "\n" + "\n".join(clashes)


def test_every_workflow_that_ships_is_right(installed: Mapping[str, BlockType]) -> None:
    files = [path for path in tracked(".yaml", ".yml", ".json") if path.parts[0] == "workflows"]
    files = [path for path in files if not path.name.endswith(".schema.json")]
    assert files
    refused = []
    for path in files:
        try:
            plan = load_plan((ROOT / path).read_text("utf-8"), str(path), installed)
        except DefinitionError as error:
            refused.append(str(error))
            continue
        if plan.name != path.stem:
            refused.append(f"{path}: is called {plan.name} inside")
    assert not refused, "\n" + "\n".join(refused)


@pytest.fixture(scope="module")
def installed() -> Mapping[str, BlockType]:
    """Our own blocks, without those of other packages that may be installed."""
    return {t: b for t, b in load_blocks().items() if b.cls.__module__.startswith("blocks.")}


def unsaid(block: BlockType) -> Iterable[str]:
    """What a block leaves without a word of explanation."""
    manifest = block.manifest
    returned = members(get_type_hints(block.cls.run)["return"])
    documented = [block.cls, manifest, *(t for t in returned if t not in (Event, type(None)))]
    for cls in documented:
        # A NamedTuple without words of its own gets its signature for a docstring.
        if (vars(cls).get("__doc__") or f"{cls.__name__}(").startswith(f"{cls.__name__}("):
            yield f"{block.type}: the class {cls.__name__} has no docstring"
    if not block.cls.run.__doc__:
        yield f"{block.type}: its run has no docstring"
    for name, field in manifest.model_fields.items():
        if not field.description:
            yield f"{block.type}: the setting {name} has no description"


def place_of_test(path: Path) -> Path:
    return Path("tests", path.parent, f"test_{path.name}")


def lines_of(path: Path | str) -> int:
    return len((ROOT / path).read_text("utf-8").splitlines())


def allowed_lines(path: Path) -> int:
    return LONGEST_TEST_FILE if path.parts[0] == "tests" else LONGEST_FILE


def merged(lists: Iterable[Mapping[str, str]]) -> list[str]:
    return [name for reasons in lists for name in reasons]
