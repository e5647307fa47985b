"""The printed table, and the words that all reports share."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.report_cases import make_analysis, make_event, recorded_at
from vedette.report.lanes import BINS, envelope, tick_step
from vedette.report.reasons import reasons_chart
from vedette.report.spectrogram import levels, png
from vedette.report.table import print_events
from vedette.report.wording import clock, length, likelihood, percent
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import Level, Reason


def printed(analysis: object, width: int = 80, min_level: Level = "low", *, colour: bool = False) -> str:
    target = io.StringIO()
    console = Console(file=target, width=width, force_terminal=colour, no_color=not colour)
    print_events(analysis, console, min_level=min_level)  # type: ignore[arg-type]
    return target.getvalue()


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_table_fits_the_terminal_and_says_what_matters(width: int) -> None:
    text = printed(make_analysis(None, name="clip.mp4"), width)
    assert max(map(len, text.splitlines())) <= width
    for said in ("clip.mp4", "critical", "0:00:01.8", "98 %"):
        assert said in text
    assert "Sound was not observed" in text


def test_colour_is_never_the_only_sign_of_the_level() -> None:
    analysis = make_analysis(None)
    assert "\x1b[" in printed(analysis, colour=True)
    plain = printed(analysis)
    assert "\x1b[" not in plain
    assert "critical" in plain


def test_no_events_is_a_friendly_line_that_promises_nothing() -> None:
    text = printed(replace(make_analysis(None), events=()))
    assert "No threat was found in what could be observed." in text
    assert "Sound was not observed for 1.0 s" in text


def test_events_below_the_wanted_level_are_counted_and_not_called_nothing() -> None:
    low = replace(make_analysis(None), events=(make_event(level="low"),))
    text = printed(low, min_level="high")
    assert "1 event below high not listed." in text
    assert "No threat" not in text


def test_an_unfinished_run_is_said() -> None:
    assert "Stopped before the end" in printed(replace(make_analysis(None), complete=False))


def test_wall_clock_times_are_shown_where_known() -> None:
    text = printed(recorded_at(make_analysis(None), "2026-03-01T14:02:00-05:00"), 120)
    assert "2026-03-01 14:02:01.8 -05:00" in text


def test_a_file_name_is_not_read_as_markup() -> None:
    assert "[red]x[/red].mp4" in printed(make_analysis(None, name="[red]x[/red].mp4"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00:00.0"),
        (59.96, "0:01:00.0"),
        (8.81, "0:00:08.8"),
        (3661.25, "1:01:01.2"),
        (90000, "25:00:00.0"),
    ],
)
def test_times_read_as_hours_minutes_and_seconds(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_no_probability_is_ever_shown_as_certain() -> None:
    assert [percent(p) for p in (0.0, 0.004, 0.5, 0.994, 0.996, 1.0)] == [
        "under 1 %", "under 1 %", "50 %", "99 %", "over 99 %", "over 99 %",
    ]  # fmt: skip
    assert [likelihood(p) for p in (0.0, 0.5, 0.95)] == [
        "very unlikely", "about as likely as not", "very likely",
    ]  # fmt: skip


def test_lengths_read_as_people_say_them() -> None:
    assert [length(s) for s in (9.26, 59.96, 250, 7500)] == [
        "9.3 s",
        "1 min 00 s",
        "4 min 10 s",
        "2 h 05 min",
    ]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=400), st.integers(2, 60))
def test_a_reduced_curve_keeps_its_highest_and_lowest_values(values: list[float], bins: int) -> None:
    samples = np.array(values, np.float32)
    times = np.linspace(0, 100, samples.size)
    curve = envelope(times, samples, 0, 100, bins)
    assert len(curve) <= max(bins, 1) or samples.size <= bins
    assert max(high for _, _, high in curve) == pytest.approx(float(samples.max()))
    assert min(low for _, low, _ in curve) == pytest.approx(float(samples.min()))
    assert [time for time, _, _ in curve] == sorted(time for time, _, _ in curve)


def test_a_short_peak_in_hours_of_scores_stays_visible() -> None:
    times = np.arange(0, 7200, 0.1)
    values = np.zeros(times.size, np.float32)
    values[50_000] = 0.97
    curve = envelope(times, values, 0, 7200, BINS)
    assert len(curve) <= BINS
    assert max(high for _, _, high in curve) == pytest.approx(0.97)


@pytest.mark.parametrize(("span", "step"), [(1.0, 0.2), (24.8, 5), (3600, 600), (86_400, 14_400)])
def test_ticks_stand_at_round_times(span: float, step: float) -> None:
    assert tick_step(span) == step


def test_the_bars_of_the_reasons_begin_where_the_last_one_ended() -> None:
    import re

    event = replace(
        make_event(), reasons=(Reason("prior", -2.0), Reason("audio", 3.0), Reason("vision", -0.5))
    )
    found = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="3" width="([\d.]+)"', reasons_chart(event))
    spans = {kind: (float(x), float(x) + float(w)) for kind, x, w in found}
    assert spans["for"][0] == pytest.approx(spans["prior"][0], abs=0.2)
    assert spans["against"][1] == pytest.approx(spans["for"][1], abs=0.2)
    zero = spans["prior"][1]
    assert spans["sum"][0] == pytest.approx(zero, abs=0.2)
    assert spans["sum"][1] == pytest.approx(spans["against"][0], abs=0.2)
    assert "+0.50" in reasons_chart(event)


def test_a_tone_is_bright_at_its_own_height_and_silence_is_dark() -> None:
    from vedette.report.spectrogram import frequencies

    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    picture = levels(np.sin(2 * np.pi * 4000 * time).astype(np.float32), 100, 128)
    row = int(picture.mean(axis=1).argmax())
    assert frequencies(128)[row] == pytest.approx(4000, rel=0.06)
    assert not levels(np.zeros(SAMPLE_RATE, np.float32), 100, 128).any()


def test_a_click_between_two_columns_of_a_wide_spectrogram_is_not_lost() -> None:
    samples = np.zeros(12 * SAMPLE_RATE, np.float32)
    starts = range(1000, samples.size, 31_337)
    samples[list(starts)] = 1.0
    bright = levels(samples, 40, 32).max(axis=0) > 0.5
    assert bright.sum() >= len(starts)


def test_the_spectrogram_is_a_png_that_opens_with_its_own_size() -> None:
    import cv2

    shade = np.linspace(0, 1, 64 * 20, dtype=np.float32).reshape(20, 64)
    picture = cv2.imdecode(np.frombuffer(png(shade), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (20, 64, 3)
    assert picture[-1, -1].sum() > picture[0, 0].sum()
