"""What every configuration model has in common, and the kinds of number it uses."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
"""A probability or share, 0..1."""
OpenProbability = Annotated[float, Field(gt=0.0, lt=1.0)]
"""A probability whose log-odds are finite."""
Seconds = Annotated[float, Field(gt=0.0, le=3600.0)]
"""A span of time in seconds, above 0."""
Delay = Annotated[float, Field(ge=0.0, le=3600.0)]
"""A span of time in seconds that may be 0."""
Count = Annotated[int, Field(ge=1, le=1_000_000)]
"""A number of things, at least one."""


class Section(BaseModel):
    """A frozen group of settings that knows all its keys: an unknown one is an error, never ignored."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True, protected_namespaces=()
    )
