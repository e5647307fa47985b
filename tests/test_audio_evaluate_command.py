"""`vedette evaluate audio`: tables for people, a document for programs, a page, honest refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.commands import Command
from tests.sounds import write_data
from vedette_audio.classify import Classification, GunshotClassifier
from vedette_audio.dataset import Clip, read_manifest
from vedette_audio.evaluation.leak import measure_leak, mel_statistics
from vedette_audio.evaluation.pictures import PICTURES
from vedette_audio.evaluation.scored import Sounds
from vedette_base.errors import DataError
from vedette_base.media import AudioBlock
from vedette_base.score import AUDIO_LABELS, FIREARMS


class Loudness:
    """A stand-in for the classifier: the louder its loudest sample, the likelier a shot."""

    def hear(self, blocks: Iterable[AudioBlock]) -> Classification:
        peak = max(float(np.abs(block.samples).max()) for block in blocks)
        return Classification(peak, {name: peak / (2 + i) for i, name in enumerate(FIREARMS)})


@pytest.fixture
def vedette(vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    write_data(tmp_path / "data")
    monkeypatch.setattr(GunshotClassifier, "load", classmethod(lambda cls, folder, backend="": Loudness()))
    return vedette


MANIFEST = "data/manifest.csv"


def test_tables_go_to_stdout_and_the_page_to_its_folder(vedette: Command, tmp_path: Path) -> None:
    result = vedette("evaluate", "audio", MANIFEST, "--part", "val", "--out", "found")
    assert (result.code, result.said) == (0, [])
    lines = result.out.splitlines()
    assert re.fullmatch(rf"audio \d+ on {re.escape(str(MANIFEST))}", lines[0])
    assert any(line.startswith("type, eight-way: accuracy, mean over recordings") for line in lines)
    assert any("another manifest" in line for line in lines)  # nothing is known about what it has heard
    page = (tmp_path / "found" / "index.html").read_text(encoding="utf-8")
    for name, _, _ in PICTURES:
        assert (tmp_path / "found" / name).is_file()
        assert f'src="{name}"' in page
    document = json.loads((tmp_path / "found" / "evaluation.json").read_text(encoding="utf-8"))
    assert document["figures"]["clips"] == 15
    assert document["quotable"] is True


def test_json_is_one_document_and_its_scores_can_be_measured_again(vedette: Command, tmp_path: Path) -> None:
    first = json.loads(vedette("evaluate", "audio", MANIFEST, "--part", "all", "--json", "-o", "found").out)
    assert (first["part"], first["quotable"]) == ("all", False)
    result = vedette("evaluate", "audio", MANIFEST, "--out-of-fold", "found/scores.csv", "--json")
    second = json.loads(result.out)
    assert second["figures"]["auroc"] == first["figures"]["auroc"]
    assert second["quotable"] is False  # no folds are named in it


@pytest.mark.parametrize(("arguments", "code", "why"), [
    (["--part", "train"], 2, ""),
    (["--teacher", "w.pt"], 2, "--teacher is for --leak only"),
    (["--leak", "--out-of-fold", "t.csv"], 2,
     "--leak trains classifiers of its own: leave out --out-of-fold"),
    (["--out-of-fold", "gone.csv"], 2, "gone.csv: No such file or directory"),
    (["--out", "data/manifest.csv"], 1, "data/manifest.csv: cannot be made: File exists"),
    (["--leak"], 2, "AK-47 has 6 clips of 6 recordings; 10 random and 5 grouped folds need as many clips "
                    "and recordings of each firearm"),
])  # fmt: skip
def test_what_cannot_be_measured_is_one_line(
    vedette: Command, arguments: Sequence[str], code: int, why: str
) -> None:
    result = vedette("evaluate", "audio", MANIFEST, *arguments)
    assert result.code == code
    if why:
        assert result.said == [why]


class Cache:
    """Clips of which only the background (a tone per recording) can be told apart."""

    def sound(self, clip: Clip) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng(int(clip.path))
        time = np.arange(12_000) / 48_000
        tone = np.sin(2 * np.pi * 300 * (1 + int(clip.group)) * time)
        return (0.2 * tone + 0.05 * rng.standard_normal(time.size)).astype(np.float32)


def of_backgrounds(recordings: int = 10, clips: int = 4) -> Sounds:
    found = []
    for number in range(recordings * clips):
        recording = number // clips
        fine = FIREARMS[recording % 2]
        found.append(Clip(f"{number}", "set", True, fine, f"{recording}", "train", "", (fine,)))
    names = tuple((clip.fine,) for clip in found)
    return Sounds(tuple(found), names, Cache())  # type: ignore[arg-type]


def test_random_folds_reward_remembering_the_background() -> None:
    (leak,) = measure_leak(of_backgrounds(), samples=20)
    assert leak.random.value == 1.0
    assert leak.grouped.value is not None
    assert leak.grouped.value < 0.75
    assert (leak.clips, leak.recordings, leak.types) == (40, 10, 2)


def test_a_firearm_of_too_few_recordings_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="20 clips of 4 recordings"):
        measure_leak(of_backgrounds(recordings=8, clips=5), samples=10)


def test_mel_statistics_are_two_numbers_per_band() -> None:
    assert mel_statistics(np.zeros(4_800, np.float32)).shape == (256,)


def test_the_shipped_model_has_figures_of_every_kind_in_its_card(root: Path) -> None:
    card = json.loads((root / "data/models/audio/card.json").read_text(encoding="utf-8"))
    for part in ("test", "val"):
        assert {"accuracy_8", "auroc", "ap_others", "recall_10", "ece"} <= set(card["metrics"][part])


def test_the_real_manifest_is_split_by_recording(datasets: Path) -> None:
    clips = read_manifest(datasets / "audio" / "manifest.csv")
    assert len(clips) == 3327
    assert len(AUDIO_LABELS) == 10
