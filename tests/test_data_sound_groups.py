"""Recordings are found where nobody names them, and are never on both sides of a split."""

from __future__ import annotations

import csv
import statistics
from collections import defaultdict
from pathlib import Path

import pytest

from tests.sound_sources import RATE, clips, recording
from vedette_audio.prepare.cards import load_card, shipped_table
from vedette_audio.prepare.facts import Facts, measure
from vedette_audio.prepare.groups import estimate_recordings, known_recordings, pair_agreement
from vedette_audio.prepare.layouts import Entry, read_source
from vedette_audio.prepare.listen import Sound, listen
from vedette_audio.prepare.twins import Twin, find_twins


@pytest.fixture(scope="module")
def cut() -> tuple[list[Entry], list[Facts], list[str]]:
    """Two classes of five recordings each, cut into consecutive clips; with the truth."""
    entries, facts, truth = [], [], []
    for prefix, name in ((1, "AK-47"), (2, "MP5")):
        number = 0
        for seed in range(10 * prefix, 10 * prefix + 5):
            for clip in clips(recording(seed, 4.0 + seed % 3)):
                number += 1
                entries.append(Entry(f"{name}/{prefix}_{number}_.wav", "gunshot", name))
                facts.append(measure(Sound(RATE, 1, True, 1.0, clip, True)))
                truth.append(f"{seed}")
    return entries, facts, truth


def test_recordings_are_found_from_the_sound_and_the_numbers(
    cut: tuple[list[Entry], list[Facts], list[str]],
) -> None:
    entries, facts, truth = cut
    groups, evidence = estimate_recordings(entries, facts)
    precision, recall = pair_agreement(groups, truth, [entry.fine for entry in entries])
    assert precision > 0.9
    assert recall > 0.9
    assert sum(joint.clips for joint in evidence) == len(entries)
    assert {joint.group for joint in evidence} == set(groups)
    steps = [joint.step for joint in evidence if joint.step]
    assert statistics.median(steps) > 2 * statistics.median(joint.spread for joint in evidence)


def test_the_order_of_the_entries_does_not_matter(cut: tuple[list[Entry], list[Facts], list[str]]) -> None:
    entries, facts, _ = cut
    forward, _ = estimate_recordings(entries, facts)
    backward, _ = estimate_recordings(entries[::-1], facts[::-1])
    assert backward[::-1] == forward or pair_agreement(backward[::-1], forward, ["x"] * len(forward)) == (
        1,
        1,
    )


def test_clips_that_share_sound_are_never_cut_apart(cut: tuple[list[Entry], list[Facts], list[str]]) -> None:
    entries, facts, truth = cut
    border = next(i for i in range(1, len(truth)) if truth[i] != truth[i - 1])
    shared = Twin(border - 1, border, "overlap", 0.9, 0.5, 0.5)
    groups, _ = estimate_recordings(entries, facts, [shared])
    assert groups[border] == groups[border - 1]


def test_agreement_counts_pairs_of_a_class() -> None:
    assert pair_agreement("aabb", "aabb", "xxxx") == (1.0, 1.0)
    assert pair_agreement("aaaa", "aabb", "xxxx") == (2 / 6, 1.0)
    assert pair_agreement("abcd", "aabb", "xxxx") == (0.0, 0.0)
    assert pair_agreement("aaaa", "aabb", "xxyy") == (1.0, 1.0)


def test_the_shipped_table_holds_each_recording_on_one_side() -> None:
    with shipped_table("nine_folder_groups.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    sides = defaultdict(set)
    for row in rows:
        sides[row["group"]].add(row["split"])
    by_name = {f"{row['class']}/{row['file']}": row for row in rows}
    assert all(len(found) == 1 for found in sides.values())
    assert len({row["class"] for row in rows}) == 9
    twins = [(name, row["twin"]) for name, row in by_name.items() if row["twin"]]
    assert len(twins) == 154
    for name, other in twins:
        assert by_name[other]["twin"] == name
        assert by_name[other]["group"] == by_name[name]["group"]


def test_known_recordings_come_from_the_table_whatever_the_spelling() -> None:
    table = shipped_table("nine_folder_groups.csv")
    paths = ["IMI Desert Eagle/2 (1).wav", "AK-12/3_2_.ogg", "AK-12/3 (200).wav", "AK-12/3 (300).wav"]
    entries = [Entry(path, "gunshot", path.split("/")[0]) for path in paths]
    groups, sides = known_recordings(table, entries, ["e1", "e2", "e2", "e3"])
    assert groups == ["IMI_Desert_Eagle_g01", "AK-12_g02", "AK-12_g02", "e3"]
    assert sides == ["train", "val", "val", ""]


def test_the_estimate_on_the_public_set(datasets: Path) -> None:
    """Against the public manifest's groups, themselves an estimate; all nine folders give 0.75 and 0.78."""
    with (datasets / "audio" / "manifest.csv").open(newline="") as file:
        named = {Path(r["path"]).name: r["group"] for r in csv.DictReader(file) if r["fine"] == "M4"}
    root = datasets / "audio" / "kaggle_tuncer2021"
    found = [entry for entry in read_source(load_card("kaggle_tuncer2021"), root) if entry.fine == "M4"]
    facts = [measure(listen(root / entry.path)) for entry in found]
    groups, _ = estimate_recordings(found, facts, find_twins(facts))
    truth = [named[Path(entry.path).name] for entry in found]
    precision, recall = pair_agreement(groups, truth, ["M4"] * len(truth))
    assert precision > 0.7
    assert recall > 0.7
