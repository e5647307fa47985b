"""What is measured on one clip: format, loudness, bandwidth, background, impulse, fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy.fft

from vedette_audio.prepare.fingerprint import Print, fingerprint
from vedette_audio.prepare.listen import Sound

Floats = npt.NDArray[np.float32]

RATE = 16_000
"""Hz; everything but the bandwidth is measured at this rate, so that clips of all rates compare."""
BANDS = 40
SILENT_DB = -80.0
"""A clip whose loudest sample stays below (dB of full scale) is silent: 16-bit dither lies at -90."""

_N_FFT, _HOP = 1024, 256  # 64 ms and 16 ms at 16 kHz
_LOW, _HIGH = 60.0, 7_600.0  # Hz
_SPAN_DB = 72.0  # below the strongest 100 Hz: what lies lower is dither and codec residue
_FLOOR = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Measurements of one clip.

    Attributes:
        rate, channels, one_voice, duration, whole: as in ``Sound``.
        count: samples per channel that the file holds.
        peak_db, loud_db: greatest sample and root mean square, dB of full scale.
        silent: nothing in it is louder than ``SILENT_DB``.
        bandwidth: Hz up to which there is sound.
        digest: SHA-256 of the decoded 16-bit samples; equal for sample-identical clips.
        background: mean log power of the quietest tenth of the frames in ``BANDS`` bands, nats.
        spectrum: mean log power of all frames, the same bands; ``swing``: its standard deviation over time.
        impulse_db: steepest rise of the high-passed sound within 20 ms, dB. A shot has one.
        mark: acoustic fingerprint.
    """

    rate: int
    channels: int
    one_voice: bool
    duration: float
    whole: bool
    count: int
    peak_db: float
    loud_db: float
    silent: bool
    bandwidth: float
    digest: str
    background: Floats
    spectrum: Floats
    swing: Floats
    impulse_db: float
    mark: Print


def measure(sound: Sound) -> Facts:
    """All facts of a sound that has no fault."""
    samples = sound.samples
    peak = float(np.abs(samples).max())
    low = at_rate(samples, sound.rate, RATE)
    log = np.log(_powers(low) @ _bank().T + _FLOOR)
    loudness = log.mean(axis=1)
    quiet = np.argsort(loudness)[: max(1, loudness.size // 10)]
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    return Facts(
        rate=sound.rate,
        channels=sound.channels,
        one_voice=sound.one_voice,
        duration=sound.duration,
        whole=sound.whole,
        count=round(sound.duration * sound.rate),
        peak_db=_decibels(peak),
        loud_db=_decibels(float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))),
        silent=_decibels(peak) < SILENT_DB,
        bandwidth=bandwidth(samples, sound.rate),
        digest=hashlib.sha256(pcm.tobytes()).hexdigest(),
        background=log[quiet].mean(axis=0).astype(np.float32),
        spectrum=log.mean(axis=0).astype(np.float32),
        swing=log.std(axis=0).astype(np.float32),
        impulse_db=impulse_db(low),
        mark=fingerprint(low, RATE),
    )


def at_rate(samples: Floats, rate: int, wanted: int) -> Floats:
    """``samples`` resampled from ``rate`` to ``wanted`` Hz."""
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly

    ratio = Fraction(wanted, rate).limit_denominator(1000)
    return np.asarray(resample_poly(samples, ratio.numerator, ratio.denominator), np.float32)


def bandwidth(samples: Floats, rate: int) -> float:
    """Highest frequency in Hz (steps of 100) with sound less than 72 dB below the strongest; 0 in silence."""
    size = 2 * round(rate / 50)  # bins of 25 Hz
    frames = _frames(samples, size, size)
    window = np.hanning(size).astype(np.float32)
    power = np.square(np.abs(scipy.fft.rfft(frames * window, axis=1))).max(axis=0)
    tens = power[: power.size // 4 * 4].reshape(-1, 4).mean(axis=1)
    if tens.max() <= 0:
        return 0.0
    heard = np.flatnonzero(10 * np.log10(tens / tens.max() + 1e-30) > -_SPAN_DB)
    return float((heard[-1] + 1) * 100)


def impulse_db(low: Floats) -> float:
    """Steepest rise of the 5 ms energy within 20 ms, dB; 0 for sound too short to have one."""
    block = RATE // 200
    sharp = np.diff(low, prepend=low[:1])
    count = sharp.size // block
    if count < 5:
        return 0.0
    energy = np.square(sharp[: count * block]).reshape(count, block).mean(axis=1) + 1e-9
    level = 10 * np.log10(energy)
    return float(np.maximum(level[4:] - level[:-4], 0).max())


def _powers(low: Floats) -> Floats:
    frames = _frames(low, _N_FFT, _HOP) * np.hanning(_N_FFT).astype(np.float32)
    return np.asarray(np.square(np.abs(scipy.fft.rfft(frames, axis=1))), np.float32)


def _frames(samples: Floats, size: int, hop: int) -> Floats:
    if samples.size < size:
        samples = np.pad(samples, (0, size - samples.size))
    return np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]


@cache
def _bank() -> Floats:
    """Means over ``BANDS`` bands of equal width in the logarithm of frequency, shape ``(BANDS, bins)``."""
    edges = np.geomspace(_LOW, _HIGH, BANDS + 1) * _N_FFT / RATE
    bank = np.zeros((BANDS, _N_FFT // 2 + 1), np.float32)
    for band in range(BANDS):
        first = int(edges[band])
        bank[band, first : max(first + 1, int(edges[band + 1]))] = 1
    return np.asarray(bank / bank.sum(axis=1, keepdims=True), np.float32)


def _decibels(value: float) -> float:
    return 20 * float(np.log10(max(value, 1e-9)))
