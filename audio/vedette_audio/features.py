"""Sound to log-mel pictures: the run-time version, without torch.

Conventions: 48 kHz mono, periodic Hann window of 2048 samples, hop 512, 128 Slaney mel bands from 50 Hz to
16 kHz, natural logarithm with a small floor. ``log_mel`` equals ``librosa.feature.melspectrogram`` (centred,
padded with zeros) within 1e-4; ``torch_features.py`` is the same on torch, for training.
"""

from __future__ import annotations

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
    """Librosa's Slaney filter bank, shape ``(MELS, 1 + N_FFT // 2)``."""
    import librosa.filters

    bank = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=MELS, fmin=F_MIN, fmax=F_MAX)
    return np.ascontiguousarray(bank, np.float32)


def frame_mels(samples: Floats) -> Floats:
    """Mel powers of all whole frames in ``samples``, shape ``(MELS, n)``; nothing is padded."""
    count = (samples.size - N_FFT) // HOP + 1
    if count < 1:
        return np.empty((MELS, 0), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP][:count]
    mels = np.empty((MELS, count), np.float32)
    for start in range(0, count, _BLOCK):
        spectrum = scipy.fft.rfft(frames[start : start + _BLOCK] * _window(), axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        mels[:, start : start + _BLOCK] = mel_bank() @ power.T
    return mels


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
