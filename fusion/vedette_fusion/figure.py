"""A drawn figure of a man with or without a weapon: a pose in, pixels out.

Seen from the side by a camera far enough away for parallel projection. Coordinates: x ahead of the figure, y
up from the ground, z towards the camera; metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
import numpy.typing as npt

from vedette_fusion.outlines import PISTOL_MUZZLE, PISTOL_PARTS, RIFLE_MUZZLE, RIFLE_PARTS
from vedette_fusion.solid import HAIR, JACKET, SHOES, SKIN, SUPERSAMPLE, TROUSERS, Canvas, Floats, Vector


@dataclass(frozen=True)
class Pose:
    """Angles in radians, 0 hanging straight down, positive forward.

    Attributes:
        stride: phase of the walk; ``walking`` 0..1 is how much of it shows.
        shoulder, elbow: of the arm that holds the weapon; ``support`` 0..1 brings the other hand to it.
        wrist: tilt of the weapon against the forearm.
        armed: whether the weapon is in the hand; ``long_gun`` makes it a rifle.
        recoil: 0..1.
    """

    stride: float = 0.0
    walking: float = 0.0
    shoulder: float = 0.1
    elbow: float = 0.2
    support: float = 0.0
    wrist: float = 0.0
    armed: bool = False
    long_gun: bool = False
    recoil: float = 0.0


@dataclass(frozen=True)
class Drawn:
    """A picture with its cover: ``bgr`` (h, w, 3) and ``cover`` (h, w) in 0..1, and points within it.

    Attributes:
        weapon: box of the weapon in pixels of ``bgr``, or None.
        muzzle: pixel of the muzzle, or None.
    """

    bgr: Floats
    cover: Floats
    weapon: tuple[float, float, float, float] | None
    muzzle: tuple[float, float] | None


def draw(pose: Pose, scale: float, grain: Floats) -> Drawn:
    """The figure in ``pose`` at ``scale`` pixels per metre.

    Its picture is 2.6 m wide and 2.0 m high; the figure stands 0.9 m from its left edge on its lower one.
    """
    canvas = Canvas(2.6, 2.0, -0.9, scale)
    bob = 0.02 * pose.walking * cos(2.0 * pose.stride)
    lean = 0.03 + 0.02 * pose.walking - 0.03 * pose.recoil
    hip: Vector = (0.0, 0.93 + bob, 0.0)
    neck: Vector = (lean * 1.4, 1.47 + bob, 0.0)
    for side in (-1.0, 1.0):
        _leg(canvas, hip, side, pose)
    _torso(canvas, hip, neck)
    _head(canvas, neck)
    muzzle, covered = _arms(canvas, neck, pose)
    bgr, cover = canvas.shade(grain)
    if muzzle is None or covered is None or not covered.any():
        return Drawn(bgr, cover, None, None)
    rows, columns = (np.nonzero(covered)[axis] / SUPERSAMPLE for axis in (0, 1))
    edge = 1.0 / SUPERSAMPLE
    box = (float(columns.min()), float(rows.min()), float(columns.max()) + edge, float(rows.max()) + edge)
    column, row = canvas.pixel(muzzle[0], muzzle[1])
    return Drawn(bgr, cover, box, (column / SUPERSAMPLE, row / SUPERSAMPLE))


def _leg(canvas: Canvas, hip: Vector, side: float, pose: Pose) -> None:
    phase = pose.stride + (pi if side > 0 else 0.0)
    thigh = 0.42 * pose.walking * sin(phase) + 0.10 * side * (1.0 - pose.walking)
    knee = pose.walking * (0.12 + 0.5 * max(0.0, cos(phase - 0.3))) + 0.04
    joint = (hip[0] + 0.44 * sin(thigh), hip[1] - 0.44 * cos(thigh), 0.09 * side)
    shin = thigh - knee
    ankle = (joint[0] + 0.42 * sin(shin), max(joint[1] - 0.42 * cos(shin), 0.07), 0.09 * side)
    start = (hip[0] - 0.005, hip[1] + 0.02, 0.09 * side)
    canvas.sweep(start, 0.098, joint, 0.066, TROUSERS)
    canvas.sweep(joint, 0.066, ankle, 0.047, TROUSERS)
    canvas.sweep(ankle, 0.046, (ankle[0] - 0.02, ankle[1] - 0.025, ankle[2]), 0.045, SHOES)
    canvas.sweep(
        (ankle[0] - 0.03, ankle[1] - 0.03, ankle[2]),
        0.04,
        (ankle[0] + 0.15, ankle[1] - 0.035, ankle[2]),
        0.034,
        SHOES,
    )


def _torso(canvas: Canvas, hip: Vector, neck: Vector) -> None:
    chest = (neck[0] * 0.75 - 0.005, neck[1] - 0.2, 0.0)
    for z in (-0.09, 0.0, 0.09):
        canvas.sweep((hip[0], hip[1] - 0.02, z), 0.122, (hip[0], hip[1] + 0.12, z), 0.122, JACKET)
        canvas.sweep((hip[0], hip[1] + 0.12, z), 0.122, (chest[0], chest[1], z), 0.135, JACKET)
        canvas.sweep((chest[0], chest[1], z), 0.135, (neck[0] - 0.01, neck[1] - 0.09, z * 0.9), 0.10, JACKET)
    # collar and hem
    canvas.sweep(
        (neck[0] - 0.03, neck[1] - 0.03, -0.03), 0.06, (neck[0] - 0.03, neck[1] - 0.03, 0.03), 0.06, JACKET
    )
    for z in (-0.09, 0.0, 0.09):
        canvas.sweep((hip[0], hip[1] - 0.02, z), 0.124, (hip[0], hip[1] - 0.09, z), 0.118, JACKET)


def _head(canvas: Canvas, neck: Vector) -> None:
    x, y, _ = neck
    canvas.sweep((x - 0.01, y - 0.04, 0.0), 0.058, (x + 0.015, y + 0.08, 0.0), 0.055, SKIN)
    canvas.sweep((x + 0.01, y + 0.19, 0.0), 0.088, (x + 0.035, y + 0.17, 0.0), 0.085, SKIN)
    canvas.sweep((x + 0.05, y + 0.10, 0.0), 0.055, (x + 0.06, y + 0.085, 0.0), 0.046, SKIN)  # jaw
    canvas.sweep((x + 0.108, y + 0.185, 0.0), 0.012, (x + 0.122, y + 0.150, 0.0), 0.015, SKIN)  # nose
    for z in (0.0, 0.03):  # cheek and lips
        canvas.sweep((x + 0.045, y + 0.16, z), 0.07, (x + 0.06, y + 0.10, z * 0.6), 0.050, SKIN)
    canvas.sweep((x + 0.098, y + 0.108, 0.0), 0.013, (x + 0.098, y + 0.1, 0.0), 0.012, SKIN)
    canvas.sweep((x + 0.094, y + 0.185, 0.062), 0.007, (x + 0.102, y + 0.185, 0.055), 0.006, HAIR)  # eye
    canvas.sweep((x + 0.078, y + 0.203, 0.068), 0.006, (x + 0.108, y + 0.203, 0.048), 0.006, HAIR)  # brow
    canvas.sweep((x - 0.012, y + 0.212, 0.0), 0.088, (x + 0.03, y + 0.222, 0.0), 0.078, HAIR)
    canvas.sweep((x - 0.030, y + 0.20, 0.0), 0.080, (x - 0.032, y + 0.12, 0.0), 0.055, HAIR)
    canvas.sweep((x - 0.01, y + 0.185, 0.08), 0.020, (x - 0.015, y + 0.15, 0.078), 0.015, SKIN)  # ear


def _arms(canvas: Canvas, neck: Vector, pose: Pose) -> tuple[Vector | None, npt.NDArray[np.bool_] | None]:
    swing = 0.35 * pose.walking * sin(pose.stride)
    far = (neck[0] - 0.01, neck[1] - 0.1, -0.19)
    near = (neck[0] - 0.01, neck[1] - 0.1, 0.19)
    upper = pose.shoulder + (0.0 if pose.armed else swing) + 0.06 * pose.recoil
    fore = upper + pose.elbow + 0.10 * pose.recoil
    elbow, wrist = _reach(near, upper, fore, 0.19 - 0.13 * pose.support)
    angle = fore + pose.wrist + 0.12 * pose.recoil
    grip = (wrist[0] + 0.055 * sin(angle), wrist[1] - 0.055 * cos(angle), wrist[2])
    muzzle, covered = _weapon(canvas, grip, angle, pose) if pose.armed else (None, None)
    hanging = -swing * 1.0 + 0.05
    e, w = _reach(far, hanging, hanging + 0.25, -0.19)
    if pose.support:
        target = (grip[0] + (0.30 if pose.long_gun else -0.005), grip[1] - 0.02, grip[2] - 0.035)
        middle = tuple(0.5 * (a + b) for a, b in zip(far, target, strict=True))
        e = _between(e, (middle[0], middle[1] - 0.12, -0.15), pose.support)
        w = _between(w, target, pose.support)
    _arm(canvas, far, e, w)
    loose = 1.0 - pose.support  # closed around the other hand, it reaches no farther
    fist = _between(e, w, 1.02 + 0.20 * loose)
    canvas.sweep(w, 0.030, fist, 0.031, SKIN)
    canvas.sweep(fist, 0.024, _between(e, w, 1.02 + 0.34 * loose), 0.016, SKIN)
    _arm(canvas, near, elbow, wrist)
    _hand(canvas, wrist, grip, angle, pose.armed)
    return muzzle, covered


def _reach(shoulder: Vector, upper: float, fore: float, z: float) -> tuple[Vector, Vector]:
    side = (shoulder[2] + z) / 2
    elbow = (shoulder[0] + 0.29 * sin(upper), shoulder[1] - 0.29 * cos(upper), side)
    return elbow, (elbow[0] + 0.25 * sin(fore), elbow[1] - 0.25 * cos(fore), z)


def _between(a: Vector, b: Vector, share: float) -> Vector:
    x, y, z = (p + share * (q - p) for p, q in zip(a, b, strict=True))
    return x, y, z


def _arm(canvas: Canvas, shoulder: Vector, elbow: Vector, wrist: Vector) -> None:
    canvas.sweep(shoulder, 0.078, elbow, 0.055, JACKET)
    cuff = _between(elbow, wrist, 0.88)
    canvas.sweep(elbow, 0.055, cuff, 0.042, JACKET)
    canvas.sweep(cuff, 0.030, wrist, 0.029, SKIN)


def _hand(canvas: Canvas, wrist: Vector, grip: Vector, angle: float, armed: bool) -> None:
    canvas.sweep(wrist, 0.030, grip, 0.032, SKIN)
    ahead = (sin(angle), -cos(angle))
    up = (cos(angle), sin(angle))
    for number in range(4):  # fingers, closed around the grip or half open
        drop = 0.016 - 0.019 * number
        root = (grip[0] + 0.018 * ahead[0] + drop * up[0], grip[1] + 0.018 * ahead[1] + drop * up[1])
        reach = 0.030 if armed else 0.05
        tip = (root[0] + reach * ahead[0], root[1] + reach * ahead[1])
        z = grip[2] + 0.018
        canvas.sweep((*root, z), 0.0105, (*tip, z), 0.009, SKIN)


def _weapon(canvas: Canvas, grip: Vector, angle: float, pose: Pose) -> tuple[Vector, npt.NDArray[np.bool_]]:
    ahead = np.array([sin(angle), -cos(angle)])
    up = np.array([cos(angle), sin(angle)])

    def place(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """Centimetres along and above the grip into metres of the figure."""
        return [tuple(grip[:2] + 0.01 * (x * ahead + y * up)) for x, y in points]

    covered = np.zeros(canvas.depth.shape, bool)
    for outline, thick, bevel, material, holes in RIFLE_PARTS if pose.long_gun else PISTOL_PARTS:
        covered |= canvas.plate(place(outline), grip[2], thick, bevel, material, [place(h) for h in holes])
    tip = place([RIFLE_MUZZLE if pose.long_gun else PISTOL_MUZZLE])[0]
    return (tip[0], tip[1], grip[2]), covered
