"""A picture of a recording: upright, with its time, converted from YUV only when somebody looks."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, cast

import av.error
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData, Type
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from vedette_base.errors import InputError, MediaError
from vedette_base.media import Pixels

METHOD: Final = (
    Interpolation.AREA
)  # averages when shrinking (bilinear: slower, softer), bilinear when enlarging
KEPT_CONVERTERS: Final = 8  # sizes whose scaler tables are kept; more sizes than that take turns


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture becomes upright: mirrored left to right first, then turned clockwise.

    Attributes:
        turns: quarter turns clockwise, 0..3.
        mirrored: True where left and right are swapped before turning (front cameras, EXIF 2, 4, 5, 7).
    """

    turns: int = 0
    mirrored: bool = False

    @classmethod
    def of_exif(cls, value: int) -> Orientation:
        """From EXIF's orientation tag, 1..8; anything else is upright."""
        turns, mirrored = {2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (1, 0), 7: (1, 1), 8: (3, 0)}.get(
            value, (0, 0)
        )
        return cls(turns, bool(mirrored))

    @classmethod
    def of_frame(cls, frame: VideoFrame) -> Orientation:
        """From the display matrix that the container gave and the decoder passed on."""
        turns = round(-frame.rotation / 90) % 4
        matrix: bytes | None = None
        try:
            for data in cast(Iterable[SideData], frame.side_data):
                if data.type is Type.DISPLAYMATRIX:
                    matrix = bytes(data)
        except ValueError:  # PyAV 18 knows no name for EXIF side data; the rotation it does know
            pass
        if matrix is None:
            return cls(turns)
        a, b, _, c, d = np.frombuffer(matrix, "<i4")[:5].astype(np.float64)
        if a * d - b * c >= 0:
            return cls(turns)
        return cls(round(np.arctan2(-b, -a) / (np.pi / 2)) % 4, True)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) before it is turned -> after, and the other way round."""
        return (height, width) if self.turns % 2 else (width, height)

    def apply(self, pixels: Pixels) -> Pixels:
        """Turn pixels of shape ``(height, width, ...)`` upright."""
        if not self.turns and not self.mirrored:
            return pixels
        if self.mirrored:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(np.rot90(pixels, -self.turns))

    def __str__(self) -> str:
        said = [f"rotated by {self.turns * 90} degrees"] if self.turns else []
        return " and ".join(["mirrored", *said] if self.mirrored else said)


UPRIGHT: Final = Orientation()


class Converter:
    """Scales and converts pictures in one pass, keeping a scaler per size. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # neither a scaler nor a picture may be in two conversions at once
        self._scalers: dict[tuple[int, int, str], VideoReformatter] = {}

    def convert(
        self, picture: VideoFrame, width: int, height: int, pixel_format: str
    ) -> npt.NDArray[np.uint8]:
        """Pixels of ``picture`` stretched to ``width`` x ``height``, as stored (not turned)."""
        key = (width, height, pixel_format)
        with self._lock:
            scaler = self._scalers.pop(key, None) or VideoReformatter()
            self._scalers[key] = scaler  # the last one used is the last to go
            if len(self._scalers) > KEPT_CONVERTERS:
                del self._scalers[next(iter(self._scalers))]
            try:
                scaled = scaler.reformat(
                    picture, width, height, pixel_format, interpolation=METHOD, threads=1
                )
            except av.error.FFmpegError as error:
                raise MediaError(
                    f"pictures of {picture.width} x {picture.height} {picture.format.name} "
                    f"cannot be converted to {width} x {height}: {error.strerror}"
                ) from error
            return np.asarray(scaled.to_ndarray(), np.uint8)


class RecordedFrame:
    """One picture of a recording: the decoded picture is kept, pixels are made when asked for.

    Implements ``vedette_base.media.Frame``.
    """

    __slots__ = ("_converter", "_orientation", "_picture", "_still", "_time")

    def __init__(
        self,
        picture: VideoFrame,
        time: float,
        converter: Converter,
        orientation: Orientation = UPRIGHT,
        *,
        still: bool = False,
    ) -> None:
        self._picture = picture
        self._time = time
        self._converter = converter
        self._orientation = orientation
        self._still = still

    @property
    def time(self) -> float:
        """Seconds on the recording's clock."""
        return self._time

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the upright picture in pixels."""
        return self._orientation.size(self._picture.width, self._picture.height)

    @property
    def still(self) -> bool:
        """True for a single still picture."""
        return self._still

    @property
    def memory(self) -> int:
        """Bytes that the decoded picture holds."""
        return sum(plane.buffer_size for plane in self._picture.planes)

    def bgr(self, width: int, height: int) -> Pixels:
        """The upright picture stretched to ``(height, width, 3)`` BGR in one pass from its own format."""
        return self._convert(width, height, "bgr24")

    def gray(self, width: int, height: int) -> Pixels:
        """The upright picture stretched to ``(height, width)`` luminance, 0 black to 255 white."""
        return self._convert(width, height, "gray")

    def _convert(self, width: int, height: int, pixel_format: str) -> Pixels:
        if width < 1 or height < 1:
            raise InputError(f"width and height must be at least 1, got {width} x {height}")
        stored = self._orientation.size(width, height)
        return self._orientation.apply(self._converter.convert(self._picture, *stored, pixel_format))

    def __repr__(self) -> str:
        width, height = self.size
        return f"RecordedFrame({self._time:.3f} s, {width} x {height})"
