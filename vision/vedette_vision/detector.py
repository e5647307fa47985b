"""Looks at one picture: a first look at the whole, then, enlarged, at the people on it.

On video the second look at a thing replaces the first, within a budget. On stills, for which there is time,
every look is also taken mirrored, the whole picture is enlarged too where people are small, and all looks are
pooled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from vedette_base.bundle import Bundle, Card, load_bundle
from vedette_base.config import CloserLookConfig, VisionConfig
from vedette_base.engine import Engine, open_engine
from vedette_base.errors import BundleError, InputError
from vedette_base.media import Frame, Pixels
from vedette_base.score import VISION_LABELS, Box
from vedette_vision.boxes import Floats, Letterbox, decode
from vedette_vision.imaging import network_input, resize
from vedette_vision.input_sizes import LEAST_FINER, shaped
from vedette_vision.input_sizes import input_size as input_size
from vedette_vision.labels import OUTPUTS, PERSON
from vedette_vision.look import Look as Look
from vedette_vision.look import Window, faded, mirrored, moved, pooled, thinned
from vedette_vision.tiles import look_at_tiles

if TYPE_CHECKING:
    from vedette_vision.verifier import ChipClassifier

Backend = Literal["auto", "openvino", "torch"]

LEAST_SCORE = 0.005
"""Uncalibrated score below which nothing is kept."""
MOST_PIXELS = 4_000_000
"""A frame larger than this is scaled down before people are cut out of it: an 8K frame would take 100 MB."""
SMALL = 0.2
"""Share of the picture's longer side below which a thing is small: ``closer_look.small_nms_iou`` applies."""
LEAST_FIRST, MOST_LARGER = 0.12, 0.4
"""Where the picture was also looked at enlarged: shares of its longer side from which on the first look
counts, and up to which the enlarged one does."""
MOST_ENLARGED, MOST_FINER = 2.1, 0.25
"""Large stills: how many times they are enlarged at most, and what then stands for ``MOST_LARGER``: beyond,
street furniture turns into weapons."""
LEAST_GAIN = 1.3
"""A person already this close to the enlarged size in the first look is not looked at again."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A thing found on one picture.

    Attributes:
        label: one of ``VISION_LABELS``.
        probability: calibrated: that a picture whose best box of this class scores so shows such a thing.
        box: x1, y1, x2, y2 in pixels of the picture.
    """

    label: str
    probability: float
    box: Box


class ImageFrame:
    """A picture in memory as a frame.

    Args:
        image: shape ``(height, width, 3)``, BGR bytes.
        time: seconds on the medium's clock.
        still: whether it stands alone.

    Raises:
        InputError: not such a picture.
    """

    def __init__(self, image: Pixels, *, time: float = 0.0, still: bool = True) -> None:
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3:
            raise InputError("a picture must be a numpy array of bytes, shape (height, width, 3), BGR")
        if image.shape[2] != 3 or image.size == 0:
            raise InputError(f"a picture must have shape (height, width, 3), got {image.shape}")
        self._image, self.time, self.still = image, time, still

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self._image.shape[1], self._image.shape[0]

    def bgr(self, width: int, height: int) -> Pixels:
        """The picture, stretched."""
        return resize(self._image, (width, height))

    def gray(self, width: int, height: int) -> Pixels:
        """Its luminance, stretched."""
        return np.asarray(cv2.cvtColor(self.bgr(width, height), cv2.COLOR_BGR2GRAY), np.uint8)


