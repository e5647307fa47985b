"""Cross-validation holds out whole recordings, and what it writes is what somebody else can measure."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from tests.sounds import tiny
from vedette_audio.cross_validation import calibrate_out_of_fold, cross_validate, fold_figures, macro_auc
from vedette_audio.dataset import Clip
from vedette_audio.export import export
from vedette_audio.folds import assign_folds, fold_data
from vedette_audio.soup import make_soup, mean_weights
from vedette_audio.train import train
from vedette_audio.training_data import Collection
from vedette_base.errors import ConfigError, DataError, OutputError
from vedette_base.score import AUDIO_LABELS

NOBODY: Any = None  # folds are dealt without listening


def clip(name: str, group: str, fine: str) -> Clip:
    shot = fine != "rain"
    return Clip(name, "set", shot, fine, group, "train", types=(fine,) if shot else ())


def collection(clips: Sequence[Clip], same: dict[str, str] | None = None) -> Collection:
    return Collection(tuple(clips), NOBODY, {c.group: (same or {}).get(c.group, c.group) for c in clips})


SIZES = st.lists(st.integers(1, 9), min_size=2, max_size=12)


@given(st.fixed_dictionaries(dict.fromkeys(("AK-47", "MP5", "rain"), SIZES)), st.integers(2, 5))
@settings(max_examples=40, deadline=None)
def test_no_recording_is_in_two_folds_and_every_class_is_spread(
    sizes: dict[str, list[int]], number: int
) -> None:
    clips = [
        clip(f"{fine}/{g}/{i}", f"{fine}{g}", fine)
        for fine, groups in sizes.items()
        for g, size in enumerate(groups)
        for i in range(size)
    ]
    folds = assign_folds(collection(clips), number)
    of_group: dict[str, set[int]] = defaultdict(set)
    recordings: dict[str, Counter[int]] = defaultdict(Counter)
    for one, fold in zip(clips, folds.tolist(), strict=True):
        if fold not in of_group[one.group]:
            recordings[one.fine][fold] += 1
        of_group[one.group].add(fold)
    assert all(len(found) == 1 for found in of_group.values())
    for fine, found in recordings.items():
        counts = [found[k] for k in range(number)]
        assert max(counts) - min(counts) <= 1, fine


def some_clips() -> list[Clip]:
    return [
        clip(f"{fine}{g}{i}", f"{fine}{g}", fine)
        for fine in ("AK-47", "MP5", "rain")
        for g in range(4)
        for i in range(3)
    ]


def test_folds_depend_on_names_and_seed_and_nothing_else() -> None:
    clips = some_clips()
    folds = assign_folds(collection(clips), 3)
    assert assign_folds(collection(clips[::-1]), 3)[::-1].tolist() == folds.tolist()
    assert assign_folds(collection(clips), 3, seed=1).tolist() != folds.tolist()


def test_recordings_that_share_a_sound_stay_together() -> None:
    folds = assign_folds(collection(some_clips(), {"MP50": "AK-470"}), 4)
    twins = {int(k) for c, k in zip(some_clips(), folds, strict=True) if c.group in ("AK-470", "MP50")}
    assert len(twins) == 1


def test_random_folds_cut_recordings_apart() -> None:
    clips = some_clips()
    folds = assign_folds(collection(clips), 3, kind="random")
    sides = {
        c.group: {int(k) for o, k in zip(clips, folds, strict=True) if o.group == c.group} for c in clips
    }
    assert max(len(found) for found in sides.values()) > 1
    assert sorted(Counter(folds.tolist()).values()) == [12, 12, 12]


def test_a_class_of_one_recording_cannot_be_split_and_is_named() -> None:
    clips = [*some_clips(), clip("x", "lonely", "M249"), clip("y", "lonely", "M249")]
    with pytest.raises(DataError, match=r"M249 has one recording \(lonely\): it cannot be split") as caught:
        assign_folds(collection(clips), 3)
    assert "\n" not in str(caught.value)


def test_more_folds_than_recordings_are_refused() -> None:
    with pytest.raises(DataError, match="12 recordings cannot be split into 13 folds"):
        assign_folds(collection(some_clips()), 13)


def test_a_fold_chooses_nothing_about_itself() -> None:
    found = collection(some_clips())
    folds = assign_folds(found, 4)
    plain = fold_data(found, folds, 1, choose=False)
    assert not plain.chooses
    assert not {c.group for c in plain.training} & {c.group for c in plain.held}
    early = fold_data(found, folds, 1, choose=True)
    assert early.chooses
    own = {c.path for c, k in zip(found.clips, folds, strict=True) if k == 1}
    assert not own & ({c.path for c in early.training} | {c.path for c in early.held})


@pytest.fixture(scope="module")
def crossed(manifest: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-validation whose folds were trained by two commands."""
    run = tmp_path_factory.mktemp("runs") / "cv"
    said: list[str] = []
    config = tiny(folds=2, epochs=1)
    one = config.model_copy(update={"fold": 1})
    assert cross_validate(one, manifest, run, cache=cache, tell=said.append) is None
    assert said == [f"{run / 'out_of_fold.csv'} waits for fold 0"]
    assert cross_validate(config, manifest, run, cache=cache) is not None
    return run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_clip_is_scored_out_of_fold_once(manifest: Path, crossed: Path) -> None:
    rows = rows_of(crossed / "out_of_fold.csv")
    assert len({row["path"] for row in rows}) == len(rows) == 30  # 36 clips, of which M16's are M4's
    assert {row["fold"] for row in rows} == {"0", "1"}
    for label in AUDIO_LABELS:
        assert all(0 < float(row[column]) < 1 for row in rows for column in (label, f"raw_{label}"))
    known = {row["path"]: row for row in rows_of(manifest)}
    assert all(row[k] == known[row["path"]][k] for row in rows for k in ("label", "fine", "group", "source"))


