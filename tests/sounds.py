"""A small sound data set for tests, FLAC files with a manifest, and a training of seconds on it.

``from tests.sounds import ...``; the fixture ``manifest`` is such a set.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import torch

from vedette_audio import teacher
from vedette_audio.teacher import Teacher
from vedette_base.config import AudioTrainConfig
from vedette_base.statistics import thirds

Floats = npt.NDArray[np.float32]
HEAD = "path,source,task,label,fine,group,split,native_rate,duration_s,flag\n"


def tiny(**changes: Any) -> AudioTrainConfig:
    """Two epochs of two steps with a small network."""
    values: dict[str, Any] = {
        "architecture": "test_resnet",
        "epochs": 2,
        "crops": 8,
        "batch": 4,
        "chunk": 0.5,
        "evaluate_every": 1,
        "bf16": False,
    }
    return AudioTrainConfig(**values | changes)


def write_sound(path: Path, sound: Floats, rate: int = 32_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray((sound * 32767).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def a_bang(seed: int, seconds: float = 1.0, at: float = 0.4) -> Floats:
    rng = np.random.default_rng(seed)
    sound = 0.002 * rng.standard_normal(round(seconds * 32_000))
    start = round(at * 32_000)
    fall = np.exp(-np.arange(sound.size - start) / 500)
    return np.clip(sound + np.pad(rng.standard_normal(fall.size) * fall * 0.3, (start, 0)), -1, 1).astype(
        np.float32
    )


def write_data(folder: Path) -> Path:
    """Both splits of: twins M4/M16, an AK-47, a shot of an unknown firearm, two kinds of noise."""
    lines = []
    rng = np.random.default_rng(0)
    for split, seed in (("train", 10), ("val", 20)):
        for index in range(3):
            rows: list[tuple[str, str, str, str, Floats]] = [
                ("set", "gunshot", "M4", _group("m", split, index), a_bang(seed + index)),
                ("set", "gunshot", "M16", _group("n", split, index), a_bang(seed + index)),
                ("set", "gunshot", "AK-47", _group("a", split, index), a_bang(seed + index + 100)),
                ("other", "gunshot", "gun", _group("g", split, index), a_bang(seed + index + 200, 2.5, 2.0)),
                ("other", "other", "rain", _group("r", split, index), a_noise(rng, 2.5)),
                ("other", "other", "dog", _group("d", split, index), a_noise(rng, 0.7)),
            ]
            for source, label, fine, group, sound in rows:
                path = f"{source}/{fine}/{split}{index}.flac"
                write_sound(folder / path, sound)
                lines.append(f"{path},{source},x,{label},{fine},{group},{split},32000,1.0,\n")
    manifest = folder / "manifest.csv"
    manifest.write_text(HEAD + "".join(lines))
    return manifest


def _group(kind: str, split: str, third: int) -> str:
    """A name that falls into a given third of ``val``: every third gets one recording of each kind."""
    names = (f"{kind}{split}{number}" for number in itertools.count())
    return next(name for name in names if thirds([name])[0] == third)


def a_noise(rng: np.random.Generator, seconds: float) -> Floats:
    return (0.1 * rng.standard_normal(round(seconds * 32_000))).astype(np.float32)


def untrained_teacher() -> Teacher:
    """The tagger's network with random weights, always the same."""
    torch.manual_seed(0)
    network = teacher._Network().eval()
    teacher._fold_norms(network)
    return Teacher(network)
