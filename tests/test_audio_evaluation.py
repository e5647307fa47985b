"""Figures of a sound model: what they count, over what, and what they refuse to call honest."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from tests.sounds import write_data
from vedette_audio.dataset import Clip
from vedette_audio.evaluate import report
from vedette_audio.evaluation.curves import reliability, tradeoff
from vedette_audio.evaluation.evaluation import Evaluation, measure
from vedette_audio.evaluation.firearms import confusion, merged
from vedette_audio.evaluation.measures import (
    alarm_threshold,
    auroc,
    average_precision,
    macro_f1,
    recall_at,
)
from vedette_audio.evaluation.pictures import PICTURES, draw_all
from vedette_audio.evaluation.scored import Scored, Sounds, read_table, write_table
from vedette_audio.evaluation.sources import negative_sources, operating_points, positive_sources, worst
from vedette_audio.evaluation.tables import tables
from vedette_base.errors import DataError, OutputError
from vedette_base.score import AUDIO_LABELS, FIREARMS

TWINS = ("M16", "M4")


def row(shot: float, **types: float) -> list[float]:
    return [*(types.get(name.replace("-", "_"), 0.01) for name in FIREARMS), shot]


def a_clip(name: str, group: str, fine: str = "rain", source: str = "street") -> Clip:
    types = TWINS if fine in TWINS else (fine,) if fine in FIREARMS else ()
    shot = bool(types) or fine == "gun"
    return Clip(f"{source}/{name}.ogg", source, shot, fine, group, "val", "", types)


def scored_of(*lines: tuple[Clip, list[float]], seconds: float = 360.0) -> Scored:
    names = tuple(clip.types or (clip.fine,) for clip, _ in lines)
    table = np.array([values for _, values in lines], np.float64)
    return Scored(tuple(clip for clip, _ in lines), names, table, np.full(len(lines), seconds))


@pytest.fixture(scope="module")
def small() -> Scored:
    """Ten negatives of 0.1 h each, one of them loud; shots of two types and of an unknown firearm."""
    negatives = [(a_clip(f"n{i}", f"r{i // 2}"), row(0.9 if i == 0 else 0.01 * i)) for i in range(10)]
    return scored_of(
        *negatives,
        (a_clip("a1", "one", "AK-47", "set"), row(0.95, AK_47=0.9)),
        (a_clip("a2", "one", "AK-47", "set"), row(0.80, AK_47=0.9)),
        (a_clip("a3", "one", "AK-47", "set"), row(0.70, AK_47=0.9)),
        (a_clip("a4", "two", "AK-47", "set"), row(0.05, M4=0.9)),
        (a_clip("m1", "three", "M16", "set"), row(0.99, M4=0.8, M16=0.7)),
        (a_clip("g1", "four", "gun", "field"), row(0.60)),
    )


def test_type_accuracy_counts_each_recording_once(small: Scored) -> None:
    found = report(small, "val", 8)
    assert found.accuracy_8.value == pytest.approx((1.0 + 0.0 + 1.0) / 3)  # not 4 of 5 clips
    assert (found.typed_recordings, found.typed_clips, found.shots, found.shots_others) == (3, 5, 6, 1)


def test_nine_way_a_sound_of_two_names_is_right_half_the_time(small: Scored) -> None:
    assert report(small, "val", 8).accuracy_9.value == pytest.approx((1.0 + 0.0 + 0.5) / 3)


def test_a_long_recording_does_not_outweigh_others_in_f1(small: Scored) -> None:
    """The AK-47's recall is the mean of its two recordings (1 and 0), not 3 of 4."""
    found = report(small, "val", 8).macro_f1_8.value
    ak = 2 * 1.0 * 0.5 / (1.0 + 0.5)
    m4 = 2 * 0.5 * 1.0 / (0.5 + 1.0)
    assert found == pytest.approx((ak + m4) / 2)


def test_every_figure_has_an_interval_around_it(small: Scored) -> None:
    found = asdict(report(small, "val", 100))
    figures = {name: value for name, value in found.items() if isinstance(value, dict)}
    assert len(figures) == 12
    for name, figure in figures.items():
        assert figure["value"] is not None, name
        assert figure["low"] <= figure["high"], name
        if name != "macro_auc_8":  # a sample that lacks a type leaves it out, which moves the mean
            assert figure["low"] <= figure["value"] <= figure["high"], name


def test_nothing_typed_leaves_type_figures_open_instead_of_failing(small: Scored) -> None:
    found = report(small.only(~small.typed), "val", 8)
    assert found.accuracy_8.value is None
    assert found.macro_auc_8.value is None
    assert found.auroc.value is not None


