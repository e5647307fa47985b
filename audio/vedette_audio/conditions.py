"""What stands between a sound and a model in the field: bands, codecs, background, distance, clipping.

Each ``Condition`` is applied alike to sound with and without shots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal

from vedette_audio.codecs import coded, telephoned
from vedette_audio.mixtures import repeated
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator
Change = Callable[[Floats, Floats, Rng], Floats]
"""Called with a sound, another sound without shots, and a source of noise; gives a sound of equal length."""

RATIOS_DB = (-5.0, 0.0, 5.0, 10.0, 20.0)
DISTANCES_M = (10.0, 30.0, 100.0, 300.0)
NEAR_M = 10.0
"""How far away the recordings of the data set are taken to be: levels of other distances count from it."""
FLOOR_DBFS = -60.0
"""Level of the noise of place and microphone that a far sound sinks into."""
CLIPPED = 0.5
"""Share of the samples of the loud part (10 ms blocks within 12 dB of the loudest) that is cut off."""
_BLOCK = SAMPLE_RATE // 100


@dataclass(frozen=True, slots=True)
class Condition:
    """A change of sound at 48 kHz. ``needs_other``: it lays another sound under it."""

    kind: str
    name: str
    change: Change
    needs_other: bool = False

    @property
    def full_name(self) -> str:
        """As the table says it."""
        return full_name(self.kind, self.name)


def full_name(kind: str, name: str) -> str:
    """Kind and name of a condition, as the table says it."""
    return f"{kind} {name}" if kind in ("background", "distance", "clipping") else name


def conditions() -> tuple[Condition, ...]:
    """All conditions of the robustness table, in its order; the first one changes nothing."""
    return (
        Condition("as is", "as is", _of_sound(np.asarray)),
        *(
            Condition("band", f"band to {hertz // 1000} kHz", _of_sound(partial(low_passed, hertz=hertz)))
            for hertz in (4000, 8000)
        ),
        *(
            Condition(
                "codec",
                f"{codec.upper()} {rate} kbit/s",
                _of_sound(partial(coded, codec=codec, kilobits=rate)),
            )
            for codec in ("mp3", "aac")
            for rate in (32, 64)
        ),
        *(
            Condition("codec", f"G.711 {law}-law", _of_sound(partial(telephoned, law=law)))
            for law in ("mu", "A")
        ),
        *(Condition("background", f"{ratio:g} dB", _background(ratio), True) for ratio in RATIOS_DB),
        *(Condition("distance", f"{metres:g} m", _distance(metres)) for metres in DISTANCES_M),
        Condition("clipping", f"{CLIPPED:.0%}", _of_sound(partial(clipped, share=CLIPPED))),
    )


def _of_sound(change: Callable[[Floats], Floats]) -> Change:
    return lambda sound, other, rng: change(sound)


def _background(ratio_db: float) -> Change:
    return lambda sound, other, rng: in_background(sound, other, ratio_db)


def _distance(metres: float) -> Change:
    return lambda sound, other, rng: far_away(sound, metres, rng)


def low_passed(sound: Floats, hertz: int) -> Floats:
    """Only what lies below ``hertz``: sampled at twice that and back."""
    down = SAMPLE_RATE // (2 * hertz)
    narrow = scipy.signal.resample_poly(scipy.signal.resample_poly(sound, 1, down), down, 1)
    return np.asarray(narrow[: sound.size], np.float32)


def in_background(sound: Floats, background: Floats, ratio_db: float) -> Floats:
    """With ``background`` (repeated as needed) so that the loudest 100 ms stand ``ratio_db`` above it."""
    around = repeated(background, sound.size)
    ground = float(np.sqrt(np.mean(np.square(around)) + 1e-12))
    gain = loudest(sound) / max(ground, 1e-6) * 10 ** (-ratio_db / 20)
    return _unclipped(sound + around * np.float32(gain))


def far_away(sound: Floats, metres: float, rng: Rng) -> Floats:
    """As from ``metres`` away: spherical spreading from ``NEAR_M``, air, and the noise it sinks into."""
    size = scipy.fft.next_fast_len(sound.size + _BLOCK, real=True)
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    loss_db = 20 * np.log10(metres / NEAR_M) + air_absorption(hertz) * (metres - NEAR_M)
    heard = scipy.fft.irfft(scipy.fft.rfft(sound, size) * 10 ** (-loss_db / 20), size)[: sound.size]
    return _unclipped(heard + 10 ** (FLOOR_DBFS / 20) * rng.standard_normal(sound.size))


def air_absorption(
    hertz: npt.ArrayLike, *, celsius: float = 15.0, humidity: float = 60.0
) -> npt.NDArray[np.float64]:
    """Absorption of sound by air at 101.325 kPa in dB per metre: ISO 9613-1:1993, equations (3) to (5).

    Args:
        hertz: frequencies. celsius: temperature. humidity: relative, per cent.
    """
    f2 = np.square(np.asarray(hertz, np.float64))
    kelvin = celsius + 273.15
    ratio = kelvin / 293.15
    h = humidity * 10 ** (-6.8346 * (273.16 / kelvin) ** 1.261 + 4.6151)  # molar concentration of water, %
    oxygen = 24 + 4.04e4 * h * (0.02 + h) / (0.391 + h)  # relaxation frequencies, Hz
    nitrogen = ratio**-0.5 * (9 + 280 * h * np.exp(-4.170 * (ratio ** (-1 / 3) - 1)))
    relaxed = 0.01275 * np.exp(-2239.1 / kelvin) / (oxygen + f2 / oxygen)
    relaxed = relaxed + 0.1068 * np.exp(-3352.0 / kelvin) / (nitrogen + f2 / nitrogen)
    return np.asarray(8.686 * f2 * (1.84e-11 * ratio**0.5 + ratio**-2.5 * relaxed))


def clipped(sound: Floats, share: float) -> Floats:
    """Driven so far that ``share`` of the samples of its loud part is cut off."""
    blocks = np.abs(_blocks(sound))
    loud = blocks[blocks.max(axis=1) >= blocks.max() * 10 ** (-12 / 20)]
    limit = max(float(np.quantile(loud, 1 - share)), 1e-6)
    return np.asarray(np.clip(sound / np.float32(limit), -1.0, 1.0), np.float32)


def loudest(sound: Floats) -> float:
    """Root mean square of the loudest 100 ms."""
    power = np.square(_blocks(sound)).mean(axis=1)
    width = min(10, power.size)
    return float(np.sqrt(np.convolve(power, np.ones(width) / width, "valid").max() + 1e-12))


def _blocks(sound: Floats) -> Floats:
    return np.pad(sound, (0, -sound.size % _BLOCK)).reshape(-1, _BLOCK)


def _unclipped(sound: npt.ArrayLike) -> Floats:
    given = np.asarray(sound, np.float32)
    return given / np.float32(max(1.0, float(np.abs(given).max(initial=0.0))))
