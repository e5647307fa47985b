"""What the format gives away is measured: rate, channels, length, bandwidth."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sound_sources import RATE, clips, recording
from vedette_audio.prepare.cues import format_cues
from vedette_audio.prepare.facts import Facts, bandwidth, measure
from vedette_audio.prepare.listen import Sound


@pytest.fixture(scope="module")
def facts() -> list[Facts]:
    return [measure(Sound(RATE, 1, True, 1.0, clip, True)) for clip in clips(recording(1, 20.0))]


def test_equal_formats_tell_nothing(facts: list[Facts]) -> None:
    cues = format_cues(["a", "b"] * 10, facts, [RATE] * 20)
    assert cues.named == pytest.approx(cues.chance)
    assert cues.chance == pytest.approx(9 / 19)
    assert all(not cls.odd for cls in cues.classes)


def test_a_rate_of_its_own_names_its_class(facts: list[Facts]) -> None:
    cues = format_cues(["a"] * 10 + ["b"] * 10, facts, [44_100] * 10 + [48_000] * 10)
    assert cues.named == 1.0
    by_name = {cls.name: cls for cls in cues.classes}
    assert by_name["a"].rates == ((44_100, 1.0),)
    assert by_name["a"].odd == ("rate 44100 Hz in 100%, elsewhere 0%",)


def test_one_class_or_one_clip_does_no_harm(facts: list[Facts]) -> None:
    assert format_cues(["a"], facts[:1], [RATE]).classes[0].clips == 1
    assert format_cues(["a"] * 3, facts[:3], [RATE] * 3).named == 1.0


@pytest.mark.parametrize("top", [1_000, 3_400, 8_000, 15_000])
def test_bandwidth_is_where_the_sound_ends(top: int) -> None:
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(48_000))
    spectrum[top:] = 0  # one bin per Hz
    assert bandwidth(np.fft.irfft(spectrum).astype(np.float32), 48_000) == pytest.approx(top, abs=350)
    assert bandwidth(np.zeros(48_000, np.float32), 48_000) == 0.0