def test_its_figures_are_means_over_recordings_with_an_interval(crossed: Path) -> None:
    figures = json.loads((crossed / "folds.json").read_text())
    assert (figures["kind"], figures["folds"], figures["clips"]) == ("grouped", 2, 30)
    assert figures["typed_recordings"] == 12
    low, high = figures["accuracy_interval"]
    assert low <= figures["accuracy"] <= high
    assert sum(fold["clips"] for fold in figures["each_fold"]) == 30


def test_a_finished_fold_is_not_trained_again(manifest: Path, cache: Path, crossed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in crossed.glob("fold-*/best.safetensors")}
    assert cross_validate(tiny(folds=2, epochs=1), manifest, crossed, cache=cache) is not None
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert len(before) == 2


def test_folds_do_not_start_from_what_has_heard_their_clips(
    manifest: Path, cache: Path, crossed: Path, tmp_path: Path
) -> None:
    config = tiny(folds=2, weights=str(crossed / "fold-0"))
    with pytest.raises(ConfigError, match="has learnt from clips that folds hold out") as caught:
        cross_validate(config, manifest, tmp_path / "cv", cache=cache)
    assert "{fold}" in caught.value.hint
    assert not (tmp_path / "cv").exists()


def test_a_fold_is_no_part_of_a_soup_that_val_judges(
    manifest: Path, cache: Path, crossed: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="fold of a cross-validation"):
        make_soup([crossed / "fold-0", crossed / "fold-1"], manifest, tmp_path / "soup", cache=cache)


def test_figures_weigh_recordings_alike_and_merge_twins() -> None:
    twin = replace(clip("t", "m", "M4"), types=("M16", "M4"))
    clips = [
        *(replace(twin, path=f"t{i}") for i in range(9)),
        clip("a", "a", "AK-47"),
        clip("r", "r", "rain"),
    ]
    raw = np.full((11, len(AUDIO_LABELS)), 0.1, np.float32)
    raw[:9, AUDIO_LABELS.index("M16")] = 0.9  # a twin's name is right
    raw[9, AUDIO_LABELS.index("MP5")] = 0.9  # wrong
    raw[:10, -1] = 0.8
    figures = fold_figures(clips, raw, np.zeros(11, np.int64))
    assert figures["accuracy"] == 0.5  # two recordings, however many clips
    assert figures["auroc"] == 1.0
    assert macro_auc(clips[:10], raw[:10]) == pytest.approx((1.0 + 0.5) / 2)


def test_a_fold_has_no_say_in_its_own_calibration() -> None:
    rng = np.random.default_rng(0)
    clips = [clip(f"{i}", f"{i}", ("AK-47", "rain")[i % 2]) for i in range(60)]
    raw = rng.uniform(0.1, 0.9, (60, len(AUDIO_LABELS))).astype(np.float32)
    folds = np.arange(60) // 2 % 2
    before = calibrate_out_of_fold(clips, raw, folds)
    turned = [
        replace(c, shot=not c.shot, types=()) if k == 0 else c for c, k in zip(clips, folds, strict=True)
    ]
    after = calibrate_out_of_fold(turned, raw, folds)
    np.testing.assert_array_equal(after[folds == 0], before[folds == 0])
    assert not np.array_equal(after[folds == 1, -1], before[folds == 1, -1])


def test_a_soup_is_the_mean_of_its_runs_and_can_be_exported(
    manifest: Path, cache: Path, tmp_path: Path
) -> None:
    runs = [train(tiny(seed=seed, epochs=1), manifest, tmp_path / f"{seed}", cache=cache) for seed in (1, 2)]
    said: list[str] = []
    make_soup(runs, manifest, tmp_path / "soup", cache=cache, greedy=False)
    found, one, two = (load_file(run / "best.safetensors") for run in (tmp_path / "soup", *runs))
    np.testing.assert_allclose(found["conv1.0.weight"], (one["conv1.0.weight"] + two["conv1.0.weight"]) / 2)
    note = make_soup(runs, manifest, tmp_path / "greedy", cache=cache, tell=said.append)
    best = max(json.loads((run / "best.json").read_text())["score"] for run in runs)
    assert note["score"] >= best - 1e-6
    assert len(said) == 2
    bundle = export(tmp_path / "soup", tmp_path / "bundle", manifest=manifest, cache=cache, ladder=("fp32",))
    assert bundle.card.training["best"]["soup"] == ["1", "2"]
    with pytest.raises(OutputError, match="holds a training run"):
        make_soup(runs, manifest, runs[0], cache=cache)


def test_a_soup_of_one_run_or_of_no_runs_is_refused(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least two runs, got 1"):
        make_soup([tmp_path], manifest, tmp_path / "soup")
    with pytest.raises(ConfigError, match="no run of a sound training"):
        make_soup([tmp_path, tmp_path], manifest, tmp_path / "soup")


def test_counters_are_not_averaged() -> None:
    import torch

    parts = [
        {"w": torch.tensor([1.0]), "n": torch.tensor(3)},
        {"w": torch.tensor([2.0]), "n": torch.tensor(8)},
    ]
    mean = mean_weights(parts)
    assert (float(mean["w"]), int(mean["n"])) == (1.5, 3)
