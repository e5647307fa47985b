"""How well sound could be heard: lowered for narrow bands and lasting overload."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette_audio.features import F_MIN, FLOOR, mel_hertz

Floats = npt.NDArray[np.float32]
_ABOVE_FLOOR = 1.5  # nats (6.5 dB) above the floor: there is something in the band
_EVERY = 4  # of the frames are enough to tell a band, in a quarter of the time
_SPAN = 16.0  # nats (70 dB) below the strongest band: what lies lower is rounding and codec residue


def quality(log_mels: Floats, sound: Floats) -> float:
    """0..1 for one window: log mels ``(MELS, frames)`` and its samples.

    A band up to 8 kHz counts in full, a telephone line (3.4 kHz) about two thirds; overload counts only when
    it lasts (a close shot may well clip): from 2 % of the samples at the limit, down to half at 30 %.
    """
    loud = np.quantile(log_mels[:, ::_EVERY], 0.95, axis=1)
    heard = np.flatnonzero((loud > np.log(FLOOR) + _ABOVE_FLOOR) & (loud > loud.max() - _SPAN))
    top = mel_hertz()[heard[-1] + 1] if heard.size else F_MIN
    band = np.interp(top, [500.0, 3400.0, 8000.0], [0.3, 0.65, 1.0])
    peak = float(np.abs(sound).max()) if sound.size else 0.0
    stuck = float(np.mean(np.abs(sound) >= 0.999 * peak)) if peak > 0.05 else 0.0
    return float(band * np.interp(stuck, [0.02, 0.3], [1.0, 0.5]))