class WeaponDetector:
    """Finds knives, long guns, pistols, and things mistaken for them, on single pictures.

    ``detect`` is the whole of it for still pictures; the scorer for video uses ``look`` and ``look_closer``.

    Args:
        bundle: a detector.
        config: of the picture; the defaults if not given.
        backend: engine to use.
        threads: processor threads; None leaves it to the engine.
        engines: gives an engine for inputs of (width, height) instead of one made from the bundle.

    Raises:
        BundleError: the bundle is of another kind.
    """

    def __init__(
        self,
        bundle: Bundle,
        config: VisionConfig | None = None,
        *,
        backend: Backend = "auto",
        threads: int | None = None,
        engines: Callable[[tuple[int, int]], Engine] | None = None,
    ) -> None:
        if bundle.card.task != "vision" or bundle.card.labels != OUTPUTS:
            raise BundleError(
                f"{bundle.folder} is no weapon detector: {bundle.card.task}, {', '.join(bundle.card.labels)}",
                hint=f"a detector's labels are {', '.join(OUTPUTS)}",
            )
        self.config = config or VisionConfig()
        self.card: Card = bundle.card
        self._bundle, self._backend, self._threads = bundle, backend, threads
        self._open = engines or self._open_engine
        self._engines: dict[tuple[int, int], Engine] = {}
        self._chips: ChipClassifier | None = None

    @classmethod
    def load(
        cls,
        folder: str | Path | None = None,
        config: VisionConfig | None = None,
        *,
        backend: Backend = "auto",
        threads: int | None = None,
    ) -> WeaponDetector:
        """The shipped detector, or the one in a bundle folder. Raises BundleError when it cannot be used."""
        config = config or VisionConfig()
        return cls(load_bundle(folder or config.model), config, backend=backend, threads=threads)

    @property
    def description(self) -> str:
        """Engine and precision, for people."""
        return self._engine((self.config.input_width, self.config.input_height)).description

    def detect(self, image: Pixels, min_probability: float = 0.25) -> list[Detection]:
        """Everything on one picture, most probable first; people are looked at closer.

        Args:
            image: shape ``(height, width, 3)``, BGR bytes.
            min_probability: calibrated probability from which a box is given, 0..1.

        Raises:
            InputError: not such a picture, or a probability outside 0..1.
        """
        if not 0 <= min_probability <= 1:
            raise InputError(f"min_probability must be within 0..1, got {min_probability}")
        frame = ImageFrame(image)
        look = self.look_twice(frame)
        look = look.of(look.classes < PERSON)
        found = [
            Detection(VISION_LABELS[kind], float(p), tuple(float(v) for v in box))  # type: ignore[arg-type]
            for box, p, kind in zip(look.boxes, self.probabilities(look), look.classes, strict=True)
            if p >= min_probability
        ]
        return sorted(found, key=lambda d: -d.probability)

    def look_twice(self, frame: Frame) -> Look:
        """A first look and, if the configuration has it on, a closer one at everybody: for still pictures."""
        return self.look_again(frame, self.look(frame))

    def look_again(self, frame: Frame, first: Look) -> Look:
        """What stills get after a given first look: a closer one, and a second opinion on what is small.

        Each where the configuration has it on.
        """
        return self._second_opinion(self._tiled(frame, self._closer(frame, first)), frame)

    def _tiled(self, frame: Frame, look: Look) -> Look:
        """A look with what tiles of the picture show besides, where the configuration has them on."""
        if self.config.tiles.side == 0:
            return look
        return look_at_tiles(
            look, frame, self.config.tiles, self._looks_at,
            nms_iou=self.config.nms_iou, most=self.config.max_detections,
        )  # fmt: skip

    def _second_opinion(self, look: Look, frame: Frame) -> Look:
        """Scores with those of the chip classifier that ``config.verifier`` names, if it names one."""
        settings = self.config.verifier
        if settings.model is None:
            return look
        from vedette_vision.verifier import ChipClassifier, rescored  # not above: it imports from here

        if self._chips is None:
            self._chips = ChipClassifier.load(settings.model, backend=self._backend, threads=self._threads)
        return rescored(self._chips, frame, look, settings)

    def _closer(self, frame: Frame, first: Look) -> Look:
        """The closer look of stills after a given first one; the first one itself where it is off.

        All looks are taken plain and, if ``closer_look.mirror`` is on, mirrored. Where somebody is small,
        people are enlarged, and so is the whole picture, which then answers for small things in the first
        look's place. A picture with more pixels than the first look saw is enlarged anyway.
        """
        settings = self.config.closer_look
        if not settings.enabled:
            return first
        people = people_worth_it(first, frame, self.config)
        side = input_size(frame.size, self.config, still=frame.still)
        longest = float(max(frame.size))
        looks = [self._whole(frame, side, first)]
        finer = longest / max(side)  # pixels of the picture per pixel of the first look
        if times := self._enlarged_by(finer, len(people) > 0):
            larger = round(max(side) * times / 32) * 32
            shape = (larger, larger) if side[0] == side[1] else shaped(frame.size, larger)
            most = MOST_FINER if finer > LEAST_FINER else MOST_LARGER
            enlarged = self._whole(frame, shape).sized(0, most * longest)
            looks = [looks[0].sized(LEAST_FIRST * longest, longest), enlarged]
        if len(people):
            looks += self._enlarged_people(frame, people)
        elif len(looks) == 1:
            return looks[0]
        found = thinned(pooled(looks, agreed=False), SMALL * longest, settings.small_nms_iou)
        return found.with_people_of(first)

    def _enlarged_by(self, finer: float, peopled: bool) -> float:
        """How many times as large a still is looked at again; 0: not.

        Args:
            finer: pixels of the picture per pixel of the first look.
            peopled: whether somebody small is on it: then even beyond its own pixels.
        """
        least = self.config.closer_look.whole
        if not least or not (peopled or finer > LEAST_FINER):
            return 0.0
        own = min(finer, MOST_ENLARGED)
        return max(least, own) if peopled else own

    def _enlarged_people(self, frame: Frame, people: Floats) -> list[Look]:
        """Looks at enlarged squares around people of a still ``(n, 4)``, in pixels of the picture."""
        cuts, fits, windows = self._cut_out(frame, people, self.config.closer_look.still_size)
        closer = self._both_ways(cuts, fits)
        return [moved(look, w, frame.size) for look, w in zip(closer, windows, strict=True)]

    def _whole(self, frame: Frame, side: tuple[int, int], plain: Look | None = None) -> Look:
        """A look at the whole picture in an input of (width, height), plain (unless given) and mirrored."""
        if plain is not None and not self.config.closer_look.mirror:
            return plain
        fit = Letterbox.fit(frame.size, side)
        return self._both_ways([fit.pad(frame.bgr(*fit.inner))], [fit], None if plain is None else [plain])[0]

    def _both_ways(
        self, pictures: list[Pixels], fits: list[Letterbox], plain: list[Look] | None = None
    ) -> list[Look]:
        """Looks at pictures of one size, plain (unless given) and, if so set, mirrored; what both say."""
        plain = plain or self._looks_at(pictures, fits)
        if not self.config.closer_look.mirror:
            return plain
        turned = self._looks_at([np.ascontiguousarray(picture[:, ::-1]) for picture in pictures], fits)
        both = zip(plain, turned, fits, strict=True)
        return [pooled([a, mirrored(b, fit)], agreed=True).with_people_of(a) for a, b, fit in both]

    def probabilities(self, look: Look) -> Floats:
        """Calibrated probability of each box; people keep their score."""
        result = look.scores.copy()
        for label, calibration in self.card.calibration.items():
            own = look.classes == OUTPUTS.index(label)
            if own.any():
                result[own] = calibration.apply(look.scores[own])
        return result

    def threshold(self, label: str) -> float:
        """Calibrated probability from which a class counts: the configuration's, else the bundle's."""
        return self.config.thresholds.get(label, self.card.thresholds.get(label, 0.5))

    def look(self, frame: Frame) -> Look:
        """The whole picture once; video's tiles as well, where the configuration has them on."""
        size = frame.size
        fit = Letterbox.fit(size, input_size(size, self.config, still=frame.still))
        batch = network_input([fit.pad(frame.bgr(*fit.inner))])
        output = self._engine(fit.input_size).run(batch)[0]
        first = self._found(output[0], fit)
        return first if frame.still else self._tiled(frame, first)

    def look_closer(self, frame: Frame, first: Look, people: Floats) -> Look:
        """Look again at enlarged squares around ``people`` ``(n, 4)``; returns both looks merged.

        Small things of the first look that lie in such a square count less: the second look saw them better.
        """
        if len(people) == 0:
            return first
        settings = self.config.closer_look
        cuts, fits, windows = self._cut_out(frame, people, settings.size)
        closer = self._looks_at(cuts, fits)
        found = [moved(look, w, frame.size) for look, w in zip(closer, windows, strict=True)]
        weaker = faded(first, windows, settings.first_share)
        merged = weaker.merge([look.of(look.classes < PERSON) for look in found], self.config.nms_iou)
        return thinned(merged, SMALL * max(frame.size), settings.small_nms_iou)

    def _cut_out(
        self, frame: Frame, people: Floats, side: int
    ) -> tuple[list[Pixels], list[Letterbox], list[Window]]:
        """Enlarged squares around people, how each part lies in its input, and its place in the picture."""
        width, height = frame.size
        shrink = min(1.0, (MOST_PIXELS / (width * height)) ** 0.5)
        image = frame.bgr(max(1, round(width * shrink)), max(1, round(height * shrink)))
        windows = [_square(box, self.config.closer_look, (width, height)) for box in people]
        cuts, fits = [], []
        for x1, y1, x2, y2 in windows:
            cut = image[int(y1 * shrink) : max(int(y2 * shrink), int(y1 * shrink) + 1),
                        int(x1 * shrink) : max(int(x2 * shrink), int(x1 * shrink) + 1)]  # fmt: skip
            fit = Letterbox.fit((max(1, round(x2 - x1)), max(1, round(y2 - y1))), (side, side))
            cuts.append(fit.pad(resize(cut, fit.inner)))
            fits.append(fit)
        return cuts, fits, windows

    def _looks_at(self, cuts: list[Pixels], fits: list[Letterbox]) -> list[Look]:
        """What is on each padded picture, in the pixels of the part that it shows."""
        outputs = self._engine(fits[0].input_size).run(network_input(cuts))[0]
        return [self._found(output, fit) for output, fit in zip(outputs, fits, strict=True)]

    def _found(self, output: Floats, fit: Letterbox) -> Look:
        boxes, scores, classes = decode(output, LEAST_SCORE, self.config.nms_iou)
        look = Look(fit.to_picture(boxes), scores, classes)
        if self.config.min_size > 0:
            look = look.of((look.boxes[:, 2:] - look.boxes[:, :2]).min(axis=1) >= self.config.min_size)
        return look.of(np.arange(len(look.scores)) < self.config.max_detections)

    def _engine(self, size: tuple[int, int]) -> Engine:
        """The engine for inputs of (width, height), opened when first needed."""
        if size not in self._engines:
            self._engines[size] = self._open(size)
        return self._engines[size]

    def _open_engine(self, size: tuple[int, int]) -> Engine:
        return open_engine(
            self._bundle,
            shape=(1, 3, size[1], size[0]),
            backend=self._backend,
            network=_torch_network,
            threads=self._threads,
        )


