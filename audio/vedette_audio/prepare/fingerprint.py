"""An acoustic fingerprint: landmarks to find candidates, a whitened waveform to be sure of them.

Landmarks are pairs of spectral peaks (Wang, "An industrial-strength audio search algorithm", ISMIR 2003):
they survive gain, codecs and resampling, and two clips that share many at one offset share sound. Whether
they do is then decided on the waveform: cross-correlation of the whitened band from 300 to 3400 Hz, which is
near 1 for the same recording, wherever the cut lies, and near 0 for another shot in the same place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

WAVE_RATE = 8_000  # Hz
_N_FFT, _HOP = 1024, 256
_TOP_HZ = 3_500.0
_PEAKS_PER_S = 30
_FAN = 5  # later peaks that each peak is paired with
_REACH = 64  # frames, 1 s
_UP = 4  # finer than a sample: at 3.4 kHz half a sample costs half the correlation


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """Fingerprint of one clip.

    Attributes:
        keys: shape ``(n,)``, int64: peak pairs.
        frames: shape ``(n,)``, int32: where each begins, in frames of 16 ms.
        wave: whitened sound at ``WAVE_RATE``, unit power, float16.
    """

    keys: npt.NDArray[np.int64]
    frames: npt.NDArray[np.int32]
    wave: npt.NDArray[np.float16]


class Match(NamedTuple):
    """How two clips lie on one another."""

    similarity: float
    """Normalised cross-correlation over the part they share, 0..1."""
    offset: float
    """Seconds by which the second begins after the first."""
    shared: float
    """Seconds they have in common."""


def fingerprint(low: Floats, rate: int) -> Print:
    """Fingerprint of mono sound at 16 kHz."""
    keys, frames = _landmarks(low, rate)
    return Print(keys, frames, _whitened(low, rate))


def align(one: Print, two: Print) -> Match:
    """The best alignment of two clips; polarity does not matter."""
    from scipy.fft import irfft, next_fast_len, rfft

    a, b = one.wave.astype(np.float32), two.wave.astype(np.float32)
    if not a.any() or not b.any():
        return Match(0.0, 0.0, 0.0)
    size = next_fast_len(a.size + b.size, real=True)
    cross = rfft(a, size) * np.conj(rfft(b, size))
    fine = np.abs(irfft(cross, size * _UP)) * _UP
    lags = np.arange(-b.size + 1, a.size)
    # the finest value around each whole lag
    stacked = np.stack([fine[(lags * _UP + shift) % fine.size] for shift in (-1, 0, 1, 2)]).max(axis=0)
    starts, ends = np.maximum(lags, 0), np.minimum(a.size, lags + b.size)
    sum_a, sum_b = (np.concatenate([[0.0], np.cumsum(np.square(x, dtype=np.float64))]) for x in (a, b))
    energy_a = sum_a[ends] - sum_a[starts]
    energy_b = sum_b[ends - lags] - sum_b[starts - lags]
    # with a tenth of the clips' energy in common, a chance match of a few samples looks perfect
    least = 0.1 * min(sum_a[-1], sum_b[-1])
    score = stacked / np.sqrt(np.maximum(energy_a, least) * np.maximum(energy_b, least))
    best = int(np.argmax(np.where(ends - starts >= min(WAVE_RATE // 4, a.size, b.size), score, 0)))
    return Match(
        min(1.0, float(score[best])),
        float(lags[best]) / WAVE_RATE,
        float(ends[best] - starts[best]) / WAVE_RATE,
    )


def _landmarks(low: Floats, rate: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    from scipy.fft import rfft
    from scipy.ndimage import maximum_filter

    padded = np.pad(low, (0, max(0, _N_FFT - low.size)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::_HOP]
    top = int(_TOP_HZ * _N_FFT / rate)
    power = np.log(np.abs(rfft(frames * np.hanning(_N_FFT).astype(np.float32), axis=1))[:, 4:top] + 1e-6)
    power -= power.mean(axis=0)  # a steady hum has no place in time
    times, bins = np.nonzero((power == maximum_filter(power, (7, 15))) & (power > 0.5))
    wanted = max(10, round(_PEAKS_PER_S * low.size / rate))
    loudest = np.argsort(-power[times, bins], kind="stable")[:wanted]
    order = loudest[np.lexsort((bins[loudest], times[loudest]))]
    times, bins = times[order], bins[order]
    keys, at = [], []
    for step in range(1, _FAN + 1):
        gap = times[step:] - times[:-step]
        near = (gap > 0) & (gap < _REACH)
        keys.append(((bins[:-step] * 512 + bins[step:]) * 64 + gap)[near])
        at.append(times[:-step][near])
    return np.concatenate(keys).astype(np.int64), np.concatenate(at).astype(np.int32)


def _whitened(low: Floats, rate: int) -> npt.NDArray[np.float16]:
    """The band 300 to 3400 Hz with an even spectrum, so that no hum or rumble decides."""
    from scipy.fft import irfft, next_fast_len, rfft
    from scipy.ndimage import uniform_filter1d

    size = next_fast_len(low.size, real=True)
    spectrum = rfft(low, size)
    hertz = np.arange(spectrum.size) * rate / size
    width = max(3, round(100 * size / rate))
    level = np.sqrt(uniform_filter1d(np.abs(spectrum) ** 2, width))
    kept = (hertz >= 300) & (hertz <= 3400)
    floor = 1e-3 * float(level[kept].max(initial=0.0)) + 1e-9
    even = np.where(kept, spectrum / np.maximum(level, floor), 0)
    wave = irfft(even, size)[: low.size : rate // WAVE_RATE]
    scale = float(np.sqrt(np.mean(wave**2)))
    return np.asarray(wave / scale if scale > 1e-9 else np.zeros_like(wave), np.float16)
