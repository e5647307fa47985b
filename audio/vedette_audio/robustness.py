"""What bad sound costs a model: detection and type under each condition of ``vedette_audio.conditions``.

Every condition is laid on clips with and without shots alike. Windows start every second, half as often as
by default, which doubles the speed and lowers all rows alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette_audio.classify import Classification, GunshotClassifier
from vedette_audio.conditions import Condition, conditions, full_name
from vedette_audio.dataset import Clip
from vedette_audio.evaluation.measures import (
    Figure,
    alarm_threshold,
    auroc,
    average_precision,
    figure,
    grouped,
    mean,
    recall_at,
)
from vedette_audio.evaluation.scored import Part, Sounds
from vedette_audio.scorer import AudioScorer
from vedette_base.bundle import Bundle
from vedette_base.config import AudioConfig
from vedette_base.engine import Backend
from vedette_base.errors import DataError, OutputError
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import FIREARMS

Floats = npt.NDArray[np.float32]
HOP = 1.0
ALARMS = 10.0
"""False alarms per hour at which recall is given."""
_SEED = 1
_CONFIG = AudioConfig(hop=HOP, gate=False, threshold=0.999, follow_threshold=0.999)
"""Every window is scored; no shots are sought, which would ask the network more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One condition.

    Attributes:
        auroc, ap: of ``gunshot`` per clip.
        recall: at ``ALARMS`` false alarms an hour under this very condition.
        recall_fixed, alarms_fixed: recall and false alarms (clips an hour) at the threshold that gives
            ``ALARMS`` as is: what a system does whose threshold nobody moved.
        types: accuracy of the firearm, twins merged, mean over recordings.
    """

    kind: str
    name: str
    auroc: Figure
    ap: Figure
    recall: Figure
    recall_fixed: float | None
    alarms_fixed: float | None
    types: Figure


@dataclass(frozen=True, slots=True)
class Robustness:
    """The table. ``negative_hours`` is all the sound without shots there was."""

    part: str
    clips: int
    recordings: int
    negative_hours: float
    rows: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def evaluate_robustness(
    manifest: str | Path,
    bundle: Bundle,
    *,
    cache: str | Path,
    part: Part = "test",
    backend: Backend = "openvino",
    chosen: Sequence[Condition] | None = None,
    samples: int = 200,
    on_progress: Callable[[int, int], None] | None = None,
) -> Robustness:
    """Measure a bundle under every condition.

    Args:
        cache: folder for decoded sound.
        part: ``test`` (the third of val that nothing was fitted to), ``val`` or ``all``.
        chosen: conditions to measure, the first one being the reference; all of them if None.
        samples: bootstrap samples per interval.
        on_progress: called with clips done and clips in all.

    Raises:
        DataError: no such manifest, an unknown part, or not both kinds of sound in it.
        MissingDependencyError: FFmpeg lacks a codec.
    """
    sounds = Sounds.open(manifest, cache).part(part)
    if len({clip.shot for clip in sounds.clips}) < 2:
        raise DataError(f"{manifest}: part {part!r} needs clips with and without shots")
    wanted = conditions() if chosen is None else tuple(chosen)
    classifier = GunshotClassifier(AudioScorer(bundle, _CONFIG, backend=backend))
    heard: list[list[Classification]] = []
    for number, condition in enumerate(wanted):
        heard.append([])
        for done, sound in enumerate(_changed(sounds, condition), 1):
            heard[-1].append(classifier.classify(sound, SAMPLE_RATE))
            if on_progress is not None:
                on_progress(number * len(sounds.clips) + done, len(wanted) * len(sounds.clips))
    lengths = zip(sounds.seconds(), sounds.clips, strict=True)
    hours = float(sum(seconds for seconds, clip in lengths if not clip.shot)) / 3600
    return Robustness(
        part=part,
        clips=len(sounds.clips),
        recordings=len({clip.group for clip in sounds.clips}),
        negative_hours=round(hours, 4),
        rows=table(wanted, sounds.clips, heard, hours, samples),
    )


def table(
    wanted: Sequence[Condition],
    clips: Sequence[Clip],
    heard: Sequence[Sequence[Classification]],
    hours: float,
    samples: int = 200,
) -> tuple[Row, ...]:
    """One row per condition of what was heard of ``clips`` under it; the first is the reference."""
    found: list[Row] = []
    limit = float("nan")
    for condition, answers in zip(wanted, heard, strict=True):
        rows = np.array([[c.shot, a.gunshot] for c, a in zip(clips, answers, strict=True)], np.float64)
        if not found:
            limit = alarm_threshold(rows, ALARMS, hours)
        by_recording = grouped(rows, [clip.group for clip in clips])
        shot, loud = rows[:, 0] > 0, rows[:, 1] > limit
        found.append(
            Row(
                kind=condition.kind,
                name=condition.name,
                auroc=figure(by_recording, auroc, samples),
                ap=figure(by_recording, average_precision, samples),
                recall=figure(by_recording, lambda r: recall_at(r, ALARMS, hours), samples),
                recall_fixed=float(loud[shot].mean()) if shot.any() else None,
                alarms_fixed=float(loud[~shot].sum() / hours) if hours > 0 else None,
                types=_types(clips, answers, samples),
            )
        )
    return tuple(found)


def draw(found: Robustness, path: str | Path) -> None:
    """Write the table as a picture: four figures per condition, with intervals, the reference as a line.

    Raises:
        OutputError: it cannot be written.
    """
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(11, 7.5), layout="constrained")
    axes = canvas.subplots(1, 4, sharey=True)
    labels = [full_name(row.kind, row.name) for row in found.rows]
    places = np.arange(len(labels))[::-1]
    columns = {
        "AUROC": "auroc",
        "AP": "ap",
        f"recall at {ALARMS:g} false alarms/h": "recall",
        "type": "types",
    }
    for axis, (title, key) in zip(axes, columns.items(), strict=True):
        figures = [getattr(row, key) for row in found.rows]
        values = [np.nan if f.value is None else f.value for f in figures]
        spread = [
            [0.0 if f.value is None or f.low is None else max(0.0, f.value - f.low) for f in figures],
            [0.0 if f.value is None or f.high is None else max(0.0, f.high - f.value) for f in figures],
        ]
        axis.axvline(values[0], color="0.6", linewidth=1)
        colours = [_COLOURS.get(row.kind, "C0") for row in found.rows]
        axis.barh(places, values, color=colours, xerr=spread, error_kw={"elinewidth": 0.8, "ecolor": "0.25"})
        axis.set_title(title, fontsize=10)
        axis.set_xlim(0.5 if key == "auroc" else 0.0, 1.0)
        axis.set_yticks(places, labels)
        axis.grid(axis="x", alpha=0.3)
    what = f"{found.clips} clips of {found.recordings} recordings ({found.part})"
    canvas.suptitle(f"Bad sound: {what}, 95 % over recordings")
    try:
        canvas.savefig(path, dpi=120)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


_COLOURS = {
    "as is": "#444444", "band": "#4477aa", "codec": "#66ccee", "background": "#228833",
    "distance": "#ccbb44", "clipping": "#ee6677",
}  # fmt: skip


def _changed(sounds: Sounds, condition: Condition) -> Iterator[Floats]:
    """Every clip under a condition; the same background and noise for a clip whatever the condition."""
    others = [clip for clip in sounds.clips if not clip.shot]
    for number, clip in enumerate(sounds.clips):
        rng = np.random.default_rng([_SEED, number])
        sound, background = sounds.cache.sound(clip), np.empty(0, np.float32)
        if condition.needs_other:
            foreign = [other for other in others if other.group != clip.group] or others
            background = sounds.cache.sound(foreign[int(rng.integers(len(foreign)))])
        yield condition.change(sound, background, rng)


def _types(clips: Sequence[Clip], answers: Sequence[Classification], samples: int) -> Figure:
    right: dict[str, list[bool]] = {}
    for clip, answer in zip(clips, answers, strict=True):
        if clip.types:
            best = max(FIREARMS, key=answer.types.__getitem__)
            right.setdefault(clip.group, []).append(best in clip.types)
    return figure({group: np.array([np.mean(hits)]) for group, hits in right.items()}, mean, samples)
