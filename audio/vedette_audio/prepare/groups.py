"""Recordings: which clips were cut out of one, estimated where the publisher does not say.

Publishers cut clips one after the other and number them, so a recording is a run of neighbouring numbers. A
run is held together by what does not change from shot to shot: the shape of the long-term spectrum
(microphone, place, codec) and how far each band swings (reverberation, noise floor), measured in units of
the usual difference between neighbours. Runs are found by exact segmentation: the cut of a class into runs
that minimises the squared distance of each clip from the mean of its run, plus a price per run (Jackson et
al., "An algorithm for optimal partitioning", 2005). Clips that share sound on the waveform are never cut
apart. It is an estimate: the evidence of every cut comes with it.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vedette_audio.prepare.facts import Facts
from vedette_audio.prepare.layouts import Entry
from vedette_audio.prepare.twins import Twin

Array = npt.NDArray[np.float64]

PRICE = 1.6
"""Price of a run in mean squared distances (geometric mean of those to the class and to the source)."""
DEAR = 25.0
"""Greatest price of a run, in median squared steps between neighbours: plain borders are never bridged."""
SHORTEST = 3
"""Clips of the shortest run: of two clips nothing can be told."""
_AXES = 16  # principal directions that are compared; the rest is noise


@dataclass(frozen=True, slots=True)
class Estimate:
    """One estimated recording and the evidence for it.

    Attributes:
        group: its name.
        first, last: file names of its first and last clip; ``clips``: how many.
        spread: root-mean-square distance of its clips' spectra from their mean, dB.
        step: distance of its mean from that of the run before it, dB; 0.0 for the first.
        background_step: the same of the quietest tenth of the frames.
        bandwidth: median, Hz; ``rates``: native rates in Hz.
        overlaps: neighbours in it that share sound on the waveform.
    """

    group: str
    first: str
    last: str
    clips: int
    spread: float
    step: float
    background_step: float
    bandwidth: float
    rates: tuple[int, ...]
    overlaps: int


def estimate_recordings(
    entries: Sequence[Entry], facts: Sequence[Facts], twins: Sequence[Twin] = ()
) -> tuple[list[str], tuple[Estimate, ...]]:
    """Group of each clip, and the evidence. ``twins`` that overlap are never cut apart."""
    rows: dict[tuple[str, int], list[int]] = defaultdict(list)
    for number, entry in sorted(enumerate(entries), key=lambda pair: pair[1].order):
        folder, numbers, _ = entry.order
        rows[folder, numbers[0] if len(numbers) > 1 else 0].append(number)
    groups, found = [""] * len(entries), []
    taken: dict[str, int] = defaultdict(int)
    linked = {(min(t.first, t.second), max(t.first, t.second)) for t in twins if t.kind != "exact"}
    places = _places([[facts[i] for i in row] for row in rows.values()])
    scale = _variance(np.concatenate(places))
    for row, place in zip(rows.values(), places, strict=True):
        shapes = _shapes([facts[i].spectrum for i in row])
        quiet = _shapes([facts[i].background for i in row])
        before = None
        price = min(PRICE * float(np.sqrt(scale * _variance(place))), DEAR * _usual_step(place))
        for run in _runs(place, _joined(row, linked), price):
            members = [row[i] for i in run]
            name = re.sub(r"\W+", "_", entries[members[0]].fine)
            taken[name] += 1
            group = f"{name}_e{taken[name]:02d}"
            for i in members:
                groups[i] = group
            found.append(_evidence(group, members, entries, facts, shapes, quiet, run, before, linked))
            before = run
    return groups, tuple(found)


def known_recordings(
    table: Path, entries: Sequence[Entry], groups: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Groups and sides from a shipped table (``file,class,group,twin,split``); the rest keeps its estimate.

    A clip that the table does not hold, in a run with some that it does, joins the nearest of them.
    """
    with table.open(newline="", encoding="utf-8") as file:
        known = {_key(row["class"], row["file"]): row for row in csv.DictReader(file)}
    rows = [known.get(_key(entry.fine, Path(entry.path).stem)) for entry in entries]
    names, sides = list(groups), [""] * len(entries)
    for i, row in enumerate(rows):
        near = row
        if near is None:
            near = next((rows[j] for j in _around(i, len(rows)) if rows[j] and groups[j] == groups[i]), None)
        if near is not None:
            names[i], sides[i] = near["group"], near["split"]
    return names, sides


def pair_agreement(
    estimated: Sequence[str], named: Sequence[str], classes: Sequence[str]
) -> tuple[float, float]:
    """Precision and recall of "these two are of one recording", over all pairs of clips of a class."""
    one, two, name = (
        np.unique(list(values), return_inverse=True)[1] for values in (estimated, named, classes)
    )
    upper = np.triu(name[:, None] == name[None], 1)
    said, true = (one[:, None] == one[None]) & upper, (two[:, None] == two[None]) & upper
    both = int(np.count_nonzero(said & true))
    return both / max(1, int(np.count_nonzero(said))), both / max(1, int(np.count_nonzero(true)))


