"""A short scene of a street in which a man draws a pistol and fires: sound and pictures with known truth.

Pure arrays, the same for the same seed; writing a file is the application's job (`vedette.demo`). Sound
follows physics (`vedette_fusion.acoustics`), pictures are drawn (`vedette_fusion.figure`, ``street``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import pi
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette_base.errors import InputError
from vedette_base.media import SAMPLE_RATE
from vedette_fusion import acoustics
from vedette_fusion.acoustics import PISTOL, Firearm, Point, Street
from vedette_fusion.figure import Drawn, Pose, draw
from vedette_fusion.street import draw_street

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

FIGURE_HEIGHT_PX = 420 / 720  # pixels per metre at a picture 720 pixels high, as a share of its height
FEET = 890 / 720  # row of the feet, below the picture's edge: a half-length view
FLASH = 0.04  # s
SMOKE = 0.6
MOST_POSES = 30  # kept drawn; a step cycle has 24


@dataclass(frozen=True)
class Script:
    """Who does what, and when; seconds of the picture's clock.

    Attributes:
        fired: when each shot leaves the muzzle.
        arrives: from when to when he walks in; ``leaves`` likewise.
        draws: from when to when he brings the weapon up; ``rests`` spans in which it is half lowered;
            ``hides``: when he puts it away.
        claps: hands are clapped off the picture; ``slams``: a door is slammed.
        stands: place along the picture, share of its width.
    """

    duration: float = 24.0
    fired: tuple[float, ...] = (9.20, 9.75, 10.32, 17.08, 17.60)
    arrives: tuple[float, float] = (0.6, 3.4)
    draws: tuple[float, float] = (6.8, 7.6)
    rests: tuple[tuple[float, float], ...] = ((12.6, 15.6),)
    hides: tuple[float, float] = (19.4, 20.2)
    leaves: tuple[float, float] = (20.8, 23.6)
    claps: tuple[float, ...] = (4.30, 4.72)
    slams: tuple[float, ...] = (22.3,)
    stands: float = 0.30
    long_gun: bool = False
    firearm: Firearm = PISTOL


@dataclass(frozen=True)
class Scene:
    """One scene, ready to be heard and seen.

    Args:
        script: what happens.
        seed: decides every random detail.
        size: (width, height) of the pictures.
        frame_rate: pictures per second.
    """

    script: Script = field(default_factory=Script)
    seed: int = 0
    size: tuple[int, int] = (1280, 720)
    frame_rate: int = 25
    street: Street = field(default_factory=Street)
    microphone: Point = (0.6, -3.2, 2.2)

    def __post_init__(self) -> None:
        if self.frame_rate < 1 or min(self.size) < 64:
            raise InputError(
                f"a scene needs at least 1 picture/s of 64 pixels, got {self.frame_rate}, {self.size}"
            )
        if any(not 0 <= time < self.script.duration for time in self.script.fired):
            raise InputError(f"shots must lie within 0..{self.script.duration} s, got {self.script.fired}")

    @property
    def muzzle(self) -> Point:
        """Where the weapon is when it fires: metres, as in `Street`."""
        return 0.7, 2.3, 1.42

    @cached_property
    def heard(self) -> tuple[float, ...]:
        """When the blast of each shot arrives at the microphone."""
        away = float(np.linalg.norm(np.subtract(self.muzzle, self.microphone)))
        return tuple(time + away / acoustics.SPEED_OF_SOUND for time in self.script.fired)

    @property
    def truth(self) -> dict[str, Any]:
        """What a perfect analysis would find: shots (s, as heard) and when a weapon is in sight."""
        script = self.script
        label = "long_gun" if script.long_gun else "pistol"
        start, end = script.draws[0] + 0.3, script.hides[1] - 0.3
        return {
            "shots": [round(time, 3) for time in self.heard],
            "visible": [{"label": label, "start": round(start, 2), "end": round(end, 2)}],
            "look_alikes": [
                *({"sound": "hand clap", "time": time} for time in script.claps),
                *({"sound": "door slam", "time": time} for time in script.slams),
            ],
            "seed": self.seed,
        }

    def sound(self) -> npt.NDArray[np.float32]:
        """The microphone's samples, shape ``(n,)``, -1..1 at 48 kHz."""
        rng = np.random.default_rng([self.seed, 1])
        script = self.script
        pressure = _ambience(int(script.duration * SAMPLE_RATE), rng)
        for time in _steps(script):
            acoustics.record(
                pressure, _footstep(rng), time, (0.4, 2.3, 0.05), self.microphone, self.street, rng
            )
        for time in script.claps:
            acoustics.record(pressure, _clap(rng), time, (-2.0, -1.5, 1.3), self.microphone, self.street, rng)
        for time in script.slams:
            acoustics.record(pressure, _slam(rng), time, (3.0, 6.5, 1.2), self.microphone, self.street, rng)
        aim = (self.muzzle[0] + 10.0, self.muzzle[1], self.muzzle[2])
        for time in script.fired:
            acoustics.shoot(
                pressure, script.firearm, time, self.muzzle, aim, self.microphone, self.street, rng
            )
        return acoustics.microphone_samples(pressure, full_scale=70.0)

    def frames(self) -> Iterator[Picture]:
        """The pictures in order, each ``(height, width, 3)`` BGR."""
        rng = np.random.default_rng([self.seed, 2])
        stage = _Stage(self.size, rng)
        for number in range(round(self.script.duration * self.frame_rate)):
            time = number / self.frame_rate
            yield stage.frame(self.script, time, rng)


