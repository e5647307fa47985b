"""Settings of the picture: how it is looked at, and how its detector is trained (DESIGN section 4)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from vedette_base.config.section import Count, OpenProbability, Probability, Seconds, Section
from vedette_base.config.vision_chips import ChipConfig, VerifierConfig
from vedette_base.config.vision_loss import AssignerConfig, LossConfig
from vedette_base.score import VISION_LABELS

Corner = tuple[Probability, Probability]
Polygon = tuple[Corner, ...]
"""Corners as shares of width and height, at least three."""


def _multiple_of_32(value: int) -> int:
    if value % 32:
        raise ValueError(f"must be a multiple of 32, got {value}")
    return value


def _crosses_itself(polygon: Polygon) -> bool:
    """Whether two edges that share no corner meet, or an edge turns back onto the one before it."""
    corners = [c for i, c in enumerate(polygon) if c != polygon[i - 1]]  # a ring may be closed by hand
    edges = list(zip(corners, [*corners[1:], *corners[:1]], strict=True))
    last = len(edges) - 1
    for i, (a, b) in enumerate(edges):
        following = edges[(i + 1) % len(edges)][1]
        ahead = (b[0] - a[0]) * (following[0] - b[0]) + (b[1] - a[1]) * (following[1] - b[1])
        if _side(a, b, following) == 0 and ahead < 0:
            return True
        if any(_meet(a, b, *edges[j]) for j in range(i + 2, last + 1) if (i, j) != (0, last)):
            return True
    return False


def _side(a: Corner, b: Corner, c: Corner) -> float:
    """Above 0 where ``c`` lies on one side of the line from ``a`` to ``b``, below on the other, 0 on it."""
    turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return 0.0 if abs(turn) < 1e-12 else turn


def _meet(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    """Whether the stretches ``a b`` and ``c d`` have a point in common."""
    sides = _side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    on = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(side == 0 and _within(*points) for side, points in zip(sides, on, strict=True))


def _within(a: Corner, b: Corner, c: Corner) -> bool:
    """Whether ``c``, which lies on their line, is between ``a`` and ``b``."""
    return all(min(p, q) <= r <= max(p, q) for p, q, r in zip(a, b, c, strict=True))


class MotionConfig(Section):
    """The gate that leaves out pictures in which nothing moves."""

    enabled: bool = True
    width: Count = 160
    """Width of the small picture that is compared, in pixels."""
    pixel_change: float = Field(default=12.0, gt=0.0, le=255.0)
    """Grey levels by which a pixel must differ to count."""
    share: Probability = 0.0008
    """Share of changed pixels that opens the gate."""
    forced_look: Seconds = 2.0
    """Longest time without a look, so that a still gunman is seen."""
    calm_pause: Seconds = 0.4
    """Least time between looks at what moves while nothing in the last one could be a weapon
    (``tracker.keep_probability``)."""


class TrackerConfig(Section):
    """Joining detections of successive looks into tracks."""

    match_iou: Probability = 0.2
    match_distance: float = Field(default=1.5, ge=0.0, le=20.0)
    """Or: centres at most this many box sizes apart (tiny boxes hardly overlap)."""
    keep_probability: OpenProbability = 0.08
    """Calibrated probability from which a box continues a track; what starts one is the class's threshold."""
    max_gap: Seconds = 2.0
    """Seconds a track lives on unseen."""
    confirm_looks: Count = 3
    """Agreeing looks before a track is confirmed."""


