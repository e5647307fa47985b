"""Which firearm it was: eight-way with twins merged (M4 and M16 of the public set), and nine-way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette_audio.evaluation.measures import Figure, figure, grouped, macro_auc, macro_f1, mean
from vedette_audio.evaluation.scored import Scored
from vedette_base.score import FIREARMS

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """Typed shots with twins merged.

    Attributes:
        names: the merged types, ``"M16 = M4"`` for twins, sorted.
        truth: shape ``(n,)``, number of the true one.
        scores: shape ``(n, types)``; twins take the greater score.
        groups: recording of each.
    """

    names: tuple[str, ...]
    truth: npt.NDArray[np.int64]
    scores: Floats
    groups: list[str]

    @property
    def said(self) -> npt.NDArray[np.int64]:
        """Number of the best type of each."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)


def merged(scored: Scored) -> Merged:
    """The typed shots of ``scored``; only types that occur among them are told apart."""
    typed = scored.only(scored.typed)
    sets = sorted({clip.types for clip in typed.clips})
    columns = [typed.scores[:, [FIREARMS.index(name) for name in names]].max(axis=1) for names in sets]
    truth = np.array([sets.index(clip.types) for clip in typed.clips], np.int64)
    table = np.stack(columns, axis=1) if sets else np.empty((0, 0))
    return Merged(tuple(" = ".join(names) for names in sets), truth, table, typed.groups)


@dataclass(frozen=True, slots=True)
class FirearmFigures:
    """See ``AudioReport``."""

    accuracy_8: Figure
    accuracy_9: Figure
    macro_f1_8: Figure
    macro_f1_9: Figure
    macro_auc_8: Figure


def firearm_figures(scored: Scored, samples: int) -> FirearmFigures:
    """Figures of the typed shots, each recording counting once."""
    typed = scored.only(scored.typed)
    groups = typed.groups
    size = Counter(groups)
    weight = np.array([1.0 / size[group] for group in groups])
    said = typed.scores[:, : len(FIREARMS)].argmax(axis=1)
    right_8 = np.array(
        [FIREARMS[best] in clip.types for best, clip in zip(said, typed.clips, strict=True)], float
    )
    right_9 = np.array(
        [(FIREARMS[best] in names) / len(names) for best, names in zip(said, typed.names, strict=True)]
    )
    eight = merged(scored)
    areas = grouped(np.column_stack([eight.truth, eight.scores]), groups)
    rows_8 = np.column_stack([eight.truth, eight.said if groups else eight.truth, weight])
    return FirearmFigures(
        figure(_per_recording(right_8, groups), mean, samples),
        figure(_per_recording(right_9, groups), mean, samples),
        figure(grouped(rows_8, groups), macro_f1, samples),
        figure(_nine_way(typed, said, weight), macro_f1, samples),
        figure(areas, macro_auc, samples, resampled=lambda rows: macro_auc(rows, forgiving=True)),
    )


def _nine_way(typed: Scored, said: npt.NDArray[np.int64], weight: Floats) -> dict[str, npt.NDArray[Any]]:
    """Rows of every name of every sound: one that lies in two folders can be right in only one of them."""
    rows, groups = [], []
    for clip, names, best, share in zip(typed.clips, typed.names, said, weight, strict=True):
        for name in names:
            rows.append((float(FIREARMS.index(name)), float(best), share / len(names)))
            groups.append(clip.group)
    return grouped(np.array(rows).reshape(-1, 3), groups)


def _per_recording(right: Floats, groups: list[str]) -> dict[str, Floats]:
    """Accuracy within each recording: in the mean of these a long recording counts as much as a short one."""
    return {group: np.array([rows.mean()]) for group, rows in grouped(right, groups).items()}


@dataclass(frozen=True, slots=True)
class Confusion:
    """What was said (columns) of each true type (rows).

    Attributes:
        share: per true type the mean over its recordings of the shares said; rows sum to 1.
        count: clips.
        recordings: of each true type.
    """

    names: tuple[str, ...]
    share: tuple[tuple[float, ...], ...]
    count: tuple[tuple[int, ...], ...]
    recordings: tuple[int, ...]


def confusion(eight: Merged) -> Confusion:
    """The eight-way confusion matrix."""
    kinds = len(eight.names)
    count = np.zeros((kinds, kinds), int)
    share = np.zeros((kinds, kinds))
    recordings = np.zeros(kinds, int)
    if kinds:
        np.add.at(count, (eight.truth, eight.said), 1)
        pairs = np.column_stack([eight.truth, eight.said])
        keys = [f"{group}\n{truth}" for group, truth in zip(eight.groups, eight.truth, strict=True)]
        for rows in grouped(pairs, keys).values():
            share[rows[0, 0]] += np.bincount(rows[:, 1], minlength=kinds) / len(rows)
            recordings[rows[0, 0]] += 1
        share /= np.maximum(recordings, 1)[:, None]
    return Confusion(
        eight.names,
        tuple(tuple(float(v) for v in row) for row in share),
        tuple(tuple(int(v) for v in row) for row in count),
        tuple(int(v) for v in recordings),
    )
