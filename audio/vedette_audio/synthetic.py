"""Synthetic sound for training: impulse responses, shots by formula, and disturbances that are no shots.

All functions take a ``numpy.random.Generator`` and return float32 at 48 kHz, peak about 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator


def room(rng: Rng) -> Floats:
    """An impulse response: direct sound, a few echoes, a decaying diffuse tail (0.08 to 1.6 s)."""
    decay = float(np.exp(rng.uniform(np.log(0.08), np.log(1.6))))  # s until 60 dB down
    size = int(min(decay, 1.0) * SAMPLE_RATE)
    time = np.arange(size, dtype=np.float32) / SAMPLE_RATE
    tail = rng.standard_normal(size, np.float32) * np.exp(-6.9 * time / decay)
    tail[: int(rng.uniform(0.001, 0.03) * SAMPLE_RATE)] = 0.0
    level = 10 ** (rng.uniform(-25, 0) / 20)
    response = tail * np.float32(level / (np.sqrt(np.square(tail).sum()) + 1e-9))
    response[0] += 1.0
    for _ in range(rng.integers(0, 5)):
        response[rng.integers(size // 50, size)] += rng.uniform(-0.5, 0.5)
    return np.asarray(response, np.float32)


def colored_noise(rng: Rng, size: int) -> Floats:
    """Noise whose power falls by 0 to 9 dB per octave: hiss, wind, distant traffic."""
    spectrum = np.fft.rfft(rng.standard_normal(size, np.float32))
    frequency = np.maximum(np.arange(spectrum.size), 1.0)
    noise = np.fft.irfft(spectrum * frequency ** -rng.uniform(0.0, 1.5), size)
    return np.asarray(noise / (np.abs(noise).max() + 1e-9), np.float32)


def shot(rng: Rng) -> Floats:
    """A muzzle blast as a Friedlander pulse with turbulent tail, sometimes led by a supersonic crack."""
    size = int(0.6 * SAMPLE_RATE)
    time = np.arange(size, dtype=np.float32) / SAMPLE_RATE
    length = float(np.exp(rng.uniform(np.log(0.4e-3), np.log(5e-3))))  # s of the positive phase
    pulse = (1 - time / length) * np.exp(-rng.uniform(0.8, 2.0) * time / length)
    fire = rng.standard_normal(size, np.float32) * np.exp(-time / rng.uniform(0.004, 0.06))
    sound = pulse + fire * rng.uniform(0.05, 0.6)
    if rng.random() < 0.3:
        crack = int(rng.uniform(0.01, 0.25) * SAMPLE_RATE)
        width = rng.uniform(1e-4, 4e-4)
        shock = np.where(time < width, 1 - 2 * time / width, 0.0) * rng.uniform(0.2, 1.0)
        sound = np.concatenate([shock[:crack], sound])[:size]
    sound = np.convolve(sound, room(rng)[: SAMPLE_RATE // 20])[:size] if rng.random() < 0.3 else sound
    return np.asarray(sound / (np.abs(sound).max() + 1e-9), np.float32)


def burst_of_shots(rng: Rng, size: int) -> tuple[Floats, int]:
    """One to eight equal shots at 0 to 1,200 rounds per minute; also the sample of the first onset."""
    sound = np.zeros(size, np.float32)
    one = shot(rng)
    first = int(rng.uniform(0.1, 0.75) * size)
    gap = int(rng.uniform(0.05, 0.8) * SAMPLE_RATE)
    for index in range(int(rng.choice([1, 1, 1, 1, 2, 3, 5, 8]))):
        start = first + index * gap
        if start < size:
            sound[start : start + one.size] += one[: size - start] * rng.uniform(0.8, 1.0)
    return sound, first


def _ring(rng: Rng, low: float, high: float, decay: float, partials: int) -> Floats:
    """A struck body: decaying sinusoids between two frequencies (Hz), the slowest lasting ``decay`` s."""
    time = np.arange(int(min(1.0, 6 * decay) * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    sound = np.zeros_like(time)
    for frequency in rng.uniform(low, high, partials):
        fall = decay * rng.uniform(0.2, 1.0)
        sound += rng.uniform(0.2, 1) * np.sin(2 * np.pi * frequency * time) * np.exp(-time / fall)
    return np.asarray(sound, np.float32)


def _hiss(rng: Rng, attack: float, decay: float) -> Floats:
    time = np.arange(int((attack + 5 * decay) * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    shape = np.minimum(time / max(attack, 1e-4), 1.0) * np.exp(-np.maximum(time - attack, 0) / decay)
    return np.asarray(rng.standard_normal(time.size, np.float32) * shape, np.float32)


def _one_disturbance(rng: Rng) -> Floats:
    kind = rng.integers(0, 8)
    if kind == 0:  # click of a switch, a key, a safety catch
        sound = _hiss(rng, 0.0, rng.uniform(2e-4, 2e-3)) + 0.0
    elif kind == 1:  # metal: loading, racking, keys, cutlery
        sound = _ring(rng, 1500, 9000, rng.uniform(0.005, 0.12), int(rng.integers(3, 9)))
    elif kind == 2:  # wood: knocks, doors, hammers
        sound = _ring(rng, 80, 900, rng.uniform(0.01, 0.06), int(rng.integers(2, 6)))
    elif kind == 3:  # thump: steps, handling of the microphone
        sound = _ring(rng, 25, 110, rng.uniform(0.02, 0.1), 2)
    elif kind == 4:  # plosive or gust on the microphone: low noise with a soft attack
        noise = np.convolve(
            _hiss(rng, rng.uniform(0.01, 0.2), rng.uniform(0.02, 0.3)), np.ones(200) / 200, "same"
        )
        sound = np.asarray(noise, np.float32)
    elif kind == 5:  # kick drum: a falling tone
        time = np.arange(int(0.3 * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
        sound = np.sin(2 * np.pi * (50 * time - 6 * np.exp(-time / 0.03))) * np.exp(
            -time / rng.uniform(0.05, 0.2)
        )
    elif kind == 6:  # cymbal, steam, a bag torn: noise of soft attack, high-passed
        sound = np.diff(_hiss(rng, rng.uniform(0.003, 0.1), rng.uniform(0.03, 0.3)), prepend=0)
    else:  # beep
        time = np.arange(int(rng.uniform(0.03, 0.5) * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
        sound = np.sin(2 * np.pi * rng.uniform(300, 4000) * time)
        sound = np.clip(sound * rng.uniform(1, 5), -1, 1) * np.hanning(time.size)
    return np.asarray(sound / (np.abs(sound).max() + 1e-9), np.float32)


def disturbances(rng: Rng, size: int) -> Floats:
    """Clicks, knocks, metal, thumps, gusts and beeps at random times, or in the rhythm of music."""
    sound = np.zeros(size, np.float32)
    kinds = [_one_disturbance(rng) for _ in range(rng.integers(1, 5))]
    if rng.random() < 0.35:
        beat = rng.uniform(0.12, 0.6) * SAMPLE_RATE
        starts = np.arange(rng.uniform(0, beat), size, beat).astype(int)
        if rng.random() < 0.7:  # a chord behind the beat
            time = np.arange(size, dtype=np.float32) / SAMPLE_RATE
            for note in rng.choice([110.0, 138.6, 164.8, 220.0, 277.2, 329.6, 440.0], 3):
                sound += 0.2 * ((time * note * rng.uniform(0.99, 1.01)) % 1.0 - 0.5).astype(np.float32)
    else:
        starts = rng.integers(0, size, rng.integers(1, 9))
    for start in starts:
        one = kinds[rng.integers(len(kinds))] * np.float32(rng.uniform(0.3, 1.0))
        sound[start : start + one.size] += one[: size - start]
    return sound
