"""Small sources of sound for tests: recordings with a voice of their own, cut into clips."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import scipy.io.wavfile
import scipy.signal

Floats = npt.NDArray[np.float32]
RATE = 16_000


def recording(seed: int, seconds: float, *, shots: bool = True) -> Floats:
    """A place with its own background and its own echo; a shot every half second where wanted."""
    voice, rng = np.random.default_rng((seed, 1)), np.random.default_rng((seed, 2))
    count = round(seconds * RATE)
    low = voice.uniform(100, 2000)
    room = scipy.signal.butter(2, [low, low * voice.uniform(1.5, 3.5)], "band", fs=RATE, output="sos")
    sound = 0.05 * scipy.signal.sosfilt(room, rng.standard_normal(count))
    fall = np.exp(-np.arange(RATE // 2) / voice.uniform(200, 1500))
    for start in range(RATE // 5, count - fall.size if shots else 0, RATE // 2):
        sound[start : start + fall.size] += (
            0.3 * fall * scipy.signal.sosfilt(room, rng.standard_normal(fall.size))
        )
    return np.clip(sound, -1, 1).astype(np.float32)


def clips(sound: Floats, seconds: float = 1.0) -> list[Floats]:
    size = round(seconds * RATE)
    return [sound[start : start + size] for start in range(0, sound.size - size + 1, size)]


def write_wav(path: Path, sound: npt.NDArray[np.floating], rate: int = RATE, *, floats: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = sound.astype(np.float32) if floats else np.round(sound * 32767).astype(np.int16)
    scipy.io.wavfile.write(path, rate, samples)
    return path


def write_coded(path: Path, sound: Floats, codec: str, rate: int = RATE, bit_rate: int = 64_000) -> Path:
    """Opus in Ogg, MP3 or AAC; the ending names the container."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(sound[None], "flt", "mono")
        frame.sample_rate = rate
        stream.codec_context.open()
        shaped = av.AudioResampler(
            stream.format, "mono", rate, frame_size=stream.codec_context.frame_size or None
        )
        for piece in (*shaped.resample(frame), *shaped.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def nine_folders(root: Path, names: dict[str, list[int]], clips_each: int = 4) -> None:
    """``<class>/<k>_<n>_.wav``: each seed a recording, cut into consecutive clips as the public set is."""
    for prefix, (name, seeds) in enumerate(names.items(), 1):
        number = 0
        for seed in seeds:
            for clip in clips(recording(seed, clips_each)):
                number += 1
                write_wav(root / name / f"{prefix}_{number}_.wav", clip)
