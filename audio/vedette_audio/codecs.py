"""Sound through real codecs and back, in memory: FFmpeg's own, through PyAV."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from vedette_base.errors import InputError, MissingDependencyError
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]
_CODECS = {"mp3": ("libmp3lame", "mp3"), "aac": ("aac", "adts")}
_LAWS = {"mu": "pcm_mulaw", "A": "pcm_alaw"}


def coded(sound: Floats, codec: str, kilobits: int) -> Floats:
    """Mono sound at 48 kHz through ``mp3`` or ``aac`` at 44.1 kHz and ``kilobits`` a second; equal length.

    Raises:
        InputError: another codec. MissingDependencyError: this FFmpeg cannot encode it.
    """
    if codec not in _CODECS:
        raise InputError(f"codec must be one of {', '.join(_CODECS)}, got {codec!r}")
    encoder, container = _CODECS[codec]
    return _through(sound, encoder, container, 44_100, kilobits * 1000)


def telephoned(sound: Floats, law: str) -> Floats:
    """Mono sound at 48 kHz through G.711: 8 kHz, 8 bits a sample by ``mu`` or ``A`` law; equal length.

    Raises:
        InputError: another law.
    """
    if law not in _LAWS:
        raise InputError(f"law must be one of {', '.join(_LAWS)}, got {law!r}")
    return _through(sound, _LAWS[law], "wav", 8_000, None)


def _through(sound: Floats, codec: str, container: str, rate: int, bits: int | None) -> Floats:
    import av

    if codec not in av.codecs_available:
        raise MissingDependencyError(
            f"this build of FFmpeg has no encoder {codec}", hint="use the av wheel of the package index"
        )
    file = io.BytesIO()
    with av.open(file, "w", format=container) as target:
        stream = target.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        if bits is not None:
            stream.bit_rate = bits
        stream.codec_context.open()
        frame_size = stream.codec_context.frame_size or None
        shaped = av.AudioResampler(stream.codec_context.format, "mono", rate, frame_size=frame_size)
        whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None], np.float32), "flt", "mono")
        whole.sample_rate = SAMPLE_RATE
        for frame in (*shaped.resample(whole), *shaped.resample(None)):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return _decoded(file, sound.size)


def _decoded(file: io.BytesIO, size: int) -> Floats:
    import av

    file.seek(0)
    back = av.AudioResampler("flt", "mono", SAMPLE_RATE)
    parts: list[npt.NDArray[np.generic]] = []
    with av.open(file, "r") as source:
        for frame in source.decode(audio=0):
            parts += [part.to_ndarray()[0] for part in back.resample(frame)]
        parts += [part.to_ndarray()[0] for part in back.resample(None)]
    whole = np.concatenate(parts)[:size] if parts else np.empty(0)
    return np.pad(whole, (0, size - whole.size)).astype(np.float32)
