"""The sound scorer hears the same whatever the blocks, says where it could not hear, and finds each onset."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import LoudMeansShot, loud_scorer, sound_card
from vedette_audio.features import FLOOR
from vedette_audio.scorer import AudioScorer, input_card
from vedette_base.bundle import Bundle
from vedette_base.config import AudioConfig
from vedette_base.errors import BundleError
from vedette_base.media import SAMPLE_RATE, AudioBlock, Progress
from vedette_base.score import AUDIO_LABELS, Score, ScoreBlock, Segment, merge_segments

Floats = npt.NDArray[np.float32]


def noise(seconds: float, level: float = 1e-3, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


def with_shots(sound: Floats, times: list[float], peak: float = 0.8) -> Floats:
    sound = sound.copy()
    fall = np.exp(-np.arange(SAMPLE_RATE // 10) / (0.012 * SAMPLE_RATE))
    blast = (np.random.default_rng(9).standard_normal(fall.size) * fall * peak / 2).astype(np.float32)
    for time in times:
        start = round(time * SAMPLE_RATE)
        sound[start : start + blast.size] += blast[: sound.size - start]
    return sound


def hear(
    sound: Floats, cuts: list[int] | None = None, *, start: float = 0.0, by: AudioScorer | None = None
) -> list[ScoreBlock]:
    by = by or loud_scorer()
    blocks: list[ScoreBlock] = []
    edges = [0, *sorted(cuts or []), sound.size]
    for first, last in itertools.pairwise(edges):
        blocks += by.push(AudioBlock(start + first / SAMPLE_RATE, sound[first:last]))
    return blocks + list(by.flush())


def scores(blocks: list[ScoreBlock]) -> Score:
    return Score.join([block.scores for block in blocks], AUDIO_LABELS)


def observed(blocks: list[ScoreBlock]) -> tuple[Segment, ...]:
    return merge_segments([span for block in blocks for span in block.observed], join=1e-6)


WEAK = 0.092  # peak of a blast that `LoudMeansShot` gives 0.2
SOUND = with_shots(noise(7.3), [1.2, 4.4, 4.52, 6.9])
SOUND[round(2.0 * SAMPLE_RATE) : round(2.9 * SAMPLE_RATE)] = 0.0
SOUND[round(5.0 * SAMPLE_RATE) : round(5.2 * SAMPLE_RATE)] = 0.0
WHOLE = hear(SOUND)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, SOUND.size - 1), max_size=30))
def test_the_same_samples_give_the_same_scores_in_blocks_of_any_size(cuts: list[int]) -> None:
    found = hear(SOUND, cuts)
    want, got = scores(WHOLE), scores(found)
    np.testing.assert_array_equal(got.times, want.times)
    np.testing.assert_array_equal(got.probabilities, want.probabilities)
    np.testing.assert_array_equal(got.quality, want.quality)
    assert [s.time for b in found for s in b.shots] == [s.time for b in WHOLE for s in b.shots]
    assert observed(found) == observed(WHOLE)


@pytest.mark.parametrize("size", [160, 480, 1024, 48_000])
def test_blocks_of_a_sound_card_give_what_the_whole_file_gives(size: int) -> None:
    got = scores(hear(SOUND, list(range(size, SOUND.size, size))))
    np.testing.assert_array_equal(got.probabilities, scores(WHOLE).probabilities)


def test_a_batch_of_one_hears_what_a_batch_of_eight_hears() -> None:
    one = hear(SOUND, by=loud_scorer(AudioConfig(batch=1)))
    np.testing.assert_array_equal(scores(one).probabilities, scores(WHOLE).probabilities)
    assert [s for b in one for s in b.shots] == [s for b in WHOLE for s in b.shots]


def test_digital_silence_is_not_observed_and_gets_no_scores() -> None:
    spans = observed(WHOLE)
    assert [(round(s.start, 3), round(s.end, 3)) for s in spans] == [(0.0, 2.0), (2.9, 7.3)]
    assert not np.any((scores(WHOLE).times > 2.0) & (scores(WHOLE).times < 2.9))


def test_a_track_of_zeros_is_a_gap_from_end_to_end() -> None:
    blocks = hear(np.zeros(5 * SAMPLE_RATE, np.float32), [SAMPLE_RATE])
    assert not len(scores(blocks))
    assert observed(blocks) == ()
    assert blocks[-1].until == pytest.approx(5.0)


def test_a_microphone_stuck_at_one_value_is_not_observed() -> None:
    assert observed(hear(np.full(3 * SAMPLE_RATE, 0.25, np.float32))) == ()


def test_samples_that_are_not_numbers_are_a_gap_not_a_crash() -> None:
    sound = noise(6.0)
    sound[2 * SAMPLE_RATE : 4 * SAMPLE_RATE] = np.nan
    blocks = hear(sound)
    assert [(round(s.start, 3), round(s.end, 3)) for s in observed(blocks)] == [(0.0, 2.0), (4.0, 6.0)]
    assert np.all(np.isfinite(scores(blocks).probabilities))


def test_a_few_bad_samples_do_not_cut_the_sound() -> None:
    sound = noise(4.0)
    sound[1000:1010] = np.inf
    assert observed(hear(sound)) == (Segment(0.0, 4.0),)


def test_windows_start_every_half_second_from_the_first_sample() -> None:
    times = scores(hear(noise(5.0), start=10.0)).times
    np.testing.assert_allclose(times, 10.0 + np.arange(7) * 0.5 + 1.0)


def test_the_rest_of_a_recording_gets_a_window_of_its_own() -> None:
    times = scores(hear(noise(2.7))).times
    np.testing.assert_allclose(times, [1.0, 1.5, 1.85])
    np.testing.assert_allclose(scores(hear(noise(0.3))).times, [0.15])


def test_a_jump_of_the_clock_begins_a_new_run() -> None:
    by = loud_scorer()
    blocks = [*by.push(AudioBlock(0.0, noise(3.0))), *by.push(AudioBlock(7.0, noise(3.0)))]
    blocks += by.flush()
    assert observed(blocks) == (Segment(0.0, 3.0), Segment(7.0, 10.0))
    assert not np.any((scores(blocks).times > 3.0) & (scores(blocks).times < 7.0))


def test_a_clock_that_wavers_by_a_few_milliseconds_is_followed() -> None:
    by = loud_scorer()
    blocks = [*by.push(AudioBlock(0.0, noise(3.0))), *by.push(AudioBlock(3.01, noise(3.0)))]
    blocks += by.flush()
    assert observed(blocks) == (Segment(0.0, 6.0),)


def test_sound_that_overlaps_what_was_heard_is_heard_once() -> None:
    by = loud_scorer()
    blocks = [*by.push(AudioBlock(0.0, noise(3.0))), *by.push(AudioBlock(2.0, noise(3.0)))]
    blocks += by.flush()
    assert np.all(np.diff(scores(blocks).times) >= 0)
    assert observed(blocks) == (Segment(0.0, 5.0),)


def test_no_sound_moves_the_watermark_without_claiming_silence() -> None:
    by = loud_scorer()
    blocks = [*by.push(Progress("audio", 12.0, "no sound track")), *by.push(Progress("vision", 99.0))]
    assert [block.until for block in blocks] == [12.0]
    assert blocks[0].observed == ()


def test_nothing_is_reported_before_the_watermark() -> None:
    for cuts in ([], list(range(4800, SOUND.size, 4800))):
        until = 0.0
        for block in hear(SOUND, cuts, by=loud_scorer(AudioConfig(batch=1))):
            assert block.until >= until
            assert all(t >= until for t in block.scores.times)
            assert all(until <= shot.time <= block.until for shot in block.shots)
            until = block.until
        assert until == pytest.approx(SOUND.size / SAMPLE_RATE)


def test_every_onset_is_found_within_50_ms() -> None:
    truth = [0.8, 2.13, 2.4, 5.555, 5.62, 5.685, 8.9]
    shots = [s for b in hear(with_shots(noise(10.0, 3e-3), truth)) for s in b.shots]
    assert [s.time for s in shots] == pytest.approx(truth, abs=0.05)
    assert [s.burst for s in shots] == [0, 1, 1, 2, 2, 2, 3]
    assert all(set(s.types) == set(AUDIO_LABELS[:-1]) for s in shots)


def test_twelve_hundred_rounds_a_minute_are_counted() -> None:
    truth = [2.0 + 0.05 * i for i in range(20)]
    shots = [s for b in hear(with_shots(noise(5.0), truth)) for s in b.shots]
    assert [s.time for s in shots] == pytest.approx(truth, abs=0.01)


def test_the_echo_of_a_shot_is_not_a_second_shot() -> None:
    sound = with_shots(with_shots(noise(6.0), [3.0]), [3.18], peak=0.15)
    assert [s.time for b in hear(sound) for s in b.shots] == pytest.approx([3.0], abs=0.01)


@pytest.mark.parametrize(("gap", "counted"), [(0.8, True), (3.0, False)])
def test_a_weaker_blast_counts_soon_after_a_shot(gap: float, counted: bool) -> None:
    """Between both thresholds a blast is a shot only when another one has just been heard."""
    config = AudioConfig(threshold=0.25, follow_threshold=0.15, alone_threshold=0.28)
    weak = with_shots(noise(12.0), [3.0 + gap], peak=WEAK)
    assert [shot for block in hear(weak, by=loud_scorer(config)) for shot in block.shots] == []
    blocks = hear(with_shots(weak, [3.0], peak=0.3), by=loud_scorer(config))
    both = [shot.time for block in blocks for shot in block.shots]
    assert len(both) == 1 + counted
    assert both[0] == pytest.approx(3.0, abs=0.05)


def test_noise_that_the_network_does_not_call_a_shot_has_no_onsets() -> None:
    sound = with_shots(noise(6.0), [3.0])
    deaf = loud_scorer(engine=LoudMeansShot(level=50.0))
    assert not [s for b in hear(sound, by=deaf) for s in b.shots]


def test_narrow_and_overdriven_sound_is_worth_less() -> None:
    full = scores(hear(noise(3.0, 0.05))).quality
    spectrum = np.fft.rfft(noise(3.0, 0.05))
    spectrum[round(3400 * 3.0) :] = 0
    phone = scores(hear(np.fft.irfft(spectrum, 3 * SAMPLE_RATE).astype(np.float32))).quality
    clipped = scores(hear(np.clip(noise(3.0, 0.5), -0.2, 0.2))).quality
    assert np.all(full == 1.0)
    assert np.all((phone > 0.5) & (phone < 0.75))
    assert np.all(clipped < 0.6)


def test_memory_does_not_grow_with_the_recording() -> None:
    by = loud_scorer()
    one = noise(1.0)
    for second in range(90):
        list(by.push(AudioBlock(float(second), one)))
    run = by._run
    assert run is not None
    assert run._sound.size < 8 * SAMPLE_RATE
    assert run._log_mels.shape[1] < 8 * 94
    assert len(run.scored) < 20


def test_a_model_of_pictures_is_refused() -> None:
    with pytest.raises(BundleError, match="no sound model"):
        AudioScorer(Bundle(Path("nowhere"), sound_card(task="vision")), AudioConfig(), engine=LoudMeansShot())


def test_a_model_made_for_another_front_end_is_refused() -> None:
    other = sound_card(input={**input_card(), "hop": 480})
    with pytest.raises(BundleError, match="hop = 480"):
        AudioScorer(Bundle(Path("nowhere"), other), AudioConfig(), engine=LoudMeansShot())


def test_digital_silence_would_be_at_the_floor() -> None:
    assert np.log(FLOOR) < -16
