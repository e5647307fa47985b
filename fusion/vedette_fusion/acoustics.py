"""The sound of a shot and of a street, from physics: what a microphone some metres away records.

Pressures are in pascal until the microphone turns them into samples. Sources: Friedlander (1946) for the
blast, Whitham (1952) for the shock wave of a bullet, ISO 9613-1 for the absorption of air.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette_base.media import SAMPLE_RATE

Signal = npt.NDArray[np.float64]
Point = tuple[float, float, float]

SPEED_OF_SOUND = 343.0  # m/s at 20 degrees
REFERENCE = 1.0  # m: distance at which a source's pressure is given


@dataclass(frozen=True)
class Firearm:
    """What decides the sound of a shot.

    Attributes:
        peak: pressure of the muzzle blast at one metre beside the muzzle, Pa.
        positive: length of the blast's positive phase, s.
        bullet_speed: m/s; faster than sound gives a shock wave.
        bullet_diameter, bullet_length: m.
    """

    peak: float = 2500.0  # 162 dB
    positive: float = 0.45e-3
    bullet_speed: float = 320.0
    bullet_diameter: float = 9.0e-3
    bullet_length: float = 15e-3


PISTOL = Firearm()
RIFLE = Firearm(peak=5000.0, positive=0.9e-3, bullet_speed=880.0, bullet_diameter=5.7e-3, bullet_length=23e-3)


@dataclass(frozen=True)
class Street:
    """A street between two walls: x along it, y across (0 at the middle), z up; metres.

    Attributes:
        width: between the walls.
        wall, ground: share of pressure that each reflects.
        tail: seconds in which the diffuse reverberation falls by 60 dB, at low and at high frequencies.
        diffuse: level of the diffuse tail against the direct sound at one metre.
    """

    width: float = 16.0
    wall: float = 0.75
    ground: float = 0.8
    tail: tuple[float, float] = (1.6, 0.5)
    diffuse: float = 0.02


def blast(firearm: Firearm, rng: np.random.Generator) -> Signal:
    """Muzzle blast at one metre: a Friedlander pulse and the turbulent gas behind it, Pa, shape ``(n,)``."""
    time = np.arange(int(0.12 * SAMPLE_RATE)) / SAMPLE_RATE
    phase = time / firearm.positive
    pulse = (1.0 - phase) * np.exp(-phase)
    # The powder gas goes on burning and mixing: noise around a few hundred hertz to some kilohertz.
    gas = rng.standard_normal(time.size) * np.exp(-time / 0.012) * (1.0 - np.exp(-time / 0.5e-3))
    gas = np.convolve(gas, np.hanning(9) / np.hanning(9).sum(), "same")
    return np.asarray(firearm.peak * (pulse + 0.16 * gas))


def shock_wave(firearm: Firearm, along: float, beside: float) -> tuple[float, Signal] | None:
    """Ballistic shock wave at a point ``along`` the bullet's path and ``beside`` it, metres.

    Returns:
        (seconds after the shot at which it arrives, an N-wave in Pa); None for a bullet slower than sound and
        outside its Mach cone.
    """
    mach = firearm.bullet_speed / SPEED_OF_SOUND
    if mach <= 1.0:
        return None
    cone = np.sqrt(mach**2 - 1.0)
    beside = max(beside, 0.2)
    if along < beside / cone:
        return None
    arrival = (along + beside * cone) / firearm.bullet_speed
    ratio = firearm.bullet_diameter / firearm.bullet_length**0.25
    peak = 0.53 * 101_325.0 * (mach**2 - 1.0) ** 0.125 * ratio / beside**0.75
    length = 1.82 * mach * beside**0.25 * ratio / (cone**0.75 * SPEED_OF_SOUND)
    count = max(4, round(length * SAMPLE_RATE))
    return float(arrival), np.linspace(peak, -peak, count)


def air_absorption(
    frequency: npt.NDArray[np.floating[Any]], kelvin: float = 293.15, humidity: float = 50.0
) -> Signal:
    """Absorption in dB per metre (ISO 9613-1) at ``frequency`` Hz and ``humidity`` per cent, at sea level."""
    ratio = kelvin / 293.15
    saturation = 10.0 ** (-6.8346 * (273.16 / kelvin) ** 1.261 + 4.6151)
    water = humidity * saturation
    oxygen = 24.0 + 4.04e4 * water * (0.02 + water) / (0.391 + water)
    nitrogen = ratio**-0.5 * (9.0 + 280.0 * water * np.exp(-4.170 * (ratio ** (-1.0 / 3.0) - 1.0)))
    square = frequency**2
    relaxed = 0.01275 * np.exp(-2239.1 / kelvin) / (oxygen + square / oxygen)
    relaxed = relaxed + 0.1068 * np.exp(-3352.0 / kelvin) / (nitrogen + square / nitrogen)
    return np.asarray(8.686 * square * (1.84e-11 * ratio**0.5 + ratio**-2.5 * relaxed))


def images(source: Point, street: Street, order: int = 4) -> list[tuple[Point, float]]:
    """Mirror images of ``source`` in walls and ground, with the share of pressure that is left of each."""
    x, y, z = source
    found = []
    for bounce in range(-order, order + 1):
        across = bounce * street.width + (y if bounce % 2 == 0 else -y)
        for height, ground in ((z, 1.0), (-z, street.ground)):
            found.append(((x, across, height), ground * street.wall ** abs(bounce)))
    return found


def travel(sound: Signal, distance: float, gain: float = 1.0) -> tuple[float, Signal]:
    """What is left of ``sound`` at one metre after ``distance`` metres: 1/r and the air's absorption.

    Returns:
        (seconds it takes, pressure).
    """
    distance = max(distance, 0.3)
    spectrum = np.fft.rfft(sound, 2 * sound.size)
    frequency = np.fft.rfftfreq(2 * sound.size, 1.0 / SAMPLE_RATE)
    spectrum *= 10.0 ** (-air_absorption(frequency) * distance / 20.0)
    heard = np.fft.irfft(spectrum)[: sound.size]
    return distance / SPEED_OF_SOUND, heard * (gain * REFERENCE / distance)


def reverberation(street: Street, rng: np.random.Generator) -> Signal:
    """Diffuse tail of a unit pulse: noise that fades, high frequencies first. Shape ``(n,)``."""
    low, high = street.tail
    time = np.arange(int(low * SAMPLE_RATE)) / SAMPLE_RATE
    noise = rng.standard_normal(time.size)
    # Two bands are enough: below about a kilohertz and above, each with its own decay.
    smooth = np.convolve(noise, np.hanning(49) / np.hanning(49).sum(), "same")
    onset = 1.0 - np.exp(-time / 0.03)
    tail = onset * (
        smooth * 3.0 * np.exp(-6.9 * time / low) + (noise - smooth) * 0.4 * np.exp(-6.9 * time / high)
    )
    return np.asarray(tail / np.sqrt(np.sum(tail**2)))


def record(
    samples: Signal, sound: Signal, time: float, source: Point, microphone: Point, street: Street,
    rng: np.random.Generator, *, echo: bool = True,
) -> float:  # fmt: skip
    """Add ``sound``, made at ``source`` at ``time`` seconds, to the microphone's ``samples`` (Pa), in place.

    Returns:
        Seconds at which its first front arrives.
    """
    first = np.inf
    for place, gain in images(source, street) if echo else [(source, 1.0)]:
        # A reflection is a little blurred by the roughness of what reflects it.
        delay, heard = travel(sound, float(np.linalg.norm(np.subtract(place, microphone))), gain)
        if place != source:
            heard = np.convolve(heard, rng.dirichlet(np.full(6, 0.6)))[: heard.size]
        add(samples, heard, time + delay)
        first = min(first, time + delay)
    if echo:
        tail = np.convolve(sound[: SAMPLE_RATE // 50], reverberation(street, rng))
        add(samples, street.diffuse * tail, first + 0.01)
    return float(first)


def add(samples: Signal, sound: Signal, time: float) -> None:
    """Add ``sound`` to ``samples`` from ``time`` seconds on, in place; what lies outside is cut off.

    Between two samples it is split in proportion, so that fronts keep their exact time.
    """
    position = time * SAMPLE_RATE
    whole = int(np.floor(position))
    share = position - whole
    shifted = np.append(sound, 0.0) * (1.0 - share) + np.insert(sound, 0, 0.0) * share
    begin, end = max(whole, 0), min(whole + shifted.size, samples.size)
    if end > begin:
        samples[begin:end] += shifted[begin - whole : end - whole]


def shoot(
    samples: Signal, firearm: Firearm, time: float, muzzle: Point, aim: Point, microphone: Point,
    street: Street, rng: np.random.Generator,
) -> float:  # fmt: skip
    """Add one shot fired at ``time`` from ``muzzle`` towards ``aim``; return when its blast is heard."""
    direction = np.subtract(aim, muzzle) / np.linalg.norm(np.subtract(aim, muzzle))
    to_microphone = np.subtract(microphone, muzzle)
    along = float(to_microphone @ direction)
    beside = float(np.linalg.norm(to_microphone - along * direction))
    crack = shock_wave(firearm, along, beside)
    if crack is not None:
        add(samples, crack[1], time + crack[0])
    # Beside and behind the muzzle a blast is weaker than before it: about 15 dB from front to back.
    away = max(float(np.linalg.norm(to_microphone)), 1e-6)
    angle = float(np.arccos(np.clip(along / away, -1.0, 1.0)))
    gain = 10.0 ** (-15.0 * (angle / np.pi - 0.5) / 20.0)
    return record(samples, gain * blast(firearm, rng), time, muzzle, microphone, street, rng)


def shaped_noise(size: int, bands: Sequence[tuple[float, float]], rng: np.random.Generator) -> Signal:
    """Noise of unit power whose spectrum follows ``bands``: (Hz, dB) corners, straight lines between."""
    frequency = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE)
    corners: Signal = np.array([hertz for hertz, _ in bands])
    levels: Signal = np.array([decibel for _, decibel in bands])
    gain = 10.0 ** (np.interp(np.log(np.maximum(frequency, 1.0)), np.log(corners), levels) / 20.0)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * gain, size)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def microphone_samples(pressure: Signal, full_scale: float) -> npt.NDArray[np.float32]:
    """What a microphone that overloads at ``full_scale`` Pa makes of it: soft saturation, -1..1."""
    return np.tanh(pressure / full_scale).astype(np.float32)
