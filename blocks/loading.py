"""Finding blocks: every package that names itself in the entry point group `appliance.blocks`."""

import importlib
import inspect
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from blocks.block import BlockType

GROUP = "appliance.blocks"


class LoadingError(Exception):
    """A package of blocks that cannot be used; the message names its distribution."""


def load_blocks() -> dict[str, BlockType]:
    """All installed blocks by their type, `name@version`.

    Raises:
        LoadingError: a package cannot be imported, or two packages bring the same block.
    """
    found: dict[str, BlockType] = {}
    brought_by: dict[str, str] = {}
    for entry in entry_points(group=GROUP):
        distribution = entry.dist.name if entry.dist else entry.value
        for block in _blocks_of(entry, distribution):
            if block.type in found:
                both = sorted((brought_by[block.type], distribution))
                raise LoadingError(
                    f"the block {block.type} is brought by {' and by '.join(both)}: "
                    "only one of them can be there"
                )
            found[block.type] = block
            brought_by[block.type] = distribution
    return dict(sorted(found.items()))


def _blocks_of(entry: EntryPoint, distribution: str) -> list[BlockType]:
    try:
        return blocks_in(importlib.import_module(entry.value))
    except (Exception, SystemExit) as error:
        raise LoadingError(
            f"the blocks of {distribution} ({entry.value}) cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error


def blocks_in(package: ModuleType) -> list[BlockType]:
    """The blocks defined in a module and, where it is a package, in all modules below it."""
    modules = [package]
    for info in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}."):
        # A __main__ is a program: importing it would run it.
        if not info.name.endswith(".__main__"):
            modules.append(importlib.import_module(info.name))
    return [
        vars(cls)["block_type"]
        for module in modules
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and "block_type" in vars(cls)
    ]