def test_recall_spends_its_false_alarms_on_the_loudest_sound_without_a_shot() -> None:
    rows = np.array([[0, 0.9], [0, 0.5], [0, 0.1], [1, 0.95], [1, 0.7], [1, 0.3]])
    assert recall_at(rows, 1.0, 0.5) == pytest.approx(1 / 3)  # none allowed in half an hour
    assert recall_at(rows, 1.0, 1.0) == pytest.approx(2 / 3)
    assert recall_at(rows, 10.0, 1.0) == 1.0
    assert alarm_threshold(rows, 1.0, 1.0) == 0.5
    assert np.isnan(recall_at(rows, 1.0, 0.0))


def test_measures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    for size in (4, 50, 400):
        truth, score = rng.integers(0, 2, size), rng.integers(0, 12, size) / 12  # many ties
        truth[:2] = (0, 1)
        rows = np.stack([truth, score], axis=1).astype(float)
        assert auroc(rows) == pytest.approx(roc_auc_score(truth, score))
        assert average_precision(rows) == pytest.approx(average_precision_score(truth, score))
        true, said, weight = rng.integers(0, 5, size), rng.integers(0, 7, size), rng.uniform(0.1, 1, size)
        wanted = f1_score(true, said, average="macro", sample_weight=weight, zero_division=0.0)
        assert macro_f1(np.column_stack([true, said, weight])) == pytest.approx(wanted)
    assert np.isnan(auroc(np.array([[1.0, 0.5]])))
    assert np.isnan(average_precision(np.array([[0.0, 0.5]])))


def test_thresholds_say_what_they_cost(small: Scored) -> None:
    ten, one, shipped = operating_points(small, 8, shipped=0.35)
    assert (ten.alarms, ten.found) == (10, 6)  # ten an hour in one hour: every clip may be one
    assert (one.alarms, one.found) == (1, 5)
    assert one.per_hour.value == pytest.approx(1.0)
    assert one.per_hour.high == pytest.approx(5.57, abs=0.01)  # one alarm may well have been five
    assert (shipped.threshold, shipped.alarms, shipped.found) == (0.35, 1, 5)


def test_sources_are_told_apart(small: Scored) -> None:
    positive = {found.source: found for found in positive_sources(small, 8)}
    assert (positive["set"].shots, positive["set"].recordings) == (5, 3)
    assert positive["field"].auroc.value == pytest.approx(0.9)
    (street,) = negative_sources(small)
    assert (street.clips, street.recordings, street.hours) == (10, 5, pytest.approx(1.0))


def test_the_worst_mistakes_are_named(small: Scored) -> None:
    assert worst(small, shots=False)[0].path == "street/n0.ogg"
    assert worst(small, shots=True)[0].path == "set/a4.ogg"


def test_confusion_is_the_mean_over_recordings(small: Scored) -> None:
    found = confusion(merged(small))
    assert found.names == ("AK-47", "M16 = M4")
    assert found.share == ((0.5, 0.5), (0.0, 1.0))
    assert found.count == ((3, 1), (0, 1))
    assert found.recordings == (2, 1)


def test_the_trade_off_runs_from_nothing_found_to_nothing_missed(small: Scored) -> None:
    found = tradeoff(small)
    assert (found.false_alarms[0], found.missed[0]) == (0.0, 1.0)
    assert (found.false_alarms[-1], found.missed[-1]) == (pytest.approx(10.0), 0.0)
    assert list(found.missed) == sorted(found.missed, reverse=True)
    at_one = max(i for i, alarms in enumerate(found.false_alarms) if alarms <= 1.0 + 1e-9)
    assert found.missed[at_one] == pytest.approx(1 / 6)
    assert tradeoff(small.only(small.shot)).missed == ()


def test_reliability_bins_hold_every_output_once() -> None:
    said = np.array([0.0, 0.03, 0.5, 1.0])
    found = reliability(said, np.array([False, True, True, True]))
    assert [(b.count, b.true) for b in found] == [(2, 0.5), (1, 1.0), (1, 1.0)]
    assert all(b.low <= b.true <= b.high for b in found)


def evaluation(scored: Scored, part: str = "val") -> Evaluation:
    return measure(scored, part, model="m", manifest="x.csv", shipped=0.35, samples=8)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found(small: Scored) -> Evaluation:
    return evaluation(small)


def test_figures_of_clips_that_were_trained_on_are_marked(small: Scored, found: Evaluation) -> None:
    assert found.as_dict()["quotable"] is True
    seen = evaluation(small, "all")
    assert seen.as_dict()["quotable"] is False
    assert "not to be quoted" in tables(seen)[0].title


@pytest.mark.parametrize(
    ("folds", "leaks", "why"), [(5, False, ""), (5, True, "Random folds"), (0, False, "not known")]
)
def test_random_and_unnamed_folds_are_marked(small: Scored, folds: int, leaks: bool, why: str) -> None:
    without = small.only(~small.typed)
    warning = evaluation(replace(without, folds=folds, leaks=leaks), "out_of_fold").warning
    assert bool(warning) == bool(why)
    assert why in warning


