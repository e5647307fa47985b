#!/usr/bin/env python3
"""Fits the impulse gate on ``train`` and prints what it loses and saves on ``val``: ``gate.json``.

A gate answers "can this window hold a shot?" (``vedette_audio/gate.py``). It learns from the windows of the
training clips and from training scenes (with noise down to -5 dB, band-limited, reverberated). Its limit lies
``MARGIN`` below the lowest value of any training clip with a shot. ``val`` has no say in any of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.neural_network import MLPClassifier

from vedette_audio import gate as gates
from vedette_audio.augment import Placed, mix
from vedette_audio.dataset import Clip, SoundCache, distinct_sounds, read_manifest, shot_peaks
from vedette_audio.features import frame_mels, samples_for, to_log
from vedette_audio.gate import FRAMES, Gate, impulse_features
from vedette_audio.scenes import SceneMaker
from vedette_audio.windows import Run
from vedette_base.config import AudioConfig, AudioTrainConfig
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]
UNITS = 16
MARGIN = 0.3
"""Log-odds between the lowest training clip with a shot and the limit."""
SNRS = (20.0, 10.0, 5.0, 0.0)
HARDLY_A_SHOT = "yamnet_low"


@dataclass(frozen=True)
class Windows:
    """Features of windows ``(n, features)``, the clip of each, and where its loudest impulses are inside."""

    features: Floats
    clip: npt.NDArray[np.int64]
    holds_impulse: npt.NDArray[np.bool_]


def windows_of(clips: Sequence[Clip], sound: Callable[[Clip], Floats]) -> Windows:
    """Every window that ``AudioScorer`` would make of each clip."""
    config = AudioConfig()
    features, owners, holds = [], [], []
    for number, clip in enumerate(clips):
        samples = sound(clip)
        run = Run(0.0, config.window, config.hop)
        found = [*run.add(samples), *run.finish()]
        peaks = shot_peaks(samples) / SAMPLE_RATE
        features.append(impulse_features(np.stack([window.log_mels for window in found])))
        owners += [number] * len(found)
        holds += [bool(((peaks >= w.start + 0.05) & (peaks <= w.end - 0.1)).any()) for w in found]
    return Windows(np.concatenate(features), np.array(owners), np.array(holds))


def scenes(maker: SceneMaker, count: int, seed: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Features of training scenes and whether each holds a shot."""
    rng = np.random.default_rng(seed)
    features, shots = [], []
    for _ in range(count):
        scene = maker.draw(rng)
        features.append(impulse_features(to_log(frame_mels(scene.sound))[None]))
        shots.append(bool(scene.targets[-1] > 0))
    return np.concatenate(features), np.array(shots)


def fit(features: Floats, shots: npt.NDArray[np.bool_], seed: int) -> dict[str, list[float]]:
    """The gate's numbers without a limit."""
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    network = MLPClassifier(
        (UNITS,), alpha=1e-2, max_iter=80, early_stopping=True, n_iter_no_change=8, random_state=seed
    )
    network.fit(np.clip((features - mean) / scale, -3, 3), shots)
    hidden = np.concatenate([network.coefs_[0], network.intercepts_[0][None]])
    output = np.concatenate([network.coefs_[1][:, 0], network.intercepts_[1]])
    arrays = {"mean": mean, "scale": scale, "hidden": hidden, "output": output}
    return {name: np.round(array.astype(float), 4).tolist() for name, array in arrays.items()}


def greatest(values: Floats, owners: npt.NDArray[np.int64]) -> Floats:
    """Greatest value of the windows of each clip."""
    found = np.full(owners.max() + 1, -np.inf, np.float32)
    np.maximum.at(found, owners, values)
    return found


def noisy(cache: SoundCache, backgrounds: Sequence[Clip], snr: float) -> Callable[[Clip], Floats]:
    """A clip's sound with backgrounds under it, ``snr`` dB below its blasts."""
    rng = np.random.default_rng(5)

    def sound(clip: Clip) -> Floats:
        plain = cache.sound(clip)
        drawn = [cache.sound(backgrounds[i]) for i in rng.integers(0, len(backgrounds), 3)]
        blast = int(shot_peaks(plain)[0])
        return mix(Placed(plain, blast), np.resize(np.concatenate(drawn), plain.size), snr).sound

    return sound


def count_lost(gate: Gate, found: Windows) -> int:
    """Clips that have all their windows skipped."""
    return int((greatest(gate.passes(found.features).astype(np.float32), found.clip) == 0).sum())


def describe(gate: Gate, clips: Sequence[Clip], cache: SoundCache, part: str) -> None:
    """Print what the gate does to the clips of one part."""
    shots = [clip for clip in clips if clip.split == part and clip.shot and clip.flag != HARDLY_A_SHOT]
    others = [clip for clip in clips if clip.split == part and not clip.shot]
    found = windows_of(shots, cache.sound)
    lost = count_lost(gate, found)
    print(f"{part}: {lost} of {len(shots)} clips with shots lost")
    for snr in SNRS if part == "val" else ():
        found = windows_of(shots, noisy(cache, others, snr))
        lost = count_lost(gate, found)
        print(f"{part}, background {snr:.0f} dB below the shots: {lost} of {len(shots)} lost")
    for source in sorted({clip.source for clip in others}):
        found = windows_of([clip for clip in others if clip.source == source], cache.sound)
        share = float((~gate.passes(found.features)).mean())
        print(f"{part}, {source}: {share:.0%} of {len(found.features)} windows without shots skipped")


def main() -> None:
    """Fit or check, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path, help="manifest.csv of the sound data set")
    parser.add_argument("--cache", type=Path, required=True, help="folder for decoded sound")
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--check", action="store_true", help="print the figures of the shipped gate, fit nothing"
    )
    parser.add_argument("--out", type=Path, default=Path(gates.__file__).with_name("gate.json"))
    given = parser.parse_args()
    clips = read_manifest(given.manifest)
    cache = SoundCache.open(given.manifest.parent, clips, given.cache)
    clips = distinct_sounds(clips, cache)
    gate = gates.shipped_gate()
    if not given.check:
        gate = fitted(clips, cache, given.scenes, given.seed, given.out)
    print(f"limit {gate.limit:.2f}")
    for part in ("train", "val"):
        describe(gate, clips, cache, part)


def fitted(clips: Sequence[Clip], cache: SoundCache, count: int, seed: int, out: Path) -> Gate:
    """Fit, write the numbers to ``out`` and read them back."""
    train = [clip for clip in clips if clip.split == "train" and clip.flag != HARDLY_A_SHOT]
    found = windows_of(train, cache.sound)
    shot = np.array([clip.shot for clip in train])[found.clip]
    sure = ~shot | found.holds_impulse
    print(f"{len(found.clip)} windows; drawing {count} scenes", file=sys.stderr)
    maker = SceneMaker(train, cache, AudioTrainConfig(), samples_for(FRAMES))
    drawn, labels = scenes(maker, count, seed)
    numbers = fit(np.concatenate([found.features[sure], drawn]), np.concatenate([shot[sure], labels]), seed)
    values = Gate.of({**numbers, "limit": 0.0}).values(found.features)
    lowest = float(greatest(values[shot], found.clip[shot])[np.unique(found.clip[shot])].min())
    out.write_text(json.dumps({"limit": round(lowest - MARGIN, 2), **numbers}) + "\n", encoding="utf-8")
    return Gate.of(json.loads(out.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
