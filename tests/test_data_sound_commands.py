"""`vedette data`: what it writes can be trained on, what it says is true, what it draws opens offline."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.commands import Command
from tests.sound_sources import clips, nine_folders, recording, write_wav
from vedette_audio.dataset import read_manifest
from vedette_audio.prepare.audit import audit
from vedette_audio.prepare.contradicted import find_contradicted
from vedette_audio.prepare.layouts import Entry
from vedette_base.config import AudioTrainConfig


@pytest.fixture
def firearms(tmp_path: Path) -> Path:
    """Three classes; M16 is M4 under another name, as in the public set."""
    root = tmp_path / "firearms"
    nine_folders(root, {"AK-47": [1, 2, 3], "M4": [4, 5, 6], "M16": [4, 5, 6]})
    return root


@pytest.fixture
def street(tmp_path: Path) -> Path:
    root = tmp_path / "street"
    names = {"siren": 8, "jackhammer": 7, "gun_shot": 6}
    for seed, name in enumerate(("siren", "siren", "jackhammer", "jackhammer", "gun_shot", "gun_shot"), 21):
        code = names[name]
        for number, clip in enumerate(clips(recording(seed, 3.0, shots=code == 6))):
            write_wav(root / name / f"{seed}-{code}-0-{number}.wav", clip)
    return root


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_prepared_manifest_says_what_is_in_it(vedette: Command, firearms: Path) -> None:
    result = vedette("data", "prepare", "kaggle_tuncer2021", "--root", firearms, "--out", "out/m.csv")
    assert result.code == 0, result.err
    assert "labels contradict: 12 clips of M16 share their sound with clips of M4" in result.out
    assert "format alone guesses the class" in result.out
    out = vedette.folder / "out"
    found = rows(out / "m.csv")
    assert len(found) == 36
    assert all((out / row["path"]).is_file() for row in found)
    twins = {row["path"]: row["twin"] for row in found if row["fine"] == "M4"}
    assert all(twin == path.replace("/M4/2_", "/M16/3_") for path, twin in twins.items())
    groups = {row["path"]: row["group"] for row in found}
    assert all(groups[path] == groups[twin] for path, twin in twins.items())
    assert len(rows(out / "m.twins.csv")) >= 12
    assert {"group", "step", "spread"} <= set(rows(out / "m.recordings.csv")[0])
    findings = json.loads((out / "m.findings.json").read_text())
    assert findings["label_conflicts"][0] == {"classes": ["M16", "M4"], "twins": 12}
    assert findings["clips"] == 36


def test_a_prepared_and_joined_manifest_can_be_trained_on(
    vedette: Command, firearms: Path, street: Path, tmp_path: Path
) -> None:
    from vedette_audio.train import train

    for card, root, name in (("kaggle_tuncer2021", firearms, "f"), ("urbansound8k", street, "s")):
        assert vedette("data", "prepare", card, "--root", root, "--out", f"{name}.csv").code == 0
    assert vedette("data", "join", "f.csv", "s.csv", "--out", "all/manifest.csv").code == 0
    manifest = vedette.folder / "all" / "manifest.csv"
    found = read_manifest(manifest)
    assert {clip.source for clip in found} == {"kaggle_tuncer2021", "urbansound8k"}
    assert {clip.split for clip in found} == {"train", "val"}
    config = AudioTrainConfig(
        architecture="test_resnet", epochs=1, crops=4, batch=4, chunk=0.5, evaluate_every=1, bf16=False
    )
    assert (train(config, manifest, tmp_path / "run") / "best.safetensors").is_file()


def test_a_recording_that_two_sources_share_comes_to_one_side(
    vedette: Command, street: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    for number, clip in enumerate(clips(recording(21, 3.0, shots=False))):
        write_wav(other / f"siren_{number}.wav", clip * 0.3)
    for card, root, name in (("urbansound8k", street, "u"), ("sesa", other, "s")):
        assert vedette("data", "prepare", card, "--root", root, "--out", f"{name}.csv").code == 0
    path = vedette.folder / "u.csv"
    path.write_text(
        path.read_text().replace(",fs21,train,", ",fs21,val,").replace(",fs22,val,", ",fs22,train,")
    )
    found = audit([path, vedette.folder / "s.csv"], vedette.folder)
    shared = [e for e in found.prepared.entries if e.source == "sesa" or e.group == "fs21"]
    assert len(found.crossing) >= 1
    assert {entry.split for entry in shared} == {"train"}
    result = vedette("data", "join", "u.csv", "s.csv", "--out", "j.csv")
    assert "lay on both sides of the split" in result.out
    assert vedette("data", "check", "j.csv").code == 0


def test_check_names_twins_across_the_split_and_fails(vedette: Command, street: Path) -> None:
    assert vedette("data", "prepare", "urbansound8k", "--root", street, "--out", "m.csv").code == 0
    path = vedette.folder / "m.csv"
    lines = path.read_text().splitlines()
    twin = next(line for line in lines if ",train," in line)
    copied = twin.split(",")[0].replace(".wav", "-copy.wav")
    (path.parent / copied).write_bytes((path.parent / twin.split(",")[0]).read_bytes())
    group = twin.split(",")[5]
    lines.append(twin.replace(twin.split(",")[0], copied).replace(f",{group},train,", ",new,val,"))
    path.write_text("\n".join(lines) + "\n")
    result = vedette("data", "check", "m.csv")
    assert result.code == 1
    assert f"on both sides of the split: {twin.split(',')[0]} and {copied} (exact" in result.out


def test_check_names_clips_that_a_model_contradicts(
    vedette: Command, street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that hears nothing anywhere contradicts every shot, and only those."""
    deaf = SimpleNamespace(classify=lambda samples, rate: SimpleNamespace(gunshot=0.02))
    monkeypatch.setattr("vedette_audio.classify.GunshotClassifier.load", lambda bundle: deaf)
    assert vedette("data", "prepare", "urbansound8k", "--root", street, "--out", "m.csv").code == 0
    result = vedette("data", "check", "m.csv", "--model", "deaf")
    assert result.code == 0, result.err
    assert "6 clips contradict deaf: listen before trusting their label" in result.out
    said = [line for line in result.out.splitlines() if line.startswith("no_shot_heard: ")]
    assert len(said) == 6
    assert all("gun_shot" in line and line.endswith("P(shot) is 0.02") for line in said)