def test_the_document_is_plain_json_with_every_part(found: Evaluation) -> None:
    document = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert document["figures"]["recall_10"]["value"] == 1.0
    assert {row["source"] for row in document["positive_sources"]} == {"set", "field"}


def test_every_row_of_a_table_fits_its_head(found: Evaluation) -> None:
    shown = tables(found)
    assert len(shown) == 7
    for table in shown:
        assert {len(cells) for cells in table.rows} == {len(table.head)}, table.title


def test_every_picture_is_drawn(found: Evaluation, tmp_path: Path) -> None:
    made = draw_all(found, tmp_path)
    assert [name for name, _ in made] == [name for name, _, _ in PICTURES]
    for name, _ in made:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_what_there_is_nothing_for_is_not_drawn(small: Scored, tmp_path: Path) -> None:
    names = [name for name, _ in draw_all(evaluation(small.only(~small.shot)), tmp_path)]
    assert names == ["reliability.png", "scores.png"]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Sounds:
    folder = tmp_path_factory.mktemp("data")
    return Sounds.open(write_data(folder), folder / "cache")


def test_a_sound_of_two_names_counts_once_and_keeps_both(sounds: Sounds) -> None:
    assert len(sounds.clips) == 30  # of 36 files
    named = {names for clip, names in zip(sounds.clips, sounds.names, strict=True) if clip.types == TWINS}
    assert named == {TWINS}
    assert {clip.split for clip in sounds.part("val").clips} == {"val"}
    assert 0 < len(sounds.part("test").clips) < len(sounds.part("val").clips) < len(sounds.part("all").clips)


def scores_for(sounds: Sounds) -> Scored:
    table = np.random.default_rng(0).uniform(size=(len(sounds.clips), len(AUDIO_LABELS)))
    return Scored(sounds.clips, sounds.names, table, sounds.seconds())


def test_a_table_of_scores_is_read_as_it_was_written(sounds: Sounds, tmp_path: Path) -> None:
    written = scores_for(sounds)
    write_table(written, tmp_path / "scores.csv")
    found = read_table(tmp_path / "scores.csv", sounds)
    np.testing.assert_allclose(found.scores, written.scores, atol=1e-6)
    assert found.clips == written.clips
    assert found.negative_hours == pytest.approx(6 * (2.5 + 0.7) / 3600, rel=0.02)
    assert (found.missing, found.folds, found.leaks) == (0, 0, False)


def change(table: Path, line: int, **values: str) -> None:
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[line].update(values)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_folds_that_share_a_recording_are_seen(sounds: Sounds, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_table(scores_for(sounds), path)
    for line, clip in enumerate(sounds.clips):
        change(path, line, fold=str(int(clip.split == "val")))
    assert (read_table(path, sounds).folds, read_table(path, sounds).leaks) == (2, False)
    same = replace(sounds, clips=tuple(replace(clip, group="one") for clip in sounds.clips))
    assert read_table(path, same).leaks


def test_a_table_of_fewer_clips_says_how_many_are_missing(sounds: Sounds, tmp_path: Path) -> None:
    write_table(scores_for(sounds).only(np.arange(len(sounds.clips)) < 20), tmp_path / "scores.csv")
    found = read_table(tmp_path / "scores.csv", sounds)
    assert (len(found.clips), found.missing) == (20, 10)
    assert any("10 sounds" in line for line in evaluation(found, "out_of_fold").conditions)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"gunshot": "nan"}, "line 2: gunshot must be within 0..1, got 'nan'"),
        ({"M4": "1.5"}, "M4 must be within"),
        ({"M4": "loud"}, "M4 must be within"),
        ({"path": "set/AK-47/train1.flac"}, "is there twice"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(
    sounds: Sounds, tmp_path: Path, values: dict[str, str], why: str
) -> None:
    path = tmp_path / "scores.csv"
    write_table(scores_for(sounds), path)
    change(path, 0, **values)
    with pytest.raises(DataError, match=why):
        read_table(path, sounds)


def test_a_table_of_other_clips_or_without_scores_is_refused(sounds: Sounds, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_table(scores_for(sounds).only(np.arange(len(sounds.clips)) < 1), path)
    change(path, 0, path="elsewhere.ogg")
    with pytest.raises(DataError, match="none of its 1 clips"):
        read_table(path, sounds)
    path.write_text("path,gunshot\na,0.1\n")
    with pytest.raises(DataError, match="no column AK-12"):
        read_table(path, sounds)
    with pytest.raises(DataError, match="No such file"):
        read_table(tmp_path / "gone.csv", sounds)
    with pytest.raises(OutputError, match="cannot be written"):
        write_table(scores_for(sounds), tmp_path / "no" / "scores.csv")