class CloserLookConfig(Section):
    """Enlarged cut-outs around people, looked at again in full resolution."""

    enabled: bool = True
    size: Count = 320
    """Side of an enlarged cut-out of video, in pixels; a multiple of 32."""
    still_size: Count = 416
    """The same of stills."""
    person_threshold: OpenProbability = 0.15
    margin: float = Field(default=0.2, ge=0.0, le=2.0)
    """Widening of a person's box on each side, as a share of its longer side: 0.2 makes it 1.4 times."""
    crops_per_look: Count = 4
    crops_per_second: float = Field(default=4.0, ge=0.0)
    """Budget on video; 0 switches it off there. Still pictures are not held to it."""
    trigger: OpenProbability = 0.15
    """A first score this weak (uncalibrated) asks for a closer look at whoever is there."""
    mirror: bool = True
    """Stills: every look is also taken mirrored."""
    whole: float = Field(default=1.7, ge=0.0, le=4.0)
    """Stills on which somebody is small: the whole picture again, so many times as large as in the first
    look; large stills, whoever is on them, with the pixels that they have, up to 2.1 times; 0: not."""
    first_share: Probability = 0.5
    """Video: what is left of a first look's score of a small thing where somebody was looked at closer."""
    small_nms_iou: Probability = 0.3
    """As ``nms_iou``, for things below a fifth of the picture after a closer look."""

    @field_validator("size", "still_size")
    @classmethod
    def _fits_the_strides(cls, value: int) -> int:
        return _multiple_of_32(value)


class TilesConfig(Section):
    """Overlapping tiles of the full-size picture, looked at enlarged besides the whole: for tiny things."""

    side: int = Field(default=0, ge=0, le=100_000)
    """Side of a tile in full-size pixels; 0: no tiles. Each costs as much as a look at the whole picture."""
    size: Count = 640
    """Side of the network's picture of a tile; a multiple of 32."""
    overlap: float = Field(default=0.25, ge=0.0, le=0.9)
    """Share of a tile that the next one shows again: things up to that size are whole on one of them."""
    most: Count = 64
    """Tiles of a picture at most; where more were needed, tiles grow."""

    @field_validator("size")
    @classmethod
    def _fits_the_strides(cls, value: int) -> int:
        return _multiple_of_32(value)


class VisionTrainConfig(Section):
    """Settings of ``vedette train vision``."""

    architecture: str = "yolo11n.yaml"
    """Any Ultralytics detector, ours with a P2 head (``yolo12s-p2``), or ``fasterrcnn_resnet50``."""
    weights: str = "weights/yolo11n_coco_dequant_fp16.npz"
    """Folded start weights: a ``.npz`` under Ultralytics' names, or a bundle; relative to the data sets; or
    ``none``. What fits is taken, so those of ``yolo11n`` also start ``yolo11n-p2``."""
    seed: int = 0
    steps: Count = 2300
    """Batches in all."""
    minutes: float = Field(default=0.0, ge=0.0)
    """Ends the training by the clock, with the schedule fitted to it; 0: by ``steps`` alone."""
    batch: Count = 16
    image_size: Count = 512
    """Side of the square training picture, a multiple of 32."""
    bf16: bool = True
    """Forward pass in bfloat16 (the loss stays in float32)."""
    learning_rate: float = Field(default=1e-3, gt=0.0, le=1.0)
    fresh_rate: float = Field(default=1.0, gt=0.0, le=100.0)
    """Learning rate, against that of the rest, of parameters that no start weight gave (a new P2 branch)."""
    weight_decay: float = Field(default=5e-4, ge=0.0, le=1.0)
    warmup_steps: int = Field(default=150, ge=0)
    clip_norm: float = Field(default=10.0, ge=0.0)
    """Longest gradient; 0: any."""
    average_decay: Probability = 0.998
    """Of the moving average of the weights, which is what is kept."""
    norm_batches: Count = 8
    """Batches from which the statistics of the re-inserted batch norms are estimated."""
    mosaic: Probability = 0.5
    """Share of training pictures that are mosaics of four."""
    closer: Probability = 0.28
    """Share that are enlarged cut-outs around people and weapons."""
    shares: dict[str, Annotated[float, Field(ge=0.0)]] = Field(default_factory=dict)
    """How often a picture of a subset is drawn, against 1; subsets not named keep their own share."""
    looks: Probability = 0.0
    """Share of batches that are enlarged looks at people of camera pictures, as the closer look has them."""
    look_size: Count = 320
    look_batch: Count = 24
    shrink: Probability = 0.25
    """Share of looks that are web pictures shrunk until their weapons have a few pixels."""
    paste: Probability = 0.0
    """Share of camera pictures in which a cut-out weapon or look-alike is put into somebody's hand."""
    rooms: Probability = 0.0
    """Share of made-up rooms, empty or with cut-out people in them, among pictures and among looks."""
    blend: Probability = 0.0
    """Share of the start weights, those of an earlier run, in the weights that are kept."""
    held_out: Probability = 0.0
    """Share of the cameras of ``cctv_gray`` that are kept out, to choose the best weights by."""
    people: str = ""
    """Weights that find the people nobody labelled (COCO's); empty: the start weights."""
    close_mosaic: Probability = 0.12
    """Last share of the training, without mosaics."""
    epoch_steps: Count = 400
    """Batches between two measurements on ``val``."""
    save_steps: Count = 200
    log_steps: Count = 20
    val_every: Count = 2
    """Every how-many-th picture of ``val`` the measurement takes while training."""
    limit: int = Field(default=0, ge=0)
    """First so many training pictures alone, for a trial; 0: all."""
    loss: LossConfig = LossConfig()
    assigner: AssignerConfig = AssignerConfig()

    @field_validator("image_size", "look_size")
    @classmethod
    def _fits_the_strides(cls, value: int) -> int:
        return _multiple_of_32(value)


