"""The demo recording: a synthesised scene as a video file, with its truth beside it.

``python -m vedette.demo data/demo/demo.mp4`` makes the one in the checkout again.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from vedette_base.errors import OutputError
from vedette_base.media import SAMPLE_RATE
from vedette_fusion.scenes import Scene

SEED = 20
_SAMPLES = 1024  # per AAC frame


def make_demo(path: str | Path, scene: Scene | None = None) -> Path:
    """Write ``scene`` as H.264 and AAC to ``path`` (MP4), and its truth to ``truth.json`` beside it.

    Args:
        path: file to write; its folder must exist.
        scene: what to show; None takes the one that ships. It takes a few minutes to draw.

    Returns:
        ``path``.

    Raises:
        OutputError: the file cannot be written.
    """
    path, scene = Path(path), scene or Scene(seed=SEED)
    try:
        _write(path, scene)
        (path.parent / "truth.json").write_text(json.dumps(scene.truth, indent=2) + "\n")
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}", hint="check that its folder exists"
        ) from error
    return path


def _write(path: Path, scene: Scene) -> None:
    import av

    with av.open(str(path), "w", options={"movflags": "+faststart"}) as output:
        video = output.add_stream("libx264", rate=scene.frame_rate)
        video.width, video.height = scene.size
        video.pix_fmt = "yuv420p"
        video.options = {"crf": "25", "preset": "slow", "threads": "1"}  # one thread: the same file each time
        audio = output.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 128_000
        samples, sent = scene.sound(), 0
        for number, picture in enumerate(scene.frames()):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, scene.frame_rate)
            output.mux(video.encode(frame))
            while sent < samples.size and sent / SAMPLE_RATE <= (number + 1) / scene.frame_rate:
                part = np.ascontiguousarray(samples[None, sent : sent + _SAMPLES])
                block = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, sent, Fraction(1, SAMPLE_RATE)
                output.mux(audio.encode(block))
                sent += _SAMPLES
        output.mux(video.encode(None))
        output.mux(audio.encode(None))


if __name__ == "__main__":
    make_demo(sys.argv[1])
