"""Known mixtures are known: their truth, their level, and what is made of shots that are found in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.commands import Command
from tests.sounds import write_data
from vedette_audio.dataset import Clip, SoundCache, read_manifest
from vedette_audio.mixtures import (
    COUNT,
    RATIOS_DB,
    SECONDS,
    CutShot,
    Fire,
    Mixture,
    blast,
    cut_shot,
    mixture,
    mixtures,
    repeated,
)
from vedette_audio.shot_figures import match_events, match_times, mixtures_of, report
from vedette_audio.shots import GRID, find_onsets
from vedette_base.errors import DataError, InputError
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import Shot

CLIP = Clip("a.ogg", "set", True, "AK-47", "g", "val", types=("AK-47",))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("sound")
    return write_data(folder), folder / "cache"


def hiss(seconds: float, level: float = 0.01, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


def a_blast(at: float, seconds: float = 2.0) -> np.ndarray:
    sound = hiss(seconds, 1e-4)
    start = round(at * SAMPLE_RATE)
    fall = np.exp(-np.arange(sound.size - start) / 2000)
    sound[start:] += 0.5 * np.random.default_rng(1).standard_normal(fall.size) * fall
    return sound


def test_a_shot_is_cut_at_its_onset() -> None:
    sound = a_blast(0.731)
    shot = cut_shot(sound, CLIP)
    assert shot is not None
    assert shot.types == ("AK-47",)
    assert shot.sound.size < sound.size
    begins = int(np.argmax(np.abs(shot.sound) > 0.05))
    assert abs(begins - shot.onset) <= 2 * GRID


def test_sound_without_a_clear_beginning_gives_no_shot() -> None:
    assert cut_shot(hiss(2.0), CLIP) is None
    swelling = hiss(2.0, 0.1) * np.linspace(0, 1, 2 * SAMPLE_RATE, dtype=np.float32)
    assert cut_shot(swelling, CLIP) is None
    assert cut_shot(np.zeros(100, np.float32), CLIP) is None


@pytest.mark.parametrize("fire", ["single", "aimed", "automatic", "two"])
def test_shots_lie_where_the_truth_says_and_as_loud_as_it_says(fire: Fire) -> None:
    background = hiss(SECONDS, 0.02)
    mixed = mixture(blast(np.random.default_rng(3)), background, fire, 30.0, np.random.default_rng(5))
    assert mixed.fire == fire
    assert list(mixed.times) == sorted(mixed.times)
    assert len(mixed.bursts) == len(mixed.times)
    assert max(mixed.bursts) == (1 if fire == "two" else 0)
    found = [i / 1000 for i in find_onsets(mixed.sound, 0, mixed.sound.size // GRID, 45)]
    assert found[0] == pytest.approx(mixed.times[0], abs=0.005)
    first = round(mixed.times[0] * SAMPLE_RATE)
    loud = np.sqrt(np.mean(np.square(mixed.sound[first : first + SAMPLE_RATE // 10])))
    quiet = np.sqrt(np.mean(np.square(mixed.sound[:SAMPLE_RATE])))
    above = 20 * np.log10(loud / quiet)
    assert 28 < above < (32 if fire in ("single", "aimed") else 36)  # the next shot adds to automatic fire


def test_a_short_background_is_repeated_without_a_click() -> None:
    tone = np.sin(2 * np.pi * 313.7 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    long = repeated(tone, 5 * SAMPLE_RATE)
    assert long.size == 5 * SAMPLE_RATE
    assert np.abs(np.diff(long)).max() < 1.6 * np.abs(np.diff(tone)).max()


def test_the_recipe_gives_the_same_sound_every_time(data: tuple[Path, Path]) -> None:
    manifest, cache = data
    clips = [clip for clip in read_manifest(manifest) if clip.split == "val"]
    sounds = SoundCache.open(manifest.parent, clips, cache / "val")
    first, again = (next(iter(mixtures(clips, sounds, repeats=1))) for _ in range(2))
    np.testing.assert_array_equal(first.sound, again.sound)
    assert first.times == again.times
    made = list(mixtures(clips, sounds, repeats=1))
    assert len(made) * 3 == COUNT
    assert {m.ratio_db for m in made} == set(RATIOS_DB)
    assert {m.by_formula for m in made} == {True, False}


def test_mixtures_need_both_kinds_of_sound_and_a_known_part(data: tuple[Path, Path]) -> None:
    manifest, cache = data
    clips = [clip for clip in read_manifest(manifest) if not clip.shot]
    with pytest.raises(DataError, match="a clear shot and a sound without one"):
        next(mixtures(clips, SoundCache.open(manifest.parent, clips, cache / "quiet")))
    with pytest.raises(InputError, match="val, test or train"):
        mixtures_of(manifest, cache, "all")


def test_times_are_matched_over_the_whole_and_not_in_order() -> None:
    assert match_times([1.0, 1.1], [1.09, 1.21], 0.25) == [(0, 0), (1, 1)]
    assert match_times([1.0, 1.1, 1.2], [1.1, 1.2], 0.25) == [(1, 0), (2, 1)]
    assert match_times([1.0], [2.0], 0.25) == []
    assert match_times([], [2.0], 0.25) == []


def test_as_many_events_are_matched_as_can_be() -> None:
    # Greedy in order would pair 1.0 with 1.4 and leave 1.8 alone.
    assert sorted(match_events([1.0, 1.8], [1.4, 0.6])) == [(0, 1), (1, 0)]
    assert match_events([1.0], [1.6]) == []


def mixed(times: tuple[float, ...], fire: Fire = "automatic", types: tuple[str, ...] = ()) -> Mixture:
    origin = "clip.ogg" if types else "formula"
    return Mixture(hiss(SECONDS), times, (0,) * len(times), fire, types, origin, 10.0)


def found(*times: float, types: dict[str, float] | None = None) -> tuple[Shot, ...]:
    return tuple(Shot(time, 0.9, types or {}) for time in times)


def test_a_perfect_answer_has_perfect_figures() -> None:
    truth = (2.0, 2.1, 2.2, 2.3)
    got = report([(mixed(truth, types=("M4", "M16")), found(*truth, types={"M4": 0.8}))])
    assert (got.shots.found, got.shots.missed, got.shots.extra) == (4, 0, 0)
    assert (got.shots.onset_median_ms, got.events.f1) == (0.0, 1.0)
    assert (got.bursts.count_exact, got.bursts.cadence_error, got.bursts.fire) == (1.0, 0.0, 1.0)
    assert (got.bursts.firearm, got.bursts.family, got.bursts.unknown) == (1.0, 1.0, 0.0)


def test_misses_extras_and_errors_are_counted() -> None:
    heard = [
        (mixed((2.0, 2.1, 2.2, 2.3)), found(2.01, 2.11, 2.31)),  # one missed
        (mixed((2.0,), "single"), found(2.0, 5.0)),  # one extra, an event of its own
        (mixed((2.0,), "single"), ()),
    ]
    got = report(heard)
    assert (got.shots.shots, got.shots.found, got.shots.missed, got.shots.extra) == (6, 4, 2, 1)
    assert got.shots.onset_median_ms == pytest.approx(10)
    assert (got.events.events, got.events.found, got.events.right) == (3, 3, 2)
    assert got.events.f1 == pytest.approx(2 / 3, abs=1e-4)
    assert got.bursts.count_bias == pytest.approx(-0.5)
    assert got.bursts.cadence_error == pytest.approx(0, abs=0.01)
    assert got.by_fire["single"].extra == 1


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(DataError, match="no mixtures"):
        report([])


def test_a_cut_at_the_end_of_a_sound_does_not_overrun_it() -> None:
    rng = np.random.default_rng(0)
    shot = CutShot(a_blast(0.0, 3.0), 0, (), "formula")
    assert mixture(shot, hiss(3.0), "two", 0.0, rng).sound.size == 3 * SAMPLE_RATE


@pytest.mark.parametrize("measured", ["shots", "robustness"])
def test_a_manifest_that_is_not_there_is_one_line(
    measured: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = Command(tmp_path, capfd, monkeypatch)("evaluate", measured, "none.csv")
    assert result.code != 0
    assert len(result.said) == 1
    assert "none.csv" in result.said[0]
