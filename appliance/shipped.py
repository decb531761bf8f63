"""Files that ship beside the code: workflows, the settings file, lock files."""

from importlib import resources
from pathlib import Path


def shipped(name: str) -> Path:
    """The place of a shipped file or folder, such as `workflows/people-count.yaml`.

    In an installed wheel it lies in `appliance/share`, in a checkout at the root.
    """
    package = Path(str(resources.files("appliance")))
    installed = package / "share" / name
    return installed if installed.exists() else package.parent / name
