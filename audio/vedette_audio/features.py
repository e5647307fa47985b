"""Sound to log-mel pictures: the run-time version, without torch.

Conventions: 48 kHz mono, periodic Hann window of 2048 samples, hop 512, 128 Slaney mel bands from 50 Hz to
16 kHz, natural logarithm with a small floor. ``log_mel`` equals ``librosa.feature.melspectrogram`` (centred,
padded with zeros) within 1e-4; ``torch_features.py`` is the same on torch, for training.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy.fft

from vedette_base.media import SAMPLE_RATE

N_FFT = 2048  # samples
HOP = 512  # samples
MELS = 128
F_MIN, F_MAX = 50.0, 16_000.0  # Hz
FLOOR = 1e-7
"""Smallest mel power: above the dither of 16-bit sound (about 3e-9), below every room."""
PICTURE_OFFSET, PICTURE_SCALE = -6.0, 5.0
"""A change of unit, not a normalisation: pictures are ``(ln mel - offset) / scale``, around 0."""

_BLOCK = 2048  # frames per FFT call: 16 MB of spectrum

Floats = npt.NDArray[np.float32]


def frames_in(samples: int) -> int:
    """Mel frames of so many samples when centred: ``1 + samples // HOP``."""
    return 1 + samples // HOP


def samples_for(frames: int) -> int:
    """Samples that give so many frames without any padding."""
    return (frames - 1) * HOP + N_FFT


@cache
def _window() -> Floats:
    return np.hanning(N_FFT + 1)[:-1].astype(np.float32)


@cache
def mel_bank() -> Floats:
    """Triangular filters, each of area 1, evenly spaced in Slaney's mel; shape ``(MELS, 1 + N_FFT // 2)``.

    The same as ``librosa.filters.mel``, whose import alone (scipy.signal, numba) takes half a second.
    """
    edges = mel_hertz()
    bins = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    area = (edges[2:] - edges[:-2])[:, None] / 2
    return np.ascontiguousarray(np.maximum(0, np.minimum(rising, falling)) / area, np.float32)


@cache
def mel_hertz() -> npt.NDArray[np.float64]:
    """Edges of the mel bands in Hz, ``(MELS + 2,)``; band i lies around edge i + 1.

    Slaney's scale: linear to 1 kHz, then 6.4-fold per 27 mels.
    """
    low, high = F_MIN * 3 / 200, 15 + 27 * math.log(F_MAX / 1000, 6.4)
    mels = np.linspace(low, high, MELS + 2)
    return np.asarray(np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27)), np.float64)


def frame_mels(samples: Floats) -> Floats:
    """Mel powers of all whole frames in ``samples``, shape ``(MELS, n)``; nothing is padded."""
    count = (samples.size - N_FFT) // HOP + 1
    if count < 1:
        return np.empty((MELS, 0), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP][:count]
    mels = np.empty((MELS, count), np.float32)
    for start in range(0, count, _BLOCK):
        spectrum = scipy.fft.rfft(frames[start : start + _BLOCK] * _window(), axis=1)
        mels[:, start : start + _BLOCK] = _bands(spectrum.real**2 + spectrum.imag**2).T
    return mels


def _bands(power: Floats) -> Floats:
    """``power @ mel_bank().T`` for spectra ``(n, 1 + N_FFT // 2)``, shape ``(n, MELS)``.

    A matrix product would be 99 % zeros, its sums would depend on n, and the threads that a BLAS library
    starts for it would spin between the blocks of a stream: as much processor time as decoding takes.
    """
    rising, falling, starts = _slopes()
    inside = power[:, starts[0] : starts[-1]]
    up = np.add.reduceat(inside * rising, starts[:-1] - starts[0], axis=1)
    down = np.add.reduceat(inside * falling, starts[:-1] - starts[0], axis=1)
    return np.asarray(up[:, :-1] + down[:, 1:], np.float32)


@cache
def _slopes() -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """The bank by bins: a bin lies between two edges, where one band rises and the one before it falls.

    Both weights of each bin that any band uses, and the first bin after each edge.
    """
    starts = np.searchsorted(np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE), mel_hertz())
    interval = np.repeat(np.arange(MELS + 1), np.diff(starts))
    bank = np.pad(mel_bank(), ((1, 1), (0, 0)))
    bins = np.arange(starts[0], starts[-1])
    return bank[interval + 1, bins], bank[interval, bins], starts


def to_log(mels: Floats) -> Floats:
    """Natural logarithm of mel powers, floored at ``FLOOR``."""
    return np.log(np.maximum(mels, FLOOR))


def to_picture(log_mels: Floats) -> Floats:
    """The network's unit: ``(ln mel - PICTURE_OFFSET) / PICTURE_SCALE``."""
    return (log_mels - np.float32(PICTURE_OFFSET)) / np.float32(PICTURE_SCALE)


def log_mel(samples: npt.ArrayLike) -> Floats:
    """Natural-log mel spectrogram of whole sound at 48 kHz, shape ``(MELS, 1 + n // HOP)``, centred."""
    sound = np.asarray(samples, np.float32)
    return to_log(frame_mels(np.pad(sound, N_FFT // 2)))
