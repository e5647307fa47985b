"""The same sound is found under any name, gain, codec, rate or cut; another shot in the same place is not."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal

from tests.sound_sources import RATE, clips, recording, write_coded
from vedette_audio.prepare.facts import Facts, measure
from vedette_audio.prepare.fingerprint import align
from vedette_audio.prepare.listen import Sound, listen
from vedette_audio.prepare.twins import SIMILAR, exact_sets, find_twins

Floats = npt.NDArray[np.float32]


def facts(sound: Floats, rate: int = RATE) -> Facts:
    return measure(Sound(rate, 1, True, sound.size / rate, sound.astype(np.float32), True))


@pytest.fixture(scope="module")
def strangers() -> list[Facts]:
    return [facts(clip) for seed in range(6) for clip in clips(recording(seed, 6.0), 2.0)]


def changed(sound: Floats, how: str, folder: Path) -> Facts:
    rng = np.random.default_rng(7)
    if how == "gain":
        return facts(sound * 0.05)
    if how == "polarity":
        return facts(-sound)
    if how == "rate":
        return facts(scipy.signal.resample_poly(sound, 441, 160), 44_100)
    if how == "telephone":
        return facts(scipy.signal.resample_poly(sound, 1, 2), RATE // 2)
    if how == "cut":
        return facts(sound[1234:])
    if how == "noise":
        return facts(sound + 0.1 * sound.std() * rng.standard_normal(sound.size))
    if how == "silence before":
        return facts(np.pad(sound, (5000, 0)))
    codec, ending = {"mp3": ("libmp3lame", "mp3"), "aac": ("aac", "m4a"), "opus": ("libopus", "ogg")}[how]
    return measure(listen(write_coded(folder / f"x.{ending}", sound, codec)))


@pytest.mark.parametrize(
    "how",
    ["gain", "polarity", "rate", "telephone", "cut", "noise", "silence before", "mp3", "aac", "opus"],
)
def test_a_changed_copy_is_a_near_twin(how: str, strangers: list[Facts], tmp_path: Path) -> None:
    sound = clips(recording(2, 6.0), 2.0)[1]
    found = find_twins([*strangers, changed(sound, how, tmp_path)])
    assert [(twin.first, twin.second, twin.kind) for twin in found] == [(7, len(strangers), "near")]
    assert found[0].similarity > 0.8


def test_the_cut_of_a_twin_is_measured(strangers: list[Facts]) -> None:
    (twin,) = find_twins([*strangers, facts(clips(recording(2, 6.0), 2.0)[1][4000:])])
    assert twin.offset == pytest.approx(0.25, abs=0.002)
    assert twin.shared == pytest.approx(1.75, abs=0.002)


def test_other_shots_of_the_same_recording_are_no_twins(strangers: list[Facts]) -> None:
    assert find_twins(strangers) == ()
    assert align(strangers[0].mark, strangers[1].mark).similarity < SIMILAR / 2


def test_clips_that_overlap_are_told_from_copies() -> None:
    sound = recording(3, 3.0)
    (twin,) = find_twins([facts(sound[: 2 * RATE]), facts(sound[RATE:])])
    assert (twin.kind, twin.offset) == ("overlap", pytest.approx(1.0, abs=0.002))


def test_a_hundred_pairs_under_two_names_are_all_found() -> None:
    sounds = [facts(clip) for clip in clips(recording(5, 51.0), 0.5)[:100]]
    found = find_twins([*sounds, *sounds])
    assert [(twin.first, twin.second) for twin in found if twin.kind == "exact"] == [
        (i, i + 100) for i in range(100)
    ]
    assert exact_sets([*sounds, *sounds]) == tuple((i, i + 100) for i in range(100))


def test_silence_has_no_twin() -> None:
    silent = facts(np.zeros(RATE, np.float32))
    assert silent.silent
    assert find_twins([silent, silent]) == ()
    assert find_twins([]) == ()


def test_clips_too_short_for_landmarks_do_no_harm() -> None:
    blips = [facts(recording(seed, 0.05, shots=False)) for seed in range(3)]
    assert find_twins(blips) == ()
    assert len(find_twins([*blips, blips[0]])) == 1


def test_m4_and_m16_of_the_public_set_are_one(datasets: Path) -> None:
    root = datasets / "audio"
    with (root / "manifest.csv").open(newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file) if row["group"] in ("M4_g04", "M4_g05")]
    found = find_twins([measure(listen(root / path)) for path in paths])
    pairs = {tuple(sorted((paths[t.first], paths[t.second]))) for t in found if t.kind == "exact"}
    assert len(paths) == 28
    assert len(pairs) == 14
    assert all(one.replace("/M16/5_", "/M4/4_") == two for one, two in pairs)


def test_sources_share_recordings_across_the_split_of_the_public_manifest(datasets: Path) -> None:
    """UrbanSound8K's recording 162431 (val) is SESA's gunshot 64 (train): a leak no name shows."""
    names = ("urbansound8k/gun_shot/162431-6-0-0.ogg", "sesa/gunshot/gunshot_064.ogg")
    (twin,) = find_twins([measure(listen(datasets / "audio" / name)) for name in names])
    assert twin.similarity > 0.9
