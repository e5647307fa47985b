"""One run of sound cut into windows: its samples and mels that are still needed, and nothing older."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vedette_audio import shots as onsets
from vedette_audio.features import HOP, MELS, N_FFT, frame_mels, frames_in, to_log
from vedette_audio.quality import quality
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]


@dataclass
class Window:
    """What the network hears at once.

    Attributes:
        start: seconds from the start of the run.
        end: the same, of what was really heard.
        log_mels: ``(MELS, frames)``; empty once it has scores.
        quality: 0..1, see ``quality``.
        scores: calibrated P(type | shot) of each type, then P(shot); empty until it has them.
    """

    start: float
    end: float
    log_mels: Floats
    quality: float
    scores: Floats = field(default_factory=lambda: np.empty(0, np.float32))


class Run:
    """One run of sound being heard.

    Attributes:
        start: its time on the medium's clock, seconds.
        decided: seconds of it whose shots are decided.
        scored: windows that the shots to come may still need, with their scores.
    """

    def __init__(self, start: float, window: float, hop: float) -> None:
        self.start, self.window, self.hop = start, window, hop
        self.frames = frames_in(round(window * SAMPLE_RATE))
        self.count = 0  # samples heard
        self.made = 0  # windows made
        self.decided = 0.0
        self.scored: deque[Window] = deque()
        self._sound = np.zeros(N_FFT // 2, np.float32)  # centred: half a frame of nothing before the run
        self._first_sample = -(N_FFT // 2)
        self._log_mels = np.empty((MELS, 0), np.float32)
        self._first_frame = 0

    @property
    def duration(self) -> float:
        """Seconds heard so far."""
        return self.count / SAMPLE_RATE

    def _needed(self) -> int:
        """First sample that later windows, frames or onsets may ask for."""
        next_frame = self._first_frame + self._log_mels.shape[1]
        oldest = round(self.decided * SAMPLE_RATE) - onsets.BEFORE * onsets.GRID - 2 * SAMPLE_RATE // 10
        oldest = min(oldest, round(self.made * self.hop * SAMPLE_RATE))
        return min(next_frame * HOP - N_FFT // 2, oldest // onsets.GRID * onsets.GRID)

    def add(self, samples: Floats) -> list[Window]:
        """Take samples; the windows that are now complete."""
        self._sound = np.concatenate([self._sound, samples])
        self.count += samples.size
        self._transform()
        made = []
        while self._frame_of(self.made) + self.frames <= self._first_frame + self._log_mels.shape[1]:
            if (self.made * self.hop + self.window) * SAMPLE_RATE > self.count:
                break
            made.append(self._make(self.made * self.hop + self.window))
        self._forget()
        return made

    def finish(self) -> list[Window]:
        """The run is over: a last window over the rest of it, padded with nothing, if any of it is new."""
        heard = (self.made - 1) * self.hop + self.window if self.made else 0.0
        if self.duration <= heard + 1e-9:
            return []
        missing = samples_of(self._frame_of(self.made) + self.frames) - self.count
        self._sound = np.concatenate([self._sound, np.zeros(max(0, missing), np.float32)])
        self._transform()
        return [self._make(self.duration)]

    def sound(self, first: float, last: float) -> tuple[Floats, int]:
        """Samples from about ``first`` to ``last`` (seconds of the run) and the grid step they begin at."""
        step = max(0, int(first * 1000), -(-self._first_sample // onsets.GRID))
        begin = step * onsets.GRID - self._first_sample
        heard = self.count - self._first_sample
        end = min(heard, round(last * 1000) * onsets.GRID - self._first_sample)
        return self._sound[begin : max(begin, end)], step

    def _frame_of(self, window: int) -> int:
        return round(window * self.hop * SAMPLE_RATE / HOP)

    def _transform(self) -> None:
        """Mels of all frames that are whole by now; frame i is centred on sample ``i * HOP``."""
        frame = self._first_frame + self._log_mels.shape[1]
        begin = frame * HOP - N_FFT // 2 - self._first_sample
        fresh = to_log(frame_mels(self._sound[begin:]))
        if fresh.shape[1]:
            self._log_mels = np.concatenate([self._log_mels, fresh], axis=1)

    def _make(self, end: float) -> Window:
        start = self.made * self.hop
        first = self._frame_of(self.made) - self._first_frame
        log_mels = self._log_mels[:, first : first + self.frames].copy()
        begin = max(0, round(start * SAMPLE_RATE) - self._first_sample)
        heard = self._sound[begin : round(end * SAMPLE_RATE) - self._first_sample]
        self.made += 1
        return Window(start, end, log_mels, quality(log_mels, heard))

    def _forget(self) -> None:
        drop = self._frame_of(self.made) - self._first_frame
        if drop > 0:
            self._log_mels = self._log_mels[:, drop:]
            self._first_frame += drop
        spare = self._needed() - self._first_sample
        if spare > SAMPLE_RATE:  # not for every small block
            self._sound = self._sound[spare:]
            self._first_sample += spare


def samples_of(frames: int) -> int:
    """Samples of a run that so many centred frames reach to."""
    return (frames - 1) * HOP + N_FFT // 2
