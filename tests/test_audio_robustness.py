"""Bad sound: each condition does what it says, alike to all, and the table counts what comes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fakes import LoudMeansShot, loud_scorer
from tests.sounds import write_data
from vedette_audio.classify import Classification, GunshotClassifier
from vedette_audio.codecs import coded, telephoned
from vedette_audio.conditions import (
    air_absorption,
    clipped,
    conditions,
    far_away,
    in_background,
    loudest,
    low_passed,
)
from vedette_audio.dataset import Clip
from vedette_audio.evaluation.field import robustness_table
from vedette_audio.robustness import Robustness, draw, evaluate_robustness, table
from vedette_base.errors import DataError, InputError
from vedette_base.media import SAMPLE_RATE

RNG = np.random.default_rng


def hiss(seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    return (level * RNG(0).standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


def power_above(sound: np.ndarray, hertz: float) -> float:
    """Share of the power that lies above a frequency."""
    power = np.square(np.abs(np.fft.rfft(sound)))
    return float(power[np.fft.rfftfreq(sound.size, 1 / SAMPLE_RATE) > hertz].sum() / power.sum())


def test_every_condition_keeps_length_form_and_range() -> None:
    sound, other = hiss(), hiss(0.3, 0.5)
    names = [condition.full_name for condition in conditions()]
    assert len(set(names)) == len(names) == 19
    assert names[0] == "as is"
    for condition in conditions():
        changed = condition.change(sound, other, RNG(1))
        assert changed.shape == sound.shape, condition.full_name
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert condition.name == "as is" or not np.array_equal(changed, sound)


@pytest.mark.parametrize("hertz", [4000, 8000])
def test_a_narrow_band_holds_nothing_above_it(hertz: int) -> None:
    assert power_above(hiss(), hertz) > 0.5
    assert power_above(low_passed(hiss(), hertz), 1.1 * hertz) < 1e-3


@pytest.mark.parametrize("law", ["mu", "A"])
def test_a_telephone_ends_at_4_khz_and_keeps_the_time(law: str) -> None:
    sound = hiss(1.0, 1e-3)
    sound[24_000] += 0.8
    heard = telephoned(sound, law)
    assert power_above(heard, 4200) < 1e-3
    assert abs(int(np.abs(heard).argmax()) - 24_000) < SAMPLE_RATE // 200


@pytest.mark.parametrize("codec", ["mp3", "aac"])
def test_fewer_bits_lose_more(codec: str) -> None:
    def left(kilobits: int) -> float:
        heard = coded(hiss(), codec, kilobits)
        return power_above(heard, 10_000)

    assert left(32) < left(128) + 1e-6
    assert left(32) < 0.5 * power_above(hiss(), 10_000)


def test_unknown_codecs_are_named() -> None:
    with pytest.raises(InputError, match="mp3, aac, got 'opus'"):
        coded(hiss(), "opus", 32)
    with pytest.raises(InputError, match="mu, A, got 'B'"):
        telephoned(hiss(), "B")


@pytest.mark.parametrize("ratio", [-5.0, 20.0])
def test_a_background_lies_as_far_below_the_sound_as_asked(ratio: float) -> None:
    sound = np.zeros(SAMPLE_RATE, np.float32)
    sound[20_000:30_000] = hiss(level=0.01)[:10_000]
    with_it = in_background(sound, hiss(0.2, 0.3), ratio)
    ground = np.sqrt(np.mean(np.square(with_it[:15_000])))
    assert 20 * np.log10(loudest(sound) / ground) == pytest.approx(ratio, abs=1.0)


def test_air_absorbs_as_the_standard_tabulates() -> None:
    """ISO 9613-2, table 2, dB per km: 10 degrees and 70 per cent; 20 degrees and 70 per cent."""
    hertz = [250, 1000, 4000]
    assert 1000 * air_absorption(hertz, celsius=10, humidity=70) == pytest.approx([1.0, 3.7, 32.8], rel=0.05)
    assert 1000 * air_absorption(hertz, celsius=20, humidity=70) == pytest.approx([1.1, 5.0, 22.9], rel=0.05)


def test_far_sound_is_weaker_duller_and_sinks_into_noise() -> None:
    near, far = far_away(hiss(), 30, RNG(1)), far_away(hiss(), 300, RNG(1))
    assert loudest(near) > 5 * loudest(far)
    assert power_above(near, 8000) > 1.5 * power_above(far_away(hiss(), 100, RNG(1)), 8000)
    gone = far_away(np.zeros(SAMPLE_RATE, np.float32), 300, RNG(1))
    assert 20 * np.log10(np.std(gone)) == pytest.approx(-60, abs=0.5)


def test_clipping_cuts_off_the_share_that_it_says() -> None:
    cut = clipped(hiss(), 0.5)
    assert np.abs(cut).max() == 1.0
    assert np.mean(np.abs(cut) >= 0.999) == pytest.approx(0.5, abs=0.05)
    assert not clipped(np.zeros(100, np.float32), 0.5).any()


def clip(name: str, shot: bool, types: tuple[str, ...] = ()) -> Clip:
    return Clip(f"{name}.ogg", "set", shot, "x", name, "val", types=types)


def heard(gunshot: float, **types: float) -> Classification:
    return Classification(gunshot, {name: types.get(name, 0.0) for name in ("MP5", "M4")} | NOTHING | types)


NOTHING = dict.fromkeys(("AK-12", "AK-47", "IMI Desert Eagle", "M16", "M249", "MG-42", "Zastava M92"), 0.0)


def test_the_table_tells_a_fixed_threshold_from_a_fitted_one() -> None:
    clips = [clip("a", True, ("MP5",)), clip("b", True, ("M4",)), clip("c", False), clip("d", False)]
    good = [heard(0.9, MP5=0.9), heard(0.8, M4=0.9), heard(0.1), heard(0.2)]
    dull = [heard(0.15, MP5=0.9), heard(0.12, MP5=0.9), heard(0.05), heard(0.06)]
    first, second = table(conditions()[:2], clips, [good, dull], hours=0.05, samples=20)
    assert (first.auroc.value, second.auroc.value) == (1.0, 1.0)
    assert (first.recall.value, second.recall.value) == (1.0, 1.0)
    assert (first.recall_fixed, second.recall_fixed) == (1.0, 0.0)
    assert (first.alarms_fixed, second.alarms_fixed) == (0.0, 0.0)
    assert (first.types.value, second.types.value) == (1.0, 0.5)


def test_a_family_comes_with_every_classification() -> None:
    assert heard(0.9, MP5=0.9).families[0].label == "submachine gun"
    assert heard(0.9).families[0].label == heard(0.9).firearms[0].label == "unknown firearm"


def test_all_of_it_runs_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_data(tmp_path)
    fake = loud_scorer(engine=LoudMeansShot(-4.0))
    monkeypatch.setattr("vedette_audio.robustness.AudioScorer", lambda *_, **__: fake)
    seen: list[tuple[int, int]] = []
    chosen = [c for c in conditions() if c.kind in ("as is", "background", "clipping")][:3]
    found = evaluate_robustness(
        manifest,
        GunshotClassifier,  # type: ignore[arg-type]  # the bundle is not asked
        cache=tmp_path / "cache",
        part="val",
        chosen=chosen,
        samples=20,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert [row.name for row in found.rows] == [c.name for c in chosen]
    assert seen[-1] == (found.clips * 3, found.clips * 3)
    assert found.negative_hours > 0
    draw(found, tmp_path / "table.png")
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    shown = robustness_table(found)
    assert len(shown.rows) == 3
    assert all(len(row) == len(shown.head) for row in shown.rows)


def test_a_part_without_shots_is_refused(tmp_path: Path) -> None:
    lines = write_data(tmp_path).read_text().splitlines()
    manifest = tmp_path / "quiet.csv"
    manifest.write_text("\n".join([lines[0], *(line for line in lines[1:] if ",gunshot," not in line)]))
    with pytest.raises(DataError, match="with and without shots"):
        evaluate_robustness(manifest, GunshotClassifier, cache=tmp_path / "c", part="val")  # type: ignore[arg-type]


def test_a_table_without_figures_shows_dashes() -> None:
    rows = table(conditions()[:1], [clip("a", True)], [[heard(0.5)]], hours=0.0, samples=5)
    shown = robustness_table(Robustness("val", 1, 1, 0.0, rows))
    assert "-" in shown.rows[0]
