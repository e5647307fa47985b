"""Where in a sound the shots begin: one onset for one blast, whatever the place does to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from vedette_audio.dataset import decode, read_manifest
from vedette_audio.shots import GRID, find_onsets
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]


def ground(seconds: float = 3.0, level: float = 1e-3) -> Floats:
    rng = np.random.default_rng(0)
    return (level * rng.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


def add(sound: Floats, at: float, peak: float, *, ring: float, swell: float = 0.0005) -> Floats:
    """Noise that swells within ``swell`` seconds and rings on by ``ring`` seconds per factor e, at ``at``."""
    t = np.arange(round(0.5 * SAMPLE_RATE)) / SAMPLE_RATE
    shape = peak * np.minimum(t / swell, 1.0) * np.exp(-np.maximum(t - swell, 0) / ring)
    start = round(at * SAMPLE_RATE)
    sound = sound.copy()
    part = sound[start : start + t.size]
    part += (np.random.default_rng(1).standard_normal(t.size) * shape)[: part.size].astype(np.float32)
    return sound


def onsets(sound: Floats) -> list[float]:
    return [i / 1000 for i in find_onsets(sound, 0, sound.size // GRID, 45)]


@pytest.mark.parametrize(
    ("ring", "swell"),
    [(0.012, 0.0005), (0.007, 0.0005), (0.05, 0.04)],
    ids=["near", "dry, in the open", "muffled, from behind a wall"],
)
def test_a_blast_has_one_onset_whatever_the_place(ring: float, swell: float) -> None:
    heard = onsets(add(ground(level=4e-3), 1.5, 0.4, ring=ring, swell=swell))
    assert heard == pytest.approx([1.5], abs=0.05)


def test_the_trigger_heard_before_a_blast_does_not_set_its_time() -> None:
    sound = add(add(ground(), 1.43, 0.03, ring=0.01), 1.5, 0.5, ring=0.02)
    assert onsets(sound) == pytest.approx([1.5], abs=0.005)


@pytest.mark.parametrize("late", [0.1, 0.15, 0.22])
def test_a_wall_that_throws_a_blast_back_fires_no_second_shot(late: float) -> None:
    sound = add(add(ground(), 1.5, 0.5, ring=0.012), 1.5 + late, 0.25, ring=0.012)
    assert onsets(sound) == pytest.approx([1.5], abs=0.01)


def test_two_shots_as_fast_as_a_finger_are_two() -> None:
    sound = add(add(ground(), 1.5, 0.5, ring=0.02), 1.68, 0.45, ring=0.02)
    assert onsets(sound) == pytest.approx([1.5, 1.68], abs=0.01)


def test_automatic_fire_is_counted_though_each_shot_drowns_in_the_last() -> None:
    truth = [0.5 + 0.1 * i for i in range(12)]
    sound = ground()
    for time in truth:
        sound = add(sound, time, 0.3, ring=0.08)
    heard = onsets(np.tanh(3 * sound))  # a phone's limiter
    assert heard == pytest.approx(truth, abs=0.02)


def test_single_shots_of_the_data_set_have_one_onset_each(datasets: Path) -> None:
    folder = datasets / "audio"
    clips = [clip for clip in read_manifest(folder / "manifest.csv") if clip.source == "lelec_gun"]
    counts = [len(onsets(decode(folder / clip.path))) for clip in clips]
    assert len(counts) > 30
    assert sum(n == 1 for n in counts) >= 0.9 * len(counts), counts
    assert max(counts) <= 2
