"""How well a chip classifier tells weapons, and what it leaves of the detector's false boxes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette_base.statistics import bootstrap_interval
from vedette_vision.boxes import Floats
from vedette_vision.chips.cut import centre
from vedette_vision.chips.dataset import FALSE, FOUND, KINDS, NO_WEAPON, Chips
from vedette_vision.metrics import auroc
from vedette_vision.verifier import ChipClassifier

KEPT = (0.99, 0.98, 0.95, 0.9)
"""Shares of the detector's true boxes to be kept, for which thresholds are told."""
RESAMPLED = 500
"""Draws of groups for an interval."""
Rows = npt.NDArray[np.float64]


def predict(classifier: ChipClassifier, chips: Chips, batch: int = 64) -> Floats:
    """Probability of a weapon for every chip, shape ``(n,)``."""
    parts = [chips.pixels[i : i + batch] for i in range(0, len(chips), batch)]
    return np.concatenate([classifier.weapon(list(centre(part))) for part in parts])


def evaluate(chips: Chips, chances: Floats, *, threshold: float = 0.5, least: float = 0.2) -> dict[str, Any]:
    """Figures of a classifier, as a document for JSON.

    Args:
        chips: of ``val``.
        chances: of ``predict``.
        threshold: probability from which a chip counts as a weapon.
        least: calibrated probability from which the detector's boxes count, for ``boxes``.

    Returns:
        ``paired``: accuracy, recall, precision, auroc, with 95 % intervals over groups, on labelled
        weapons and as many others; ``subsets``: the same of each subset's share of them; ``kinds``: shares
        that are right; ``boxes``: the detector's true and false boxes before and after the classifier.
    """
    paired = chips.paired
    right = (chances >= threshold) == chips.weapon
    return {
        "chips": {
            "weapons": int((chips.weapon & paired).sum()),
            "others": int((~chips.weapon & paired).sum()),
        },
        "groups": len(np.unique(chips.group[paired])),
        "threshold": threshold,
        "paired": _figures(chips, chances, paired, threshold),
        "subsets": {
            name: _figures(chips, chances, paired & (chips.subset == i), threshold)
            for i, name in enumerate(chips.subsets)
        },
        "kinds": {name: _share(right[chips.kind == i]) for i, name in enumerate(KINDS)},
        "boxes": _boxes(chips, chances, threshold, least),
    }


def write_report(folder: Path, chips: Chips, chances: Floats, document: dict[str, Any]) -> None:
    """Write ``chips.json`` and ``roc.png`` (all, by kind of the others, by subset) to a folder."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # not pyplot: no windows, no state

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chips.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    every = np.ones(len(chips), np.bool_)
    shown = {
        "all": every,
        "look-alikes": chips.weapon | (chips.kind == NO_WEAPON),
        "false boxes": chips.weapon | (chips.kind == FALSE),
    } | {name: chips.subset == i for i, name in enumerate(chips.subsets)}
    for name, chosen in shown.items():
        rows = chips.paired & chosen
        if (rows & ~chips.weapon).any() and (rows & chips.weapon).any():
            wrong, right = roc(chances[rows], chips.weapon[rows])
            area = auroc(chances[rows], chips.weapon[rows])
            style = "-" if name in ("all", "look-alikes", "false boxes") else "--"
            axes.plot(wrong, right, style, label=f"{name}: {area:.3f}")
    axes.plot([0, 1], [0, 1], "k:", linewidth=1)
    axes.set(
        xlabel="share of others taken for weapons", ylabel="share of weapons found", title="Chip classifier"
    )
    axes.grid(alpha=0.3)
    axes.legend(title="weapons against, and subsets (area)", fontsize="small")
    FigureCanvasAgg(figure).print_png(str(folder / "roc.png"))  # type: ignore[no-untyped-call]


def roc(chances: Floats, truth: npt.NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """Shares of others and of weapons at or above each threshold, from none to all; equal scores together."""
    order = np.argsort(-chances, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(chances[order])), len(order) - 1)
    right, wrong = np.cumsum(truth[order])[ends], np.cumsum(~truth[order])[ends]
    shares = (np.concatenate([[0.0], counts / max(1, counts[-1])]) for counts in (wrong, right))
    first, second = shares
    return first, second


def _figures(
    chips: Chips, chances: Floats, chosen: npt.NDArray[np.bool_], threshold: float
) -> dict[str, Any]:
    """How many of each, and every statistic with its interval, of chosen chips."""
    rows = np.stack([chips.weapon, chances], axis=1).astype(np.float64)
    by_group = {g: rows[chosen & (chips.group == i)] for i, g in enumerate(chips.groups)}
    by_group = {g: r for g, r in by_group.items() if len(r)}
    weapons = int((chips.weapon & chosen).sum())
    counts = {"weapons": weapons, "others": int(chosen.sum()) - weapons, "groups": len(by_group)}
    figures: dict[str, Any] = dict(counts)
    for name, statistic in _statistics(threshold).items():
        if not by_group:
            continue
        low, high = bootstrap_interval(by_group, statistic, n=RESAMPLED)
        value = _plain(statistic(rows[chosen]))
        figures[name] = {"value": value, "interval": [_plain(low), _plain(high)]}
    return figures


def _statistics(threshold: float) -> dict[str, Callable[[Rows], float]]:
    def said(rows: Rows) -> npt.NDArray[np.bool_]:
        return np.asarray(rows[:, 1] >= threshold, np.bool_)

    return {
        "accuracy": lambda rows: float((said(rows) == (rows[:, 0] > 0)).mean()),
        "recall": lambda rows: _mean(said(rows)[rows[:, 0] > 0]),
        "precision": lambda rows: _mean(rows[said(rows), 0]),
        "auroc": lambda rows: auroc(rows[:, 1], rows[:, 0] > 0),
    }


def _boxes(chips: Chips, chances: Floats, threshold: float, least: float) -> dict[str, Any]:
    """The detector's boxes from ``least`` on, and how many of them are left at several thresholds."""
    sure = chips.chance >= least
    true, false = chances[sure & (chips.kind == FOUND)], chances[sure & (chips.kind == FALSE)]
    result: dict[str, Any] = {"least": least, "true": len(true), "false": len(false), "after": []}
    wanted = [threshold, *(float(np.quantile(true, 1 - share)) for share in KEPT if len(true))]
    for limit in wanted:
        left = {"threshold": round(limit, 4), "recall_kept": _share(true >= limit)}
        result["after"].append(
            left | {"false": int((false >= limit).sum()), "false_share": _share(false >= limit)}
        )
    result["by_subset"] = {}
    for i, name in enumerate(chips.subsets):
        own = sure & (chips.subset == i)
        kept = own & (chances >= threshold)
        result["by_subset"][name] = {
            kind: [int((own & (chips.kind == k)).sum()), int((kept & (chips.kind == k)).sum())]
            for kind, k in (("true", FOUND), ("false", FALSE))
        }
    return result


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _plain(value: float) -> float | None:
    """For JSON, which knows no NaN."""
    return None if np.isnan(value) else round(value, 4)


def _share(values: npt.NDArray[Any]) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None
