"""Decoded sound of any rate, layout and format -> timed blocks of 48 kHz mono that are finite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from av.audio.fifo import AudioFifo
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from vedette.sources.damage import Damage
from vedette_base.media import SAMPLE_RATE, AudioBlock

Samples = npt.NDArray[np.float32]

BLOCKS_PER_SECOND: Final = 5  # about
JUMP: Final = 0.1  # seconds between time stamp and sample count that are a gap or an overlap at once
DRIFT: Final = 0.04  # the same when it lasts: shots are to be timed within 0.05 s
PATIENCE: Final = 2.0  # seconds over which the difference is averaged; stamps of live recorders jitter
SILENT_CHANNELS: Final = {"LFE", "LFE2"}  # bass effects of cinema sound: not part of what was heard
ABSURD: Final = 1e6  # full scale is 1; float samples beyond this are damage, like NaN
PCM_SCALE: Final = {"s16": 2.0**15, "s32": 2.0**31}


class SoundClock:
    """Turns decoded frames of one track into blocks on the recording's clock.

    Args:
        tick, zero: seconds per unit of the time stamps, and the stamp of second 0 in seconds.
        damage: where bad samples and gaps are counted.
        start, end: only samples within ``[start, end)`` are given.
        grid: time of the track's very first sample. After a seek the resampler starts at a sample that
            lies on the same output grid, so that the samples are those of an untrimmed run.
    """

    def __init__(
        self,
        tick: float,
        zero: float,
        damage: Damage,
        *,
        start: float = 0.0,
        end: float = math.inf,
        grid: float | None = None,
    ) -> None:
        self._tick, self._zero = tick, zero
        self._damage = damage
        self._start, self._end = start, end
        self._grid = grid
        self._segment: _Segment | None = None
        self._offset = 0.0  # smoothed difference between time stamps and sample count, seconds
        self._last_stamp: int | None = None
        self.ready = -math.inf  # everything before this time has been given

    def push(self, frame: AudioFrame) -> Iterator[AudioBlock]:
        """Sound that became ready with ``frame``."""
        if not frame.samples or frame.sample_rate <= 0:
            return
        time, segment = self._time(frame), self._segment
        off = 0.0 if segment is None or time is None else self._off(time, segment, frame)
        if segment is None:
            segment = self._begin(time or 0.0, frame)
        elif off < 0:
            self._damage.count("overlaps in the sound, cut")
            yield from self._give(segment)
            segment.leave_out(min(frame.samples, round(-off * frame.sample_rate)))
        elif off > 0 or segment.kind != kind_of(frame):
            yield from self.flush()
            segment = self._begin(max(self.ready, segment.fed_until + off), frame)
            if off > 0:
                self._damage.count("gaps in the sound")
        segment.put(frame)
        if segment.full:
            yield from self._give(segment)

    def flush(self) -> Iterator[AudioBlock]:
        """The rest, after the last frame."""
        if self._segment is not None:
            segment, self._segment = self._segment, None
            yield from self._give(segment)
            yield from self._give(segment, last=True)

    def _time(self, frame: AudioFrame) -> float | None:
        """Seconds of a frame's first sample; None where the stamp is missing or does not move."""
        stamp = frame.pts if frame.pts is not None else frame.dts
        if stamp is None or stamp == self._last_stamp:
            return None
        self._last_stamp = stamp
        return stamp * self._tick - self._zero

    def _off(self, time: float, segment: _Segment, frame: AudioFrame) -> float:
        """Seconds between stamp and sample count that must be acted upon: a gap above 0, an overlap below."""
        now = time - segment.fed_until
        self._offset += (now - self._offset) * min(1.0, frame.samples / segment.rate / PATIENCE)
        if abs(now) <= JUMP and abs(self._offset) <= DRIFT:
            return 0.0
        self._offset = 0.0
        return now

    def _begin(self, time: float, frame: AudioFrame) -> _Segment:
        """A new segment from a frame on; after a seek from the first of its samples that lies on the grid."""
        skip, rate = 0, frame.sample_rate
        if self._grid is not None:
            index = round((time - self._grid) * rate)
            skip = -index % (rate // math.gcd(rate, SAMPLE_RATE))
            time = self._grid + (index + skip) / rate
            self._grid = None  # after a gap an untrimmed run begins anew too
        self._segment = _Segment(time, frame, skip)
        self._offset = 0.0
        return self._segment

    def _give(self, segment: _Segment, *, last: bool = False) -> Iterator[AudioBlock]:
        """What waits in ``segment``, as a block within the part asked for."""
        time = segment.time
        samples, bad = segment.finish() if last else segment.take()
        if bad:
            self._damage.count("sound samples that are no numbers, set to zero", bad)
        if not samples.size:
            return
        self.ready = time + samples.size / SAMPLE_RATE
        first = max(0, _sample_at(self._start - time))
        end = samples.size if self._end == math.inf else _sample_at(self._end - time)
        if first < min(end, samples.size):
            yield AudioBlock(time + first / SAMPLE_RATE, samples[first:end])


def _sample_at(seconds: float) -> int:
    """Number of the first sample that is not before ``seconds``, but for rounding."""
    return math.ceil(seconds * SAMPLE_RATE - 1e-3)


class _Segment:
    """Sound without a gap, of one format: the count of its samples is its clock.

    Frames are put into a queue as they are and converted many at once: a decoder's frames are short, and
    one by one their conversion would take ten times as long as decoding them.
    """

    def __init__(self, anchor: float, frame: AudioFrame, skip: int) -> None:
        self._anchor = anchor
        self.kind = kind_of(frame)
        self.rate = frame.sample_rate
        self._skip = skip  # samples still to be left out at its beginning
        self._fed = 0
        self._given = 0
        self._queue = AudioFifo()
        self._resampler = None if self.rate == SAMPLE_RATE else AudioResampler("flt", "mono", SAMPLE_RATE)

    @property
    def fed_until(self) -> float:
        """Seconds just after the last sample put in."""
        return self._anchor + self._fed / self.rate

    @property
    def time(self) -> float:
        """Seconds of the next sample that comes out."""
        return self._anchor + self._given / SAMPLE_RATE

    @property
    def full(self) -> bool:
        """Enough waits for a block."""
        return self._queue.samples * BLOCKS_PER_SECOND >= self.rate

    def leave_out(self, samples: int) -> None:
        """Drop that many samples of the next frame. Nothing may be waiting."""
        self._skip = samples

    def put(self, frame: AudioFrame) -> None:
        """Append a frame."""
        left_out = min(self._skip, frame.samples)
        self._skip -= left_out
        self._fed += frame.samples - left_out
        frame.pts = None  # the queue would insist on stamps without jitter
        self._queue.write(frame)
        if left_out:
            self._queue.read(left_out)

    def take(self) -> tuple[Samples, int]:
        """All that waits, resampled, and how many samples were no numbers."""
        frame = self._queue.read()
        if frame is None:
            return np.empty(0, np.float32), 0
        frame.sample_rate = self.rate
        samples, bad = mono(frame)
        if self._resampler is None:
            return self._count([samples]), bad
        plain = AudioFrame.from_ndarray(samples[None, :], "flt", "mono")
        plain.sample_rate = self.rate
        plain.time_base = Fraction(1, self.rate)
        return self._count([f.to_ndarray()[0] for f in self._resampler.resample(plain)]), bad

    def finish(self) -> tuple[Samples, int]:
        """What the resampler still holds, after the last ``take``."""
        if self._resampler is None or not self._given:
            return np.empty(0, np.float32), 0
        return self._count([f.to_ndarray()[0] for f in self._resampler.resample(None)]), 0

    def _count(self, pieces: Sequence[npt.NDArray[Any]]) -> Samples:
        samples = np.concatenate(pieces).astype(np.float32, copy=False) if pieces else np.empty(0, np.float32)
        self._given += samples.size
        return samples


def kind_of(frame: AudioFrame) -> tuple[str, int, int]:
    """What must stay the same for frames to be put behind one another: format, channels, rate."""
    return frame.format.name, frame.layout.nb_channels, frame.sample_rate


def mono(frame: AudioFrame) -> tuple[Samples, int]:
    """Mean of a frame's channels, float32, nominally -1..1, and how many samples were no numbers (now 0).

    The channel of bass effects is left out.
    """
    layout = frame.layout
    channels = max(1, layout.nb_channels)
    kind = frame.format.name.removesuffix("p")
    if kind not in ("u8", "s16", "s32", "flt", "dbl") or (frame.format.is_planar and channels >= 8):
        # rare formats; and PyAV 18 reads past the plane pointers of frames with eight planes
        kind = "flt"
        plain = AudioResampler(AudioFormat(kind), layout, frame.sample_rate).resample(frame)
        values = np.concatenate([f.to_ndarray() for f in plain], axis=1)
    else:
        values = frame.to_ndarray()
    planes = values if values.shape[0] == channels > 1 else values.reshape(-1, channels).T
    heard = [i for i, c in enumerate(layout.channels) if c.name not in SILENT_CHANNELS]
    if heard and len(heard) < channels:
        planes = planes[heard]
    bad = 0
    if kind in ("flt", "dbl"):
        wrong = ~(np.abs(planes) <= ABSURD)  # also catches NaN
        bad = int(wrong.sum())
        planes = np.where(wrong, 0.0, planes) if bad else planes
    samples = planes[0].astype(np.float32) if len(planes) == 1 else planes.mean(axis=0, dtype=np.float32)
    if kind == "u8":
        samples = (samples - np.float32(128)) / np.float32(128)
    elif kind in PCM_SCALE:
        samples = samples / np.float32(PCM_SCALE[kind])
    return samples, bad
