"""The picture of a sound: a small spectrogram, drawn with numpy and written as a paletted PNG."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import numpy.typing as npt

from vedette_base.media import SAMPLE_RATE

WINDOW = 1024  # samples: 21 ms, short enough to keep a muzzle blast narrow
LOWEST, HIGHEST = 50.0, 16_000.0  # Hz, the band that the sound model hears
RANGE = 60.0  # dB shown below the loudest cell
SHADES = 64  # colours in the palette; more cannot be told apart and triple the file

# Black over violet and orange to pale yellow: rises evenly in lightness, so it survives grey print and colour
# blindness. Anchors of matplotlib's "inferno" (CC0).
_ANCHORS = np.array(
    [
        (0, 0, 4),
        (40, 11, 84),
        (101, 21, 110),
        (159, 42, 99),
        (212, 72, 66),
        (245, 125, 21),
        (250, 193, 39),
        (252, 255, 164),
    ],
    np.float64,
)


def palette(shades: int = SHADES) -> npt.NDArray[np.uint8]:
    """``(shades, 3)`` RGB colours from dark to light."""
    at = np.linspace(0, len(_ANCHORS) - 1, shades)
    columns = [np.interp(at, np.arange(len(_ANCHORS)), _ANCHORS[:, c]) for c in range(3)]
    return np.stack(columns, axis=1).round().astype(np.uint8)


def frequencies(rows: int) -> npt.NDArray[np.float64]:
    """Centre frequency in Hz of each row, top first, spaced evenly in octaves."""
    edges = (np.arange(rows) + 0.5) / rows
    return np.asarray(HIGHEST * (LOWEST / HIGHEST) ** edges)


def height_of(frequency: float) -> float:
    """Where a frequency lies, as a share of the picture's height from its top."""
    return float(np.log(frequency / HIGHEST) / np.log(LOWEST / HIGHEST))


def levels(samples: npt.NDArray[np.float32], columns: int, rows: int) -> npt.NDArray[np.float32]:
    """Loudness over time and frequency.

    Args:
        samples: shape ``(n,)`` at 48 kHz.
        columns, rows: size of the picture.

    Returns:
        Shape ``(rows, columns)``, 0 to 1: 1 is the loudest cell, 0 is 60 dB below it or silence.
    """
    half = WINDOW // 2
    padded = np.pad(samples.astype(np.float32), (half, half))
    centres = np.linspace(0, samples.size, columns).astype(int)
    # A column may stand for more time than one window: the loudest of several looks misses no shot.
    step = max(1, samples.size // max(1, columns))
    looks = [np.minimum(centres + shift, samples.size) for shift in range(0, step, half)] or [centres]
    loudest = np.zeros((half + 1, columns), np.float32)
    window = np.hanning(WINDOW).astype(np.float32)
    for starts in looks:
        pieces = padded[starts[:, None] + np.arange(WINDOW)[None, :]] * window
        loudest = np.maximum(loudest, np.abs(np.fft.rfft(pieces, axis=1)).T.astype(np.float32))
    bins = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    wanted = frequencies(rows)
    index = np.clip(np.searchsorted(bins, wanted), 1, bins.size - 1)
    share = (wanted - bins[index - 1]) / (bins[index] - bins[index - 1])
    rowed = loudest[index - 1] * (1 - share)[:, None] + loudest[index] * share[:, None]
    peak = float(rowed.max())
    if peak <= 0:
        return np.zeros((rows, columns), np.float32)
    decibels = 20 * np.log10(np.maximum(rowed / peak, 1e-9))
    return np.clip(1 + decibels / RANGE, 0, 1).astype(np.float32)


def png(shade: npt.NDArray[np.float32]) -> bytes:
    """A paletted PNG of a ``(rows, columns)`` picture of values in 0..1."""
    rows, columns = shade.shape
    index = np.minimum(shade * SHADES, SHADES - 1).astype(np.uint8)
    raw = np.concatenate([np.zeros((rows, 1), np.uint8), index], axis=1).tobytes()  # 0: no row filter
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", palette().tobytes()),
        (b"IDAT", zlib.compress(raw, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def data_uri(kind: str, content: bytes) -> str:
    """``content`` as a URI that needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def waveform(samples: npt.NDArray[np.float32], columns: int) -> npt.NDArray[np.float32]:
    """``(columns, 2)`` lowest and highest sample of each column, scaled so that the loudest reaches 1."""
    if samples.size < columns:
        samples = np.pad(samples, (0, columns - samples.size))
    edges = np.linspace(0, samples.size, columns + 1).astype(int)[:-1]
    both = np.stack([np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)], axis=1)
    peak = float(np.abs(both).max())
    return (both / peak if peak > 0 else both).astype(np.float32)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
