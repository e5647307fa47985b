"""Training scenes: a shot or something else, in any place, level, room, band and background.

The file format gives the class away (full-band shots, negatives that end at 8 or 11 kHz, clips cut to one
length), so trimming, mixing, reverberation, band limits, gain and clipping are drawn alike for every class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from vedette_audio import synthetic
from vedette_base.config import AudioAugmentConfig
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator
_GRAIN = SAMPLE_RATE // 100  # samples: 10 ms
_QUIET = 40 * _GRAIN
_FADE = 1000  # samples


@dataclass(frozen=True, slots=True)
class Placed:
    """A foreground in its window: sound ``(n,)`` and the sample of its impulse (None: has none to keep)."""

    sound: Floats
    impulse: int | None


def place(source: Floats, impulse: int | None, length: int, rng: Rng, *, trim: float = 0.3) -> Placed:
    """Cut ``length`` samples from ``source`` so that ``impulse`` lies anywhere inside, 0.1 s off the edges.

    With chance ``trim`` the cut is shortened to 0.4 s or more and surrounded by nothing: clips that were cut
    short must not be a class of their own.
    """
    margin = min(SAMPLE_RATE // 10, length // 4)
    target = int(rng.integers(margin, length - margin))
    if impulse is None:
        offset = int(rng.integers(0, max(1, source.size - length + 1)))
        if source.size < length:
            offset = -int(rng.integers(0, length - source.size + 1))
    else:
        offset = impulse - target
        if source.size >= length and rng.random() < 0.7:  # mostly stay inside the recording
            offset = int(np.clip(offset, 0, source.size - length))
            offset = int(np.clip(offset, impulse - (length - margin), max(impulse - margin, 0)))
        target = impulse - offset
    window = np.zeros(length, np.float32)
    begin, end = max(0, offset), min(source.size, offset + length)
    window[begin - offset : end - offset] = source[begin:end]
    if rng.random() < trim:
        middle = target if impulse is not None else int(rng.integers(length))
        first = max(0, middle - int(rng.uniform(0.02, 1.5) * SAMPLE_RATE))
        last = min(length, middle + int(rng.uniform(0.3, 1.7) * SAMPLE_RATE))
        window[:first] = 0.0
        window[last:] = 0.0
    return Placed(window, target if impulse is not None else None)


def _rms(sound: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(sound)) + 1e-12))


def local_level(placed: Placed) -> float:
    """Root mean square of the 100 ms after the impulse, or of the loudest fifth of steady sound."""
    if placed.impulse is not None:
        return _rms(placed.sound[placed.impulse : placed.impulse + SAMPLE_RATE // 10])
    blocks = placed.sound[: placed.sound.size // 4800 * 4800].reshape(-1, 4800)
    return float(np.sqrt(np.quantile(np.square(blocks).mean(axis=1), 0.8) + 1e-12))


def mix(placed: Placed, background: Floats, snr_db: float) -> Placed:
    """Add a background so that the foreground stands ``snr_db`` above it."""
    gain = local_level(placed) / max(_rms(background), 1e-6) * 10 ** (-snr_db / 20)
    return Placed(placed.sound + np.float32(gain) * background, placed.impulse)


class Channel:
    """Room, distance, microphone, band, level and recorder between the event and the file."""

    def __init__(self, config: AudioAugmentConfig) -> None:
        self.config = config

    def __call__(self, sound: Floats, rng: Rng) -> Floats:
        """One random channel applied to ``sound``; same length."""
        sound = self._filter(sound, rng)
        peak = float(np.abs(sound).max())
        if peak > 0:
            level = 10 ** (rng.uniform(*self.config.gain_db) / 20)
            sound = sound * np.float32(level / peak)
        if rng.random() < self.config.limiter:
            sound = _gain_control(sound, rng)
        if (
            rng.random() < self.config.limiter / 2
        ):  # a telephone near a muzzle: all that is loud is equally loud
            peak, drive = float(np.abs(sound).max()), rng.uniform(2.0, 25.0)
            sound = np.tanh(sound * np.float32(drive / max(peak, 1e-6))) * np.float32(peak)
        if rng.random() < 0.6:  # the noise floor of a microphone: no band is ever quite empty
            floor = 10 ** (rng.uniform(-85, -40) / 20)
            sound = sound + np.float32(floor) * rng.standard_normal(sound.size, np.float32)
        if rng.random() < self.config.clipping:
            limit = max(float(np.abs(sound).max()), 1e-6) * rng.uniform(0.15, 0.9)
            sound = np.clip(sound, -limit, limit)
        if rng.random() < self.config.codec:
            sound = _companded(sound, rng)
        return np.asarray(np.clip(sound, -1.0, 1.0), np.float32)

    def _filter(self, sound: Floats, rng: Rng) -> Floats:
        """Everything linear in one pass through the spectrum."""
        size = scipy.fft.next_fast_len(sound.size + SAMPLE_RATE // 2, real=True)
        hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE).astype(np.float32)
        response: npt.NDArray[np.complexfloating] = np.ones(hertz.size, np.complex64)
        if rng.random() < self.config.reverberation:
            response = response * scipy.fft.rfft(synthetic.room(rng), size)
        if rng.random() < self.config.distance:  # air and obstacles take the treble
            corner = np.exp(rng.uniform(np.log(400), np.log(6000)))
            response = response / (1 + (hertz / corner) ** rng.uniform(1.0, 3.0))
        if rng.random() < 0.5:  # the microphone: a tilt and a broad bump
            octave = np.log2(np.maximum(hertz, 30) / 1000)
            bump = rng.uniform(-8, 8) * np.exp(-(((octave - rng.uniform(-3, 3.5)) / 1.2) ** 2))
            response = response * 10 ** ((rng.uniform(-2, 2) * octave + bump) / 20)
        if rng.random() < 0.3:  # wind filter or a small loudspeaker
            low = rng.uniform(60, 400)
            response = response * ((hertz / low) ** 2 / (1 + (hertz / low) ** 2))
        if rng.random() < self.config.band_limit:
            first, last = np.log(self.config.band_limit_hz)
            response = response / (
                1 + (hertz / np.exp(rng.uniform(first, last))) ** rng.choice([16.0, 40.0, 80.0])
            )
        out = scipy.fft.irfft(scipy.fft.rfft(sound, size) * response, size)[: sound.size]
        return np.asarray(out, np.float32)


def _gain_control(sound: Floats, rng: Rng) -> Floats:
    """A recorder's automatic gain: ducks after loud sound and recovers slowly."""
    block = 480
    count = -(-sound.size // block)
    loud = np.abs(np.pad(sound, (0, count * block - sound.size))).reshape(count, block).max(axis=1)
    release = np.exp(-0.01 / rng.uniform(0.05, 0.8))
    follower, state = np.empty(count, np.float32), float(loud[0])
    for index, value in enumerate(loud):
        state = max(float(value), state * release)
        follower[index] = state
    gain = (follower / max(float(follower.max()), 1e-6) + 0.02) ** -rng.uniform(0.2, 0.7)
    curve = np.interp(np.arange(sound.size), np.arange(count) * block + block, gain)
    shaped = sound * curve.astype(np.float32)
    return np.asarray(shaped * (np.abs(sound).max() / (np.abs(shaped).max() + 1e-9)), np.float32)


def _companded(sound: Floats, rng: Rng) -> Floats:
    """Eight-bit mu-law (G.711 without its band limit), or plain sound of 8 to 12 bits."""
    if rng.random() < 0.5:
        coded = np.sign(sound) * np.log1p(255 * np.abs(np.clip(sound, -1, 1))) / np.log(256)
        coded = np.round(coded * 127) / 127
        return np.asarray(np.sign(coded) * (256 ** np.abs(coded) - 1) / 255, np.float32)
    steps = 2.0 ** rng.integers(8, 13)
    return np.asarray(np.round(sound * steps) / steps, np.float32)


def quiet_stretch(sound: Floats) -> Floats | None:
    """The quietest 0.4 s between the shots of a recording, or None where it is never 15 dB below its loudest.

    It holds what the place and the microphone sound like, and no shot: laid under shots of other recordings
    it keeps a network from telling firearms by their backgrounds (the quietest tenth of the frames alone
    names the type of two clips in three, because each type was recorded in few places).
    """
    if sound.size < _QUIET + 2 * _GRAIN:
        return None
    energy = np.square(sound[: sound.size // _GRAIN * _GRAIN]).reshape(-1, _GRAIN).mean(axis=1)
    loudest = np.lib.stride_tricks.sliding_window_view(energy, _QUIET // _GRAIN).max(axis=1)
    first = int(loudest.argmin())
    if loudest[first] > 0.03 * energy.max():
        return None
    return sound[first * _GRAIN : first * _GRAIN + _QUIET]


def carpet(stretch: Floats, length: int, rng: Rng) -> Floats:
    """``length`` samples laid from copies of ``stretch``, some reversed, faded into one another."""
    fade = (np.sin(np.linspace(0, np.pi / 2, _FADE)) ** 2).astype(np.float32)
    out = np.zeros(length + 2 * stretch.size, np.float32)
    start = int(rng.integers(0, stretch.size))
    for begin in range(0, length + stretch.size, stretch.size - _FADE):
        part = stretch[:: rng.choice((-1, 1))].copy()
        part[:_FADE] *= fade
        part[-_FADE:] *= fade[::-1]
        out[begin : begin + part.size] += part
    return out[start : start + length]


def style_mix(pictures: Floats, rng: Rng, *, alpha: float = 0.4) -> None:
    """Give each picture ``(n, 1, mels, frames)``, in place, part of another's mean and spread per mel band.

    A band's mean and spread over time are mostly the microphone and the place. Frequency-wise MixStyle: Kim
    et al., "Domain Generalization with Relaxed Instance Frequency-wise Normalization" (Interspeech 2022);
    Schmid et al. (DCASE 2022, task 1).
    """
    mean = pictures.mean(axis=3, keepdims=True)
    spread = pictures.std(axis=3, keepdims=True) + 1e-3
    other = rng.permutation(len(pictures))
    share = rng.beta(alpha, alpha, (len(pictures), 1, 1, 1)).astype(np.float32)
    pictures -= mean
    pictures *= (share * spread + (1 - share) * spread[other]) / spread
    pictures += share * mean + (1 - share) * mean[other]


def spec_augment(picture: Floats, rng: Rng) -> None:
    """Blank random bands and short times of a picture ``(mels, frames)`` in place."""
    mean = picture.mean()
    for _ in range(rng.integers(0, 3)):
        start = int(rng.integers(0, picture.shape[0] - 16))
        picture[start : start + int(rng.integers(1, 16))] = mean
    for _ in range(rng.integers(0, 3)):
        start = int(rng.integers(0, picture.shape[1] - 12))
        picture[:, start : start + int(rng.integers(1, 12))] = mean
