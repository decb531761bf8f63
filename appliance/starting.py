"""The runs of all pipelines, made before anything runs: what cannot start is told, and left out."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, get_args

import structlog

from appliance.engine.errors import DefinitionError
from appliance.engine.plan import Plan
from appliance.engine.run import Run
from appliance.engine.shared import Shared
from appliance.inference.models import Lending
from appliance.settings import Settings
from blocks.block import Origin
from blocks.data import Image

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """A run for each pipeline and camera; and the pipelines that cannot start, and why."""

    runs: list[tuple[str, str, Run]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def begin(
    settings: Settings,
    plans: Mapping[str, Plan],
    lending: Lending,
    timer: Callable[[], float],
    *,
    pictures: bool,
) -> Begun:
    """Make the runs. Outputs that are pictures are only made where `pictures` are asked for.

    A pipeline that cannot start, as for a damaged model, does not stop the others.

    Raises:
        DefinitionError: none can start; why the last of them cannot.
    """
    told = [warning for plan in plans.values() for warning in plan.told(plan.warnings)]
    for warning in dict.fromkeys(told):
        log.warning(
            "probably not meant", at=str(warning.mark), where=warning.where, what=warning.what
        )
    begun = Begun()
    for name, plan in plans.items():
        types = plan.output_types.items()
        taken = [output for output, kind in types if pictures or not is_picture(kind)]
        inputs = settings.pipelines[name].inputs
        runs = []
        try:
            shared = _shared(name, plan, inputs, lending)
            for camera in settings.pipelines[name].cameras:
                origin, host = Origin(plan.name, name, camera, ""), lending.host()
                run = plan.start(inputs, host, origin, timer, taken, shared=shared)
                runs.append((name, camera, run))
        except DefinitionError as error:
            begun.refused[name] = str(error)
            if len(begun.refused) == len(plans):
                raise
        else:
            begun.runs.extend(runs)
    for name, sentence in begun.refused.items():
        log.error("pipeline not started", pipeline=name, error=sentence)
    return begun


def _shared(name: str, plan: Plan, inputs: Mapping[str, Any], lending: Lending) -> Shared | None:
    """The blocks of a pipeline that stand for all its cameras, under one lock."""
    if not plan.shared:
        return None
    origin = Origin(plan.name, name, "*", "")
    return plan.share(inputs, lending.host(), origin, threading.Lock())


def is_picture(annotation: Any) -> bool:
    """Whether values of this type are pictures, or many of them."""
    parts = [part for part in get_args(annotation) if part not in (Ellipsis, NoneType)]
    return annotation is Image or (bool(parts) and all(map(is_picture, parts)))
