"""``Evaluation``: everything that is measured of a sound model, with the conditions it was measured under."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from vedette_audio.evaluate import AudioReport, report, rounded
from vedette_audio.evaluation.curves import (
    Bin,
    Tradeoff,
    reliability,
    reliability_of_types,
    tradeoff,
)
from vedette_audio.evaluation.firearms import Confusion, confusion, merged
from vedette_audio.evaluation.scored import Part, Scored
from vedette_audio.evaluation.sources import (
    Heard,
    NegativeSource,
    OperatingPoint,
    PositiveSource,
    negative_sources,
    operating_points,
    positive_sources,
    worst,
)

_PARTS: dict[Part, str] = {
    "test": "the test third of val: recordings neither trained on nor used for calibration or thresholds",
    "val": "all of val: not trained on, but calibration, thresholds and the choice of weights saw it",
    "all": "every clip of the manifest",
    "out_of_fold": "all in the table, each scored by the model of the fold that did not train on it",
}
_SEEN = "Seen in training, not to be quoted: these figures say nothing about other recordings."
_NO_FOLDS = "Not to be quoted: the table names no folds, so whether it is out of fold is not known."
_LEAKS = (
    "Random folds, not to be quoted but for comparison: clips of one recording were on both sides, "
    "and what is rewarded is remembering its background."
)


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Figures of one model on one set of clips.

    Attributes:
        model, manifest: names, for the reader.
        part: which clips; ``conditions``: what a reader must know, a sentence each.
        warning: why these figures must not be quoted; empty where they may be.
    """

    model: str
    manifest: str
    part: Part
    conditions: tuple[str, ...]
    warning: str
    report: AudioReport
    points: tuple[OperatingPoint, ...]
    positives: tuple[PositiveSource, ...]
    negatives: tuple[NegativeSource, ...]
    confusion: Confusion
    curve: Tradeoff
    curve_others: Tradeoff
    gunshot_reliability: tuple[Bin, ...]
    type_reliability: tuple[Bin, ...]
    missed: tuple[Heard, ...]
    false: tuple[Heard, ...]
    scored: Scored = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: all but the scores of each clip."""
        values = {
            "schema": 1,
            "task": "audio",
            "model": self.model,
            "manifest": self.manifest,
            "part": self.part,
            "quotable": not self.warning,
            "warning": self.warning,
            "conditions": list(self.conditions),
            "figures": asdict(self.report),
            "operating_points": [asdict(point) for point in self.points],
            "positive_sources": [asdict(row) for row in self.positives],
            "negative_sources": [asdict(row) for row in self.negatives],
            "confusion_8": asdict(self.confusion),
            "tradeoff": asdict(self.curve),
            "tradeoff_others": asdict(self.curve_others),
            "reliability": {
                "gunshot": [asdict(bin_) for bin_ in self.gunshot_reliability],
                "types": [asdict(bin_) for bin_ in self.type_reliability],
            },
            "shots_heard_least": [asdict(clip) for clip in self.missed],
            "others_heard_most": [asdict(clip) for clip in self.false],
        }
        found: dict[str, Any] = rounded(values)
        return found


def measure(
    scored: Scored,
    part: Part,
    *,
    model: str,
    manifest: str,
    shipped: float | None = None,
    notes: tuple[str, ...] = (),
    samples: int = 300,
) -> Evaluation:
    """Everything about scored clips.

    Args:
        shipped: probability from which the shipped configuration calls a window a shot, if a model was asked.
        notes: further conditions.
        samples: bootstrap samples per interval.
    """
    eight = merged(scored)
    return Evaluation(
        model=model,
        manifest=manifest,
        part=part,
        conditions=(*_conditions(scored, part, samples), *notes),
        warning=_warning(scored, part),
        report=report(scored, part, samples),
        points=operating_points(scored, samples, shipped),
        positives=positive_sources(scored, samples),
        negatives=negative_sources(scored),
        confusion=confusion(eight),
        curve=tradeoff(scored),
        curve_others=tradeoff(scored.only(~scored.typed)),
        gunshot_reliability=reliability(scored.scores[:, -1], scored.shot),
        type_reliability=reliability_of_types(eight),
        missed=worst(scored, shots=True),
        false=worst(scored, shots=False),
        scored=scored,
    )


def _warning(scored: Scored, part: Part) -> str:
    if part == "out_of_fold":
        return _LEAKS if scored.leaks else "" if scored.folds > 1 else _NO_FOLDS
    return _SEEN if part == "all" else ""


def _conditions(scored: Scored, part: Part, samples: int) -> list[str]:
    found = [f"Clips: {_PARTS[part]}."]
    found.append(
        "Every sound counts once: of sample-identical clips the first is kept, with all their names."
    )
    found.append(
        f"Brackets: 95 % intervals, {samples} bootstrap samples over recordings; rates: exact Poisson."
    )
    if scored.missing:
        found.append(f"{scored.missing} sounds of the manifest are not in the table of scores.")
    return found