def people_worth_it(look: Look, frame: Frame, config: VisionConfig) -> Floats:
    """People that a closer look would enlarge, tallest first, shape ``(n, 4)``."""
    settings = config.closer_look
    people = look.of((look.classes == PERSON) & (look.scores >= settings.person_threshold)).boxes
    sides = (people[:, 2:] - people[:, :2]).max(axis=1) if len(people) else np.empty(0, np.float32)
    fit = Letterbox.fit(frame.size, input_size(frame.size, config, still=frame.still))
    seen = sides * (1 + 2 * settings.margin) * fit.scale_x
    size = settings.still_size if frame.still else settings.size
    worth: Floats = people[(seen * LEAST_GAIN <= size) & (sides >= 8)]
    return worth[np.argsort(-(worth[:, 3] - worth[:, 1]), kind="stable")]


def _square(box: Floats, settings: CloserLookConfig, picture: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of the picture inside a square around a person, whole pixels."""
    middle = (box[:2] + box[2:]) / 2
    half = float((box[2:] - box[:2]).max()) * (0.5 + settings.margin)
    x1, y1 = (max(0, int(v - half)) for v in middle)
    x2, y2 = (min(limit, int(v + half) + 1) for v, limit in zip(middle, picture, strict=True))
    return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)


def _torch_network(card: Card) -> object:
    """The network in PyTorch with identity norms, for the torch engine."""
    from vedette_vision.network import inference_network

    return inference_network(card.architecture)
