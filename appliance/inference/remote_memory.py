"""What models on servers take and give, remembered for a start while their server is away."""

from pathlib import Path
from typing import NamedTuple

import structlog
from pydantic import TypeAdapter, ValidationError

from appliance.inference.remote_address import Remote
from appliance.inference.remote_tensors import Signature

log = structlog.get_logger(__name__)


class _Kept(NamedTuple):
    server: str
    path: str
    signature: Signature


_KEPT = TypeAdapter(_Kept)


def recall(file: Path | None, remote: Remote) -> Signature | None:
    """What the file says of that model; None if it says nothing of it, or is damaged."""
    if file is None:
        return None
    try:
        kept = _KEPT.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
    same = (kept.server, kept.path) == (remote.address.shown, remote.path)
    return kept.signature if same else None


def remember(file: Path | None, remote: Remote, signature: Signature) -> None:
    """Write it down, all of it or nothing. If that fails, only the log says so."""
    if file is None or recall(file, remote) == signature:
        return
    unfinished = file.with_suffix(".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = _Kept(remote.address.shown, remote.path, signature)
        unfinished.write_bytes(_KEPT.dump_json(kept))
        unfinished.replace(file)
    except OSError as error:
        log.warning("cannot remember what a remote model takes", error=str(error))
