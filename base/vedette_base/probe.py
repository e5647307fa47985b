"""One stored input and what came out of it at export: proves on any machine that a bundle still computes so.

The input is made from a seed (smooth noise), and of the outputs a few numbers are kept in
``card.parity["probe"]``, so it costs nothing to ship.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette_base.bundle import Bundle
from vedette_base.engine import Engine
from vedette_base.errors import BundleError

TOLERANCES = {"int8": 0.1, "bf16": 0.05, "fp16": 0.01, "fp32": 0.01}
"""Largest difference, as a share of the largest stored output, per precision: instruction sets round
differently, and int8 without VNNI accumulates in 16 bits."""
_SAMPLES = 32
_COARSE = 8


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """``difference`` is the largest one over all kept numbers, as a share of the largest of each output."""

    difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the engine computes what the export computed."""
        return self.difference <= self.tolerance  # False for NaN


def make_probe(
    engine: Engine, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0, *, seed: int = 0
) -> dict[str, Any]:
    """Run the seeded input of ``shape`` (batch first) with values in ``low..high``; what to keep of it."""
    outputs = engine.run(_input(shape, low, high, seed))
    return {
        "shape": list(shape),
        "low": low,
        "high": high,
        "seed": seed,
        "outputs": [[round(float(v), 6) for v in _sample(output)] for output in outputs],
        "peaks": [round(float(np.abs(output).max()), 6) for output in outputs],
    }


def run_probe(bundle: Bundle, engine: Engine) -> ProbeResult | None:
    """Repeat the bundle's probe on ``engine``; None where its card keeps none.

    Raises:
        BundleError: the card's probe is malformed, or outputs of another number or size come back.
    """
    probe = bundle.card.parity.get("probe")
    if probe is None:
        return None
    try:
        given = _input(
            tuple(int(n) for n in probe["shape"]),
            float(probe["low"]),
            float(probe["high"]),
            int(probe["seed"]),
        )
        expected = [np.asarray(values, np.float64) for values in probe["outputs"]]
        peaks = [float(v) for v in probe["peaks"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{bundle.folder}: the probe in its card is malformed ({error})") from error
    found = [_sample(output) for output in engine.run(given)]
    if [f.shape for f in found] != [e.shape for e in expected] or len(peaks) != len(expected):
        raise BundleError(f"{bundle.folder}: the probe gives outputs of another number or size than its card")
    worst = [
        float(np.abs(f - e).max()) / max(peak, 1e-6)
        for f, e, peak in zip(found, expected, peaks, strict=True)
    ]
    return ProbeResult(max(worst), TOLERANCES[bundle.card.precision])


def _input(shape: tuple[int, ...], low: float, high: float, seed: int) -> npt.NDArray[np.float32]:
    """Blocks of uniform noise: unlike white noise they survive the first pooling of a network."""
    small = (*shape[:-2], -(-shape[-2] // _COARSE), -(-shape[-1] // _COARSE))
    noise = np.random.Generator(np.random.PCG64(seed)).random(small)
    large = noise.repeat(_COARSE, axis=-2).repeat(_COARSE, axis=-1)[..., : shape[-2], : shape[-1]]
    return (low + (high - low) * large).astype(np.float32)


def _sample(output: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Numbers spread evenly over an output, at most ``_SAMPLES``."""
    flat = output.reshape(-1).astype(np.float64)
    where = np.linspace(0, flat.size - 1, min(_SAMPLES, flat.size)).astype(int)
    return np.asarray(flat[where], np.float64)
