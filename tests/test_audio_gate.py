"""The impulse gate spares the network windows that cannot hold a shot, and loses none that does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.fakes import sound_card
from vedette_audio import gate, synthetic
from vedette_audio.dataset import decode, read_manifest
from vedette_audio.features import MELS, log_mel
from vedette_audio.scorer import AudioScorer
from vedette_audio.windows import Run
from vedette_base.bundle import Bundle
from vedette_base.config import AudioConfig
from vedette_base.media import SAMPLE_RATE, AudioBlock
from vedette_base.score import AUDIO_LABELS, Score, ScoreBlock, Segment, merge_segments

Floats = npt.NDArray[np.float32]
GATE = gate.shipped_gate()


class Counting:
    """A fake network that is sure of everything and remembers how many windows it was asked about."""

    description = "fake"

    def __init__(self) -> None:
        self.asked = 0

    def run(self, batch: Floats) -> tuple[Floats, ...]:
        self.asked += len(batch)
        return (np.full((len(batch), len(AUDIO_LABELS)), 4.0, np.float32),)


def hum(seconds: float) -> Floats:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 8))
    floor = 3e-4 * np.random.default_rng(0).standard_normal(time.size)
    return (0.02 * tones + floor).astype(np.float32)


def with_blast(sound: Floats, second: float, peak: float = 0.5) -> Floats:
    rng = np.random.default_rng(9)
    fall = np.exp(-np.arange(SAMPLE_RATE // 2) / (0.03 * SAMPLE_RATE))
    blast = (rng.standard_normal(fall.size) * fall * peak).astype(np.float32)
    start, sound = round(second * SAMPLE_RATE), sound.copy()
    sound[start : start + blast.size] += blast
    return sound


def hear(sound: Floats, config: AudioConfig) -> tuple[list[ScoreBlock], int]:
    bundle = Bundle(Path("nowhere"), sound_card())
    engine = Counting()
    scorer = AudioScorer(bundle, config, engine=engine)
    return [*scorer.push(AudioBlock(0.0, sound)), *scorer.flush()], engine.asked


def windows(sound: Floats) -> Floats:
    run = Run(0.0, gate.SECONDS, 0.5)
    return np.stack([window.log_mels for window in [*run.add(sound), *run.finish()]])


def test_a_window_is_judged_alike_alone_and_among_others() -> None:
    pictures = windows(with_blast(hum(9.0), 4.3))

    def values(of: Floats) -> Floats:
        return GATE.values(gate.impulse_features(of))

    alone = np.concatenate([values(picture[None]) for picture in pictures])
    np.testing.assert_array_equal(values(pictures), alone)
    np.testing.assert_array_equal(values(pictures[2:5]), alone[2:5])


@pytest.mark.parametrize("loud", [-40.0, -20.0, 0.0])
def test_a_steady_hum_is_skipped_however_loud(loud: float) -> None:
    kept = GATE.may_hold_shot(windows(hum(6.0) * np.float32(10 ** (loud / 20))))
    assert not kept[1:-1].any()  # in the first window it sets in, in the last it is cut off


@pytest.mark.parametrize("peak", [0.02, 0.2, 0.9])
def test_a_blast_in_it_is_heard_however_loud(peak: float) -> None:
    kept = GATE.may_hold_shot(windows(with_blast(hum(6.0), 3.0, peak)))
    starts = 0.5 * np.arange(kept.size)
    inside = (starts + 0.25 <= 3.0) & (starts + 1.75 >= 3.0)
    assert kept[inside].all()


def test_shots_made_by_formula_pass() -> None:
    rng = np.random.default_rng(4)
    made = [synthetic.burst_of_shots(rng, round(gate.SECONDS * SAMPLE_RATE))[0] for _ in range(20)]
    assert GATE.may_hold_shot(np.stack([log_mel(sound)[:, : gate.FRAMES] for sound in made])).mean() >= 0.95


def test_what_is_skipped_gets_a_low_score_and_counts_as_observed() -> None:
    blocks, asked = hear(hum(6.0), AudioConfig(gate=True))
    score = Score.join([block.scores for block in blocks], AUDIO_LABELS)
    assert asked <= 2  # where the hum sets in and where it is cut off
    assert len(score) == 9
    assert score.column("gunshot")[1:-1] == pytest.approx(gate.SKIPPED)
    assert np.all(score.probabilities[1:-1, :-1] == 0)
    assert merge_segments([s for b in blocks for s in b.observed], join=1e-6) == (Segment(0.0, 6.0),)


def test_with_the_gate_open_every_window_is_heard() -> None:
    assert hear(hum(6.0), AudioConfig(gate=False))[1] == 9


def test_windows_that_it_was_not_fitted_on_are_all_heard() -> None:
    assert hear(hum(6.0), AudioConfig(gate=True, window=1.0))[1] == 11


def test_windows_with_a_blast_get_the_scores_that_they_get_without_the_gate() -> None:
    sound = with_blast(hum(12.0), 6.2)
    (with_gate, asked), (without, total) = (hear(sound, AudioConfig(gate=on)) for on in (True, False))
    kept = Score.join([block.scores for block in with_gate], AUDIO_LABELS)
    every = Score.join([block.scores for block in without], AUDIO_LABELS)
    np.testing.assert_array_equal(kept.times, every.times)
    heard = kept.column("gunshot") > gate.SKIPPED
    assert 3 <= heard.sum() <= asked < total
    np.testing.assert_array_equal(kept.probabilities[heard], every.probabilities[heard])
    times = [[shot.time for block in blocks for shot in block.shots] for blocks in (with_gate, without)]
    assert times[0] == times[1] != []


def test_features_do_not_depend_on_the_level() -> None:
    """A gate that goes by loudness would lose far shots; what it is told of the level is told once."""
    picture = windows(with_blast(hum(2.0), 1.0))
    same = gate.impulse_features(picture + np.float32(2.0)) - gate.impulse_features(picture)
    assert np.sum(np.abs(same) > 1e-3) <= 4


def test_no_recording_with_shots_that_was_held_out_is_lost(datasets: Path) -> None:
    folder = datasets / "audio"
    clips = [c for c in read_manifest(folder / "manifest.csv") if c.split == "val" and c.shot and not c.flag]
    by_group = {clip.group: clip for clip in clips}  # one clip of each recording: quick
    assert len(by_group) > 20
    lost = [
        c.path for c in by_group.values() if not GATE.may_hold_shot(windows(decode(folder / c.path))).any()
    ]
    assert lost == []


def test_it_takes_pictures_of_any_number_of_windows() -> None:
    assert GATE.may_hold_shot(np.zeros((1, MELS, gate.FRAMES), np.float32)).shape == (1,)
    assert GATE.may_hold_shot(np.zeros((17, MELS, gate.FRAMES), np.float32)).shape == (17,)
