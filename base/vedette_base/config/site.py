"""Settings of a watched site: its sources and how likely a threat is there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from vedette_base.config.fusion import Sensitivity
from vedette_base.config.section import OpenProbability, Section


class SiteSource(Section):
    """A camera, a microphone, or both on one clock."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    video: str | None = None
    """Address (``rtsp://...``, ``http://...``), device (``/dev/video0``) or file."""
    audio: str | None = None
    """The same for sound; empty when the sound comes with the video."""
    audio_offset: float = 0.0
    """Seconds by which this sound is late against its picture."""

    @model_validator(mode="after")
    def _has_something(self) -> SiteSource:
        if self.video is None and self.audio is None:
            raise ValueError(f"source {self.name!r} needs video, audio or both")
        return self


class SiteConfig(Section):
    """One site: what ``vedette watch`` opens."""

    name: str = "my site"
    prior: OpenProbability = 0.0025
    """Probability of a threat in a candidate interval here; overrides the fusion's own."""
    sensitivity: Sensitivity = "normal"
    sources: tuple[SiteSource, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> SiteConfig:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError("two sources have the same name")
        return self
