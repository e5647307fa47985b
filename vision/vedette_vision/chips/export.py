"""From a training run to a bundle of the chip classifier: OpenVINO, int8 where it gives the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vedette_base.bundle import Bundle, Card, Precision
from vedette_base.engine import Engine
from vedette_base.errors import ParityError
from vedette_base.export import FASTEST_FIRST, export_bundle, to_openvino
from vedette_vision.chips.cut import CHIP, LABELS, MARGIN, centre
from vedette_vision.chips.dataset import Chips
from vedette_vision.chips.network import TRUNK, build, inference_network
from vedette_vision.chips.train import BEST, SETTINGS, load_checkpoint
from vedette_vision.imaging import network_input

CALIBRATION_CHIPS = 200
PARITY_CHIPS = 400
PARITY_ACCURACY = 0.01
"""Largest loss of accuracy that an export may cost."""
PARITY_SCORE = 0.03
"""Largest mean difference of the probability."""
FLOAT_LAYERS = (r".*model\.0/.*", r".*model\.0\..*", r".*model\.10/.*", r".*model\.10\..*")
"""Operations of the trunk to leave in floating point: its first convolution and its attention. They are a
twentieth of the work; with them in int8, probabilities were off by 0.043 in the mean."""
LICENCES = {TRUNK: "AGPL-3.0-or-later (network and start weights by Ultralytics)"}
OWN_LICENCE = "as Vedette; learned from the public picture data sets, no start weights"


def export(
    run: Path,
    data: Chips,
    judged: Chips,
    folder: Path,
    *,
    version: str = "1",
    precisions: Sequence[Precision] = FASTEST_FIRST,
) -> Bundle:
    """Write the bundle of a training run: exported, and checked against PyTorch on real chips.

    Args:
        run: folder of the training.
        data: chips of ``train``: they show int8 the range of every layer.
        judged: chips of ``val``, for parity.
        folder: where the bundle is to be; one already there is replaced when the new one has passed.
        version: of the bundle.
        precisions: what may ship, fastest first.

    Raises:
        DataError: no such run. ParityError: no precision gives what the network gives.
    """
    state = load_checkpoint(run / BEST)
    body = build(state["architecture"])
    body.load_state_dict(state["average"])
    network = inference_network(body)
    inputs = [_input(data, [row]) for row in _spread(len(data), CALIBRATION_CHIPS)]
    settings = run / SETTINGS
    training = {"config": json.loads(settings.read_text(encoding="utf-8"))} if settings.is_file() else {}
    card = Card(
        name="chips",
        task="vision",
        version=version,
        architecture=state["architecture"],
        labels=LABELS,
        input={
            "order": "RGB",
            "range": [0, 1],
            "side": CHIP,
            "margin": MARGIN,
            "layout": "NCHW",
            "mirrored": True,
        },
        training=training | {"step": state["step"]},
        data={"train": data.counts(), "val": judged.counts()},
        metrics={"val_auroc_while_training": round(state["best"], 4)},
        licence=LICENCES.get(state["architecture"], OWN_LICENCE),
    )
    return export_bundle(
        folder,
        card,
        to_openvino(network, inputs[0]),
        check=_Parity(network, judged),
        calibration=inputs,
        network=lambda card: inference_network(build(card.architecture)),
        precisions=precisions,
        ignored_patterns=FLOAT_LAYERS if state["architecture"] == TRUNK else (),
    )


class _Parity:
    """Compares an exported engine with its network on paired chips of ``val``."""

    def __init__(self, network: torch.nn.Module, judged: Chips) -> None:
        paired = np.flatnonzero(judged.paired)
        rows = paired[_spread(len(paired), PARITY_CHIPS)]
        self._truth = judged.weapon[rows]
        self._batches = [_input(judged, rows[i : i + 50]) for i in range(0, len(rows), 50)]
        with torch.no_grad():
            found = [network(torch.from_numpy(batch)).numpy() for batch in self._batches]
        self._expected = np.concatenate(found)[:, 1]

    def __call__(self, engine: Engine) -> Mapping[str, Any]:
        """What was measured; raises ParityError when it is too far off."""
        found = np.concatenate([engine.run(batch)[0] for batch in self._batches])[:, 1]
        difference = float(np.abs(found - self._expected).mean())
        before, after = (
            float(((p >= 0.5) == self._truth).mean()) for p in (self._expected, found)
        )  # fmt: skip
        if not difference <= PARITY_SCORE or not before - after <= PARITY_ACCURACY:
            raise ParityError(
                f"probabilities differ by {difference:.3f} in the mean, "
                f"accuracy {before:.3f} became {after:.3f}"
            )
        return {
            "chips": len(self._truth),
            "mean_difference": round(difference, 5),
            "accuracy_network": round(before, 4),
            "accuracy_export": round(after, 4),
        }


def _spread(count: int, wanted: int) -> Any:
    """About ``wanted`` of ``count`` rows, evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


def _input(chips: Chips, rows: Any) -> Any:
    return network_input(list(centre(chips.pixels[rows])))
