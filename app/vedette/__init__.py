"""Vedette hears gunshots, sees weapons, and fuses both timelines into ranked threat events.

>>> import vedette
>>> analysis = vedette.analyze("clip.mp4")       # doctest: +SKIP
>>> analysis.events[0].kind                      # doctest: +SKIP
'armed_attack'

The vocabulary is imported here; what needs models or media is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vedette_base.errors import (
    BundleError,
    ConfigError,
    DataError,
    InputError,
    MediaError,
    MissingDependencyError,
    NoMediumError,
    OutputError,
    ParityError,
    VedetteError,
)
from vedette_base.score import (
    AUDIO_LABELS,
    FAMILIES,
    FIREARMS,
    LEVELS,
    VISION_LABELS,
    WEAPONS,
    Coverage,
    HeardBurst,
    Ranked,
    Reason,
    Score,
    ScoreBlock,
    Segment,
    Shot,
    ThreatEvent,
    WeaponTrack,
)

if TYPE_CHECKING:
    from vedette.analysis import Analysis
    from vedette.api import Analyzer, analyze
    from vedette.recording import RecordingOptions
    from vedette.timelines import Fuser, fuse
    from vedette_audio.classify import GunshotClassifier
    from vedette_vision.detector import Detection, WeaponDetector

__version__ = "0.1.0"

_LAZY = {
    "Analysis": "vedette.analysis",
    "Analyzer": "vedette.api",
    "Detection": "vedette_vision.detector",
    "Fuser": "vedette.timelines",
    "GunshotClassifier": "vedette_audio.classify",
    "RecordingOptions": "vedette.recording",
    "WeaponDetector": "vedette_vision.detector",
    "analyze": "vedette.api",
    "fuse": "vedette.timelines",
}

__all__ = [
    "AUDIO_LABELS",
    "FAMILIES",
    "FIREARMS",
    "LEVELS",
    "VISION_LABELS",
    "WEAPONS",
    "Analysis",
    "Analyzer",
    "BundleError",
    "ConfigError",
    "Coverage",
    "DataError",
    "Detection",
    "Fuser",
    "GunshotClassifier",
    "HeardBurst",
    "InputError",
    "MediaError",
    "MissingDependencyError",
    "NoMediumError",
    "OutputError",
    "ParityError",
    "Ranked",
    "Reason",
    "RecordingOptions",
    "Score",
    "ScoreBlock",
    "Segment",
    "Shot",
    "ThreatEvent",
    "VedetteError",
    "WeaponDetector",
    "WeaponTrack",
    "analyze",
    "fuse",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'vedette' has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value  # found at once the next time
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