def test_contradicted_clips_come_surest_first() -> None:
    entries = [
        Entry(f"{n}.wav", label, label) for n, label in enumerate(("gunshot", "other", "gunshot", "other"))
    ]
    said = {"0.wav": 0.08, "1.wav": 0.99, "2.wav": 0.5, "3.wav": 0.5}
    found = find_contradicted(entries, Path(), lambda path: said[path.name])
    assert [(suspect.clip, suspect.flag) for suspect in found] == [(1, "shot_heard"), (0, "no_shot_heard")]


def test_the_summary_is_one_page_without_anything_from_elsewhere(vedette: Command, firearms: Path) -> None:
    assert vedette("data", "prepare", "kaggle_tuncer2021", "--root", firearms, "--out", "m.csv").code == 0
    result = vedette("data", "summary", "m.csv", "--out", "page")
    assert result.code == 0, result.err
    page = (vedette.folder / "page" / "summary.html").read_text()
    assert "36 clips, 3 classes" in page
    assert page.count("data:image/png;base64,") == 6
    assert "http" not in page.replace("http-equiv", "")
    for name in ("AK-47", "M4", "M16"):
        assert f"<td>{name}</td>" in page


def test_names_from_a_manifest_cannot_become_markup(vedette: Command, tmp_path: Path) -> None:
    write_wav(vedette.folder / "a.wav", np.tile(recording(1, 1.0), 2))
    (vedette.folder / "m.csv").write_text(
        "path,source,task,label,fine,group,split\na.wav,<b>s</b>,x,other,<script>1</script>,g,train\n"
    )
    assert vedette("data", "summary", "m.csv", "--out", "page").code == 0
    page = (vedette.folder / "page" / "summary.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "cannot be split" in page


def test_errors_are_one_line_and_a_hint(vedette: Command, firearms: Path) -> None:
    for arguments in (
        ["prepare", "kagle", "--root", firearms],
        ["prepare", "kaggle_tuncer2021", "--root", "nowhere"],
        ["check", "none.csv"],
        ["summary", "none.csv"],
    ):
        result = vedette("data", *arguments)
        assert result.code == 2
        assert len(result.said) == 1
    assert "AK-47" in vedette("data", "cards").out or "kaggle_tuncer2021" in vedette("data", "cards").out


def test_an_output_that_cannot_be_written_is_said(vedette: Command, firearms: Path) -> None:
    (vedette.folder / "file").write_text("")
    result = vedette("data", "prepare", "kaggle_tuncer2021", "--root", firearms, "--out", "file/m.csv")
    assert result.code == 1
    assert "cannot be written" in result.err
