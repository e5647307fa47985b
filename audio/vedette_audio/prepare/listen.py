"""A sound file as it is: its own rate and channels, what its header says, and whether that can be true."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

HEARD_S = 120.0
"""Seconds of a file that are listened to. A file of six hours is measured by its beginning and reported."""
_RATES = (2_000, 384_000)  # Hz; outside of it no sound card or codec works


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """What was read of one file.

    Attributes:
        rate: Hz, as the header says.
        channels: how many the file has; ``samples`` is their mean.
        one_voice: True when all channels carry the same samples, or nearly (side 30 dB below the middle).
        duration: seconds; from the container where only the beginning was read.
        samples: shape ``(n,)``, float32, at ``rate``; at most ``HEARD_S`` seconds.
        whole: False when only the beginning was read.
        fault: why the file cannot be used (empty: it can): not decodable, not finite, an impossible header.
    """

    rate: int
    channels: int
    one_voice: bool
    duration: float
    samples: Floats
    whole: bool
    fault: str = ""


def broken(fault: str) -> Sound:
    """A file that gives no sound, with the reason."""
    return Sound(0, 0, True, 0.0, np.empty(0, np.float32), True, fault)


def listen(path: Path, *, heard_s: float = HEARD_S) -> Sound:
    """Decode a file's first ``heard_s`` seconds. What is wrong with the file is in ``Sound.fault``."""
    import av

    if not path.is_file():
        return broken("no such file")
    fault = header_fault(path)
    if fault:
        return broken(fault)
    parts: list[Floats] = []
    got, whole = 0, True
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return broken("holds no sound")
            stream = container.streams.audio[0]
            rate, channels = stream.rate, stream.channels
            if not _RATES[0] <= rate <= _RATES[1]:
                return broken(f"its header says {rate} Hz, which no recording has")
            plane = av.AudioResampler("fltp")
            for frame in container.decode(stream):
                for piece in plane.resample(frame):
                    parts.append(np.asarray(piece.to_ndarray(), np.float32))
                    got += piece.samples
                if got >= heard_s * rate:
                    whole = False
                    break
            length = container.duration / av.time_base if container.duration else 0.0
    except (av.FFmpegError, ValueError) as error:
        return broken(f"cannot be decoded: {getattr(error, 'strerror', None) or error}")
    if not got:
        return broken("holds no sound")
    both = np.concatenate(parts, axis=1)
    if not np.all(np.isfinite(both)):
        return broken(f"{np.count_nonzero(~np.isfinite(both))} samples are not numbers")
    duration = got / rate if whole else max(length, got / rate)
    samples = both[:, : round(heard_s * rate)].mean(axis=0)
    return Sound(rate, channels, _one_voice(both, samples), duration, samples, whole)


def header_fault(path: Path) -> str:
    """What contradicts itself in a WAV header: players go by the rate and learn nothing of the rest."""
    with path.open("rb") as file:
        head = file.read(4096)
    at = head.find(b"fmt ")
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE" or at < 0 or len(head) < at + 24:
        return ""
    kind, channels, rate, per_second, block, bits = struct.unpack_from("<HHIIHH", head, at + 8)
    if (
        kind in (1, 3, 0xFFFE)
        and block
        and channels * ((bits + 7) // 8) == block
        and per_second != rate * block
    ):
        return f"its header contradicts itself: {rate} Hz and {per_second // block} Hz (bytes a second)"
    return ""


def _one_voice(both: Floats, middle: Floats) -> bool:
    if both.shape[0] == 1:
        return True
    side = both[:, : middle.size] - middle
    return bool(np.mean(side**2) <= 1e-3 * np.mean(middle**2) + 1e-12)
