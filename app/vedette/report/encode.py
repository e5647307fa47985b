"""Writes H.264 and AAC into an MP4, keeping the time of every picture: for clips and annotated video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vedette_base.media import SAMPLE_RATE, AudioBlock, Pixels

TICK = Fraction(1, 90_000)  # s; fine enough for every common frame rate, and pictures need no fixed rate
SOUND_FRAME = 1024  # samples; what one AAC frame holds
SOUND_LAG = 1.0  # s that sound may lie behind the picture before silence is written in its place


class Mp4Writer:
    """An MP4 in the making; close it, or use it as a context, to finish the file.

    Args:
        target: path of the file; an index at its front needs a real file.
        size: width and height in pixels, or None for sound only; odd sizes lose their last column or row.
        sound: whether there is a sound track.
        origin: time of the medium that becomes second 0 of the file.
        quality: x264's constant rate factor; lower is better.
    """

    def __init__(
        self,
        target: Path,
        *,
        size: tuple[int, int] | None,
        sound: bool,
        origin: float = 0.0,
        quality: int = 23,
    ) -> None:
        import av

        self._origin = origin
        # faststart: a player can begin, and seek, before it has the whole file.
        self._file: Any = av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"})
        self._picture = self._add_picture(size, quality) if size else None
        self._sound = self._add_sound() if sound else None
        self._last_tick = -1
        self._pending = np.empty(0, np.float32)
        self._written = 0  # samples given to the encoder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def picture(self, time: float, bgr: Pixels) -> None:
        """Add a picture to be shown from ``time`` seconds of the medium; times must rise."""
        import av

        if self._picture is None:
            return
        height, width = self._picture.height, self._picture.width
        frame: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(bgr[:height, :width]), format="bgr24")
        tick = round((time - self._origin) / TICK)
        if tick <= self._last_tick:  # two pictures of one time cannot both be stored: the first is kept
            return
        self._last_tick = tick
        frame.pts, frame.time_base = tick, TICK
        self._file.mux(self._picture.encode(frame))
        # The muxer holds pictures back until their sound comes; silence keeps that from growing.
        self._fill_silence(round((time - SOUND_LAG - self._origin) * SAMPLE_RATE))

    def sound(self, block: AudioBlock) -> None:
        """Add sound at its own time; holes before it become silence, what overlaps is dropped."""
        if self._sound is None:
            return
        at = round((block.time - self._origin) * SAMPLE_RATE)
        self._fill_silence(at)
        late = self._written + self._pending.size - at
        self._push(block.samples[max(0, late) :])

    def close(self) -> None:
        """Write what the encoders still hold, and the index."""
        if self._picture is not None and self._last_tick >= 0:
            self._file.mux(self._picture.encode(None))
        if self._sound is not None:
            if self._pending.size:
                self._encode(self._pending)
            self._file.mux(self._sound.encode(None))
        self._file.close()

    def _add_picture(self, size: tuple[int, int], quality: int) -> Any:
        # The rate is only a hint to the encoder; the pictures' own times count.
        stream = self._file.add_stream(
            "libx264", rate=30, options={"preset": "veryfast", "crf": str(quality)}
        )
        stream.width, stream.height = max(2, size[0] & ~1), max(2, size[1] & ~1)
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = TICK
        return stream

    def _add_sound(self) -> Any:
        stream = self._file.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = 96_000
        stream.time_base = Fraction(1, SAMPLE_RATE)
        return stream

    def _fill_silence(self, until: int) -> None:
        if self._sound is None:
            return
        while (missing := until - self._written - self._pending.size) > 0:
            self._push(np.zeros(min(missing, SAMPLE_RATE), np.float32))

    def _push(self, samples: npt.NDArray[np.float32]) -> None:
        joined = np.concatenate([self._pending, samples])
        whole = joined.size - joined.size % SOUND_FRAME
        for start in range(0, whole, SOUND_FRAME):
            self._encode(joined[start : start + SOUND_FRAME])
        self._pending = joined[whole:]

    def _encode(self, samples: npt.NDArray[np.float32]) -> None:
        import av

        frame: Any = av.AudioFrame.from_ndarray(
            np.clip(samples, -1, 1)[None, :].astype(np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = self._written, Fraction(1, SAMPLE_RATE)
        self._written += samples.size
        assert self._sound is not None
        self._file.mux(self._sound.encode(frame))