def _places(rows: Sequence[Sequence[Facts]]) -> list[Array]:
    """Where each clip lies, ``(clips, axes)`` per row, in units of the difference between neighbours."""
    looks = [
        np.concatenate([_shapes([c.spectrum for c in row]), _shapes([c.swing for c in row])], axis=1)
        for row in rows
    ]
    steps = np.concatenate([np.diff(look, axis=0) for look in looks if len(look)])
    sizes = np.sum(steps**2, axis=1)
    middle = np.concatenate(looks).mean(axis=0)
    usual = (
        steps[sizes <= np.quantile(sizes, 0.7)] if len(steps) else np.zeros((1, middle.size))
    )  # no borders
    spread = usual.T @ usual / len(usual)
    ridge = 0.05 * np.trace(spread) / len(spread) + 1e-9
    even = np.linalg.inv(np.linalg.cholesky(spread + ridge * np.eye(len(spread)))).T
    axes = np.linalg.svd((np.concatenate(looks) - middle) @ even, full_matrices=False)[2][:_AXES].T
    return [(look - middle) @ even @ axes for look in looks]


def _usual_step(place: Array) -> float:
    steps = np.sum(np.diff(place, axis=0) ** 2, axis=1)
    return float(np.median(steps)) if steps.size else 0.0


def _variance(place: Array) -> float:
    return float(np.mean(np.sum((place - place.mean(axis=0)) ** 2, axis=1)))


def _runs(shapes: Array, joined: npt.NDArray[np.bool_], price: float) -> list[list[int]]:
    """Optimal runs of a sequence ``(n, axes)``; no cut where ``joined`` (to the clip before)."""
    count = len(shapes)
    sums = np.concatenate([np.zeros((1, shapes.shape[1])), np.cumsum(shapes, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum(np.sum(shapes**2, axis=1))])
    price = max(price, 1e-9)
    best, begins = np.full(count + 1, np.inf), np.zeros(count + 1, int)
    best[0] = 0.0
    for end in range(1, count + 1):
        for start in range(end):
            if (end - start < SHORTEST and end - start < count) or (start and joined[start]):
                continue
            cost = squares[end] - squares[start] - np.sum((sums[end] - sums[start]) ** 2) / (end - start)
            if best[start] + cost + price < best[end]:
                best[end], begins[end] = best[start] + cost + price, start
    runs, end = [], count
    while end > 0:
        runs.append(list(range(begins[end], end)))
        end = int(begins[end])
    return runs[::-1]


def _joined(row: Sequence[int], linked: set[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    pairs = pairwise(row)
    return np.array([False, *((min(pair), max(pair)) in linked for pair in pairs)])


def _shapes(levels: Sequence[npt.NDArray[np.float32]]) -> Array:
    """Spectra without their loudness, nats."""
    stacked = np.stack(levels).astype(np.float64)
    return np.asarray(stacked - stacked.mean(axis=1, keepdims=True))


def _evidence(
    group: str,
    members: Sequence[int],
    entries: Sequence[Entry],
    facts: Sequence[Facts],
    shapes: Array,
    quiet: Array,
    run: list[int],
    before: list[int] | None,
    linked: set[tuple[int, int]],
) -> Estimate:
    mean = shapes[run].mean(axis=0)
    steps = [
        _decibels(values[run].mean(axis=0) - values[before].mean(axis=0)) if before else 0.0
        for values in (shapes, quiet)
    ]
    return Estimate(
        group=group,
        first=Path(entries[members[0]].path).name,
        last=Path(entries[members[-1]].path).name,
        clips=len(members),
        spread=_decibels(shapes[run] - mean),
        step=steps[0],
        background_step=steps[1],
        bandwidth=float(np.median([facts[i].bandwidth for i in members])),
        rates=tuple(sorted({entries[i].rate or facts[i].rate for i in members})),
        overlaps=int(_joined(members, linked).sum()),
    )


def _decibels(nats: Array) -> float:
    return round(float(np.sqrt(np.mean(nats**2))) * 10 / float(np.log(10)), 1)


def _around(place: int, count: int) -> list[int]:
    """Numbers from the nearest to ``place`` outwards."""
    return sorted((i for i in range(count) if i != place), key=lambda i: (abs(i - place), i))


def _key(name: str, stem: str) -> tuple[str, str]:
    return re.sub(r"\W+|_+", "_", name.lower()), "_".join(re.findall(r"\d+|[a-z]+", stem.lower()))
