"""Blocks are found in installed packages, in ours as in anybody's; what is broken is named."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import blocks
from blocks.loading import GROUP, LoadingError, blocks_in, load_blocks

GOOD = '''
"""A block of a third party."""

from typing import NamedTuple

from blocks.block import Manifest, block


class Nothing(Manifest):
    """No settings."""


class Answer(NamedTuple):
    """The answer."""

    value: int


@block("{type}", Nothing)
class Ask:
    """Knows the answer."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self) -> Answer:
        return Answer(42)


class Heir(Ask):
    """No block of its own: it has not been given a name."""
'''

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package of modules as a distribution with an entry point."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))

    def install_it(distribution: str, package: str, **modules: str) -> None:
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{package} = {package}\n")
        folder = tmp_path / package
        folder.mkdir()
        for name, text in {"__init__": "", **modules}.items():
            (folder / f"{name}.py").write_text(text)

    yield install_it
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_our_own_blocks_are_found_by_their_types_in_order() -> None:
    found = load_blocks()
    assert list(found) == sorted(found)
    assert found["byte_track@1"].cls.__name__ == "ByteTrack"
    assert all(block.type == type_ for type_, block in found.items())


def test_a_package_of_somebody_else_is_found_beside_ours(install: Install) -> None:
    install("their-blocks", "their_blocks", ask=GOOD.format(type="ask@1"))
    found = load_blocks()
    assert found["ask@1"].cls.__module__ == "their_blocks.ask"
    assert "byte_track@1" in found


def test_a_program_in_a_package_is_not_run(install: Install) -> None:
    install("their-blocks", "their_blocks", __main__="raise ValueError('I was run')")
    assert "byte_track@1" in load_blocks()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_"),
        ("raise ValueError('no licence')", "ValueError: no licence"),
        ("raise SystemExit('goodbye')", "SystemExit: goodbye"),
        ("def broken(:", "SyntaxError: invalid syntax"),
        (GOOD.format(type="no version"), "TypeError: Ask: a block's type is name@version"),
    ],
)
def test_a_package_that_cannot_be_loaded_names_its_distribution(
    text: str, reason: str, install: Install
) -> None:
    install("their-blocks", "their_blocks", ask=text)
    with pytest.raises(LoadingError) as caught:
        load_blocks()
    assert str(caught.value).startswith(
        f"the blocks of their-blocks (their_blocks) cannot be loaded: {reason}"
    )


def test_a_package_that_is_not_there_names_its_distribution(
    install: Install, tmp_path: Path
) -> None:
    install("their-blocks", "their_blocks")
    (tmp_path / "their_blocks" / "__init__.py").unlink()
    (tmp_path / "their_blocks").rmdir()
    with pytest.raises(LoadingError, match=r"^the blocks of their-blocks .* No module named"):
        load_blocks()


def test_a_block_that_two_packages_bring_is_refused(install: Install) -> None:
    install("their-blocks", "their_blocks", ask=GOOD.format(type="ask@1"))
    install("other-blocks", "other_blocks", ask=GOOD.format(type="ask@1"))
    with pytest.raises(LoadingError) as caught:
        load_blocks()
    assert str(caught.value) == (
        "the block ask@1 is brought by other-blocks and by their-blocks: "
        "only one of them can be there"
    )


def test_a_block_of_ours_is_not_replaced_by_anybody(install: Install) -> None:
    install("their-blocks", "their_blocks", ask=GOOD.format(type="byte_track@1"))
    with pytest.raises(LoadingError, match="byte_track@1 is brought by their-blocks and by vision"):
        load_blocks()


def test_another_version_of_a_block_may_come_from_elsewhere(install: Install) -> None:
    install("their-blocks", "their_blocks", ask=GOOD.format(type="byte_track@9"))
    assert {"byte_track@1", "byte_track@9"} <= set(load_blocks())


def test_a_single_module_may_hold_blocks(install: Install) -> None:
    install("their-blocks", "their_blocks", __init__=GOOD.format(type="ask@1"))
    package = __import__("their_blocks")
    assert [block.type for block in blocks_in(package)] == ["ask@1"]


def test_the_name_blocks_is_that_of_our_distribution_alone() -> None:
    owners = packages_distributions().get("blocks", ["vision-appliance"])
    assert set(owners) == {"vision-appliance"}
    assert [Path(path).name for path in blocks.__path__] == ["blocks"]