class VisionConfig(Section):
    """Settings of the picture scorer. Times in seconds, sizes in pixels of the network's picture."""

    model: str = "vision"
    """Name of a shipped bundle, or a bundle folder."""
    frames_per_second: float = Field(default=5.0, gt=0.0, le=120.0)
    input_width: Count = 640
    input_height: Count = 384
    """The network's picture for landscape video; turned for portrait. Multiples of 32."""
    still_size: Count = 640
    """Side of the network's picture for stills and squarish video, a multiple of 32; small ones get less."""
    thresholds: dict[str, OpenProbability] = Field(default_factory=dict)
    """Calibrated probability from which a box counts, per class; classes not named keep the bundle's own."""
    nms_iou: Probability = 0.5
    max_detections: Count = 50
    min_size: float = Field(default=0.0, ge=0.0)
    """Boxes with a shorter side below this many full-size pixels are dropped."""
    zones: tuple[Polygon, ...] = ()
    """Where weapons count (the box's centre decides); empty: everywhere."""
    masks: tuple[Polygon, ...] = ()
    """Where they never count."""
    motion: MotionConfig = MotionConfig()
    tracker: TrackerConfig = TrackerConfig()
    closer_look: CloserLookConfig = CloserLookConfig()
    tiles: TilesConfig = TilesConfig()
    verifier: VerifierConfig = VerifierConfig()
    chips: ChipConfig = ChipConfig()
    train: VisionTrainConfig = VisionTrainConfig()

    @field_validator("input_width", "input_height", "still_size")
    @classmethod
    def _fits_the_strides(cls, value: int) -> int:
        return _multiple_of_32(value)

    @field_validator("thresholds")
    @classmethod
    def _classes_are_known(cls, value: dict[str, float]) -> dict[str, float]:
        if stray := sorted(set(value) - set(VISION_LABELS)):
            raise ValueError(f"must name {', '.join(VISION_LABELS)}, got {', '.join(stray)}")
        return value

    @field_validator("zones", "masks")
    @classmethod
    def _polygons_have_an_area(cls, value: tuple[Polygon, ...]) -> tuple[Polygon, ...]:
        if any(len(set(polygon)) < 3 for polygon in value):
            raise ValueError("a polygon needs at least three corners")
        if any(_crosses_itself(polygon) for polygon in value):
            raise ValueError("a polygon crosses itself: give its corners in order around it")
        return value