def _ambience(size: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Wind and far traffic, about 62 dB, in slow waves."""
    time = np.arange(size) / SAMPLE_RATE
    wind = acoustics.shaped_noise(size, [(20, 6), (60, 0), (250, -22), (1000, -50), (20000, -80)], rng)
    hum = acoustics.shaped_noise(size, [(30, -4), (120, 0), (900, -8), (2500, -22), (12000, -45)], rng)
    hiss = acoustics.shaped_noise(size, [(200, -12), (2000, 0), (20000, -6)], rng)
    gusts = 1.0 + 0.5 * np.sin(2 * pi * 0.11 * time + rng.uniform(0, 6)) * np.sin(2 * pi * 0.31 * time)
    passing = 1.0 + 1.2 * np.exp(-(((time - 0.6 * time[-1]) / 2.5) ** 2))
    return np.asarray(0.045 * wind * gusts + 0.035 * hum * passing + 0.004 * hiss)


def _footstep(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    time = np.arange(int(0.09 * SAMPLE_RATE)) / SAMPLE_RATE
    thump = np.sin(2 * pi * rng.uniform(80, 120) * time) * np.exp(-time / 0.015)
    scrape = acoustics.shaped_noise(time.size, [(300, -10), (1500, 0), (8000, -12)], rng) * np.exp(
        -time / 0.012
    )
    return np.asarray(0.35 * thump + 0.12 * scrape)


def _clap(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    time = np.arange(int(0.05 * SAMPLE_RATE)) / SAMPLE_RATE
    noise = acoustics.shaped_noise(time.size, [(300, -20), (1200, 0), (2600, 0), (9000, -20)], rng)
    return np.asarray(4.0 * noise * np.exp(-time / 0.004) * (1 - np.exp(-time / 0.3e-3)))


def _slam(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    time = np.arange(int(0.5 * SAMPLE_RATE)) / SAMPLE_RATE
    boom = sum(
        np.sin(2 * pi * f * time + rng.uniform(0, 6)) * np.exp(-time / rng.uniform(0.05, 0.12))
        for f in rng.uniform(55, 260, 7)
    )
    latch = acoustics.shaped_noise(time.size, [(500, -10), (2500, 0), (10000, -20)], rng) * np.exp(
        -time / 0.008
    )
    return np.asarray(1.6 * boom + 2.0 * latch)


STEP = 0.55  # s between two steps


def _steps(script: Script) -> list[float]:
    """When a foot comes down."""
    spans = (script.arrives, script.leaves)
    return [t for start, end in spans for t in np.arange(start + 0.2, end, STEP).tolist()]


def _ease(time: float, span: tuple[float, float]) -> float:
    """0 before ``span``, 1 after it, smooth between."""
    share = min(max((time - span[0]) / max(span[1] - span[0], 1e-6), 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)


def pose_at(script: Script, time: float) -> tuple[Pose, float, bool]:
    """The figure at ``time``: pose, place (share of the way in, 0..1) and whether he walks back."""
    back = time >= script.leaves[0]
    span = script.leaves if back else script.arrives
    share = min(max((time - span[0]) / (span[1] - span[0]), 0.0), 1.0)
    moving = 0.0 < share < 1.0
    walking = min(1.0, 6.0 * share, 6.0 * (1.0 - share)) if moving else 0.0
    stride = round(((time - span[0]) / (2 * STEP)) % 1.0 * 24) / 24 * 2 * pi if moving else 0.0
    up = _ease(time, script.draws) * (1.0 - _ease(time, script.hides))
    for start, end in script.rests:
        up *= 1.0 - 0.45 * (_ease(time, (start, start + 0.7)) - _ease(time, (end - 0.6, end)))
    recoil = max((np.exp(-(time - t) / 0.07) for t in script.fired if time >= t), default=0.0)
    armed = script.draws[0] + 0.25 < time < script.hides[1] - 0.25
    up = round(up * 20) / 20
    pose = Pose(
        stride=stride,
        walking=round(walking * 4) / 4,
        shoulder=0.08 + 1.17 * up,
        elbow=0.22 + 1.1 * up * (1 - up) + 0.10 * up,
        support=up**2 if armed else 0.0,
        wrist=0.0,
        armed=armed,
        long_gun=script.long_gun,
        recoil=round(float(recoil) * 4) / 4,
    )
    return pose, (1.0 - share if back else share), back


class _Stage:
    """The street with the figure in it. Poses are drawn once each and used again."""

    def __init__(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        import cv2

        self._width, self._height = size
        self._scale = FIGURE_HEIGHT_PX * self._height
        self._street = draw_street(self._width, self._height, rng)
        shape = (int(2.0 * self._scale * 2) + 4, int(2.6 * self._scale * 2) + 4)
        self._grain = 3.0 * cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), 1.5)
        self._drawn: dict[Pose, Drawn] = {}  # of the last poses

    def frame(self, script: Script, time: float, rng: np.random.Generator) -> Picture:
        """The picture at ``time``."""
        picture = self._street.copy()
        pose, share, back = pose_at(script, time)
        if share > 0.0:
            if pose not in self._drawn:
                if len(self._drawn) == MOST_POSES:
                    del self._drawn[next(iter(self._drawn))]
                self._drawn[pose] = draw(pose, self._scale, self._grain)
            self._place(picture, self._drawn[pose], script, time, share, back)
        picture *= 1.0 + 0.012 * np.sin(0.9 * time)
        noise = rng.standard_normal((self._height // 2, self._width // 2)).astype(np.float32)
        picture += 0.006 * noise.repeat(2, 0).repeat(2, 1)[: self._height, : self._width, None]
        return np.asarray(np.clip(picture * 255.0 + 0.5, 0, 255), np.uint8)

    def _place(
        self, picture: Floats, drawn: Drawn, script: Script, time: float, share: float, back: bool
    ) -> None:
        import cv2

        flat, mask = (drawn.bgr[:, ::-1], drawn.cover[:, ::-1]) if back else (drawn.bgr, drawn.cover)
        origin = (2.6 - 0.9 if back else 0.9) * self._scale
        sway = 2.0 * np.sin(1.3 * time) + 1.2 * np.sin(2.9 * time)
        column = -1.2 * self._scale + share * (script.stands * self._width + 1.2 * self._scale) + sway
        row = FEET * self._height - mask.shape[0]
        shift = np.array([[1, 0, column - origin], [0, 1, row + 0.8 * np.sin(1.1 * time)]], np.float32)
        size = (self._width, self._height)
        cover = cv2.warpAffine(np.ascontiguousarray(mask), shift, size, flags=cv2.INTER_LINEAR)[..., None]
        bgr = cv2.warpAffine(np.ascontiguousarray(flat), shift, size, flags=cv2.INTER_LINEAR)
        apart = np.array([[1, 0, 0.07 * self._scale], [0, 1, 0.05 * self._scale]], np.float32)
        shadow = cv2.GaussianBlur(cv2.warpAffine(cover, apart, size), (0, 0), 0.05 * self._scale)
        picture *= 1.0 - 0.28 * shadow[..., None]
        since = min((time - t for t in script.fired if time >= t), default=np.inf)
        flash = 1.0 if since < FLASH else 0.0
        picture += cover * (bgr * (1.0 + 0.5 * flash) - picture)
        if drawn.muzzle is not None and not back:
            at = (drawn.muzzle[0] + shift[0, 2], drawn.muzzle[1] + shift[1, 2])
            if flash:
                self._burst_of_fire(picture, at)
            elif since < SMOKE:
                self._smoke(picture, at, since)

    def _burst_of_fire(self, picture: Floats, at: tuple[float, float]) -> None:
        rows, columns = np.mgrid[0 : self._height, 0 : self._width].astype(np.float32)
        x, y = (columns - at[0]) / self._scale, (rows - at[1]) / self._scale
        core = np.exp(-((x - 0.10) ** 2 / 0.006 + y**2 / 0.0012))
        halo = np.exp(-((x - 0.08) ** 2 + y**2) / 0.05)
        picture += core[..., None] * np.array([0.7, 1.1, 1.4], np.float32)
        picture += halo[..., None] * np.array([0.05, 0.16, 0.26], np.float32)

    def _smoke(self, picture: Floats, at: tuple[float, float], since: float) -> None:
        rows, columns = np.mgrid[0 : self._height, 0 : self._width].astype(np.float32)
        x = (columns - at[0]) / self._scale - 0.10 - 0.25 * since
        y = (rows - at[1]) / self._scale + 0.18 * since
        wide = 0.004 + 0.03 * since
        veil = (0.35 * np.exp(-since / 0.2) * np.exp(-(x**2 + 1.5 * y**2) / wide))[..., None]
        picture += veil * (0.75 - picture)
