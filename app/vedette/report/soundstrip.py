"""The strip below an annotated video: the last seconds of sound as a spectrogram, its level, the shots."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vedette.report.spectrogram import WINDOW, frequencies, palette
from vedette_base.media import SAMPLE_RATE, AudioBlock, Pixels

SHOWN = 6.0  # s of sound in the strip; its right edge is now
FLOOR = -90.0  # dB of full scale drawn black
STEP = 1024  # samples per column
ROWS = 48
METER = 0.05  # s over which the level is taken
METER_FLOOR = -60.0  # dB of full scale at the foot of the meter
_COLUMN = STEP / SAMPLE_RATE


class SoundStrip:
    """Takes sound as it comes and draws the last seconds of it; memory does not grow.

    Args:
        width, height: of the drawn strip in pixels.
        shots: times to be marked, ascending.
    """

    def __init__(self, width: int, height: int, shots: Sequence[float]) -> None:
        self._width, self._height = width, height
        self._shots = sorted(shots)
        self._columns: deque[tuple[float, npt.NDArray[np.float32], float]] = deque()  # time, rows, peak
        self._pending = np.empty(0, np.float32)
        self._pending_time = 0.0
        bins = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
        self._rows = np.searchsorted(bins, frequencies(ROWS)).clip(1, bins.size - 1)
        self._colours = palette(256)[:, ::-1]  # BGR
        self._window = np.hanning(WINDOW).astype(np.float32)

    def hear(self, block: AudioBlock) -> None:
        """Take sound; blocks come in order of time."""
        joins = abs(block.time - self._pending_time - self._pending.size / SAMPLE_RATE) < 1e-3
        if not joins:
            self._pending, self._pending_time = np.empty(0, np.float32), block.time
        samples = np.concatenate([self._pending, block.samples])
        count = samples.size // STEP
        if count:
            pieces = samples[: count * STEP].reshape(count, STEP)
            loud = np.abs(np.fft.rfft(pieces * self._window, axis=1))[:, self._rows] / (WINDOW / 4)
            decibels = 20 * np.log10(np.maximum(loud, 1e-9))
            shade = np.clip(1 - decibels / FLOOR, 0, 1).astype(np.float32)
            peaks = np.abs(pieces).max(axis=1)
            for i in range(count):
                self._columns.append((self._pending_time + i * _COLUMN, shade[i], float(peaks[i])))
        self._pending = samples[count * STEP :]
        self._pending_time += count * _COLUMN

    def draw(self, time: float, *, observed: bool) -> Pixels:
        """The strip as it is at ``time``, shape ``(height, width, 3)`` BGR."""
        while self._columns and self._columns[0][0] < time - SHOWN - 0.1:
            self._columns.popleft()
        columns = round(SHOWN / _COLUMN)
        shade = np.zeros((ROWS, columns), np.float32)
        level = 0.0
        for start, rows, peak in self._columns:
            place = int((start - time + SHOWN) / _COLUMN)
            if start <= time and 0 <= place < columns:
                shade[:, place] = rows
                level = max(level, peak) if start >= time - METER - _COLUMN else level
        coloured = self._colours[(shade * 255).astype(np.uint8)]
        size = (self._width, self._height)
        strip = np.asarray(cv2.resize(coloured, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        self._mark_shots(strip, time)
        self._meter(strip, level)
        if not observed:
            self._say(strip, "sound not observed")
        return strip

    def _mark_shots(self, strip: Pixels, time: float) -> None:
        first, last = bisect_left(self._shots, time - SHOWN), bisect_right(self._shots, time)
        for shot in self._shots[first:last]:
            x = int((shot - time + SHOWN) / SHOWN * (self._width - 1))
            cv2.line(strip, (x, 0), (x, self._height), (212, 198, 76), 1)
            cv2.circle(strip, (x, 4), 3, (212, 198, 76), -1, cv2.LINE_AA)

    def _meter(self, strip: Pixels, level: float) -> None:
        """A bar at the right edge: the loudest sample of the last moment in dB of full scale."""
        wide = max(6, self._width // 80)
        decibels = 20 * float(np.log10(max(level, 1e-6)))
        top = int(self._height * min(1.0, max(0.0, decibels / METER_FLOOR)))
        strip[:, -wide:] = (30, 26, 22)
        colour = (60, 200, 80) if decibels < -12 else (40, 190, 240) if decibels < -1 else (50, 50, 230)
        strip[top:, -wide + 1 :] = colour

    def _say(self, strip: Pixels, text: str) -> None:
        size = self._height / 110
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
        base = (max(4, (self._width - width) // 2), (self._height + height) // 2)
        cv2.putText(strip, text, base, cv2.FONT_HERSHEY_SIMPLEX, size, (230, 230, 230), 1, cv2.LINE_AA)
