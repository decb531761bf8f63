"""What all sinks have in common: where it goes, and how often at most."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field

from blocks.block import ConnectionName, Manifest, Origin, Template
from blocks.data import Event, Moment

NOTHING: Mapping[str, str | int | float | bool] = MappingProxyType({})
WEEK_S = 7 * 24 * 3600.0


class SinkManifest(Manifest):
    """Settings of every sink."""

    connection: ConnectionName = Field(description="The outside system it goes to.")
    cooldown_s: float = Field(
        default=0.0,
        ge=0,
        le=WEEK_S,
        description="After an event, none for so many seconds of the same step and "
        "`cooldown_key`. What is left out is counted.",
    )
    cooldown_key: Template = Field(
        default="{camera}",
        description="What has a cooldown of its own; may name {camera} {pipeline} {workflow} "
        "{step} {label}.",
    )

    def event(
        self,
        moment: Moment,
        origin: Origin,
        *,
        event_type: str,
        subject: str,
        data: Mapping[str, Any],
        options: Mapping[str, str | int | float | bool] = NOTHING,
    ) -> Event:
        """The event of a step at a moment."""
        key = origin.fill(self.cooldown_key, label=str(data.get("label", "")))
        return Event(
            connection=self.connection,
            type=event_type,
            subject=subject,
            time=moment.captured_at,
            data=data,
            clock=moment.clock,
            cooldown_s=self.cooldown_s,
            # Of several steps that write to the same place, none silences another.
            cooldown_key=f"{origin.pipeline}/{origin.step}/{key}" if self.cooldown_s else "",
            options=options,
        )
