"""The public tagger that sound training may learn from."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from vedette_audio import teacher as module
from vedette_audio.teacher import GUNFIRE, GUNSHOT, SPEECH, Teacher, read_labels
from vedette_base.errors import BundleError, InputError


@pytest.fixture(scope="module")
def teacher(datasets: Path) -> Teacher:
    return Teacher.load(datasets / "weights" / "efficientat_mn04_as.pt")


def _clip(path: Path) -> torch.Tensor:
    with av.open(path) as container:
        frames = [frame.to_ndarray().reshape(1, -1) for frame in container.decode(audio=0)]
    return torch.from_numpy(np.concatenate(frames, axis=1)[:, :64_000])


def _clips(folder: Path, count: int) -> list[torch.Tensor]:
    paths = sorted(folder.rglob("*.ogg"))
    assert len(paths) >= count
    return [_clip(paths[k * len(paths) // count]) for k in range(count)]


def test_shots_score_above_street_and_speech(teacher: Teacher, datasets: Path) -> None:
    audio = datasets / "audio"
    shots = [teacher.logits(x)[0, GUNSHOT].item() for x in _clips(audio / "lelec_gun", 16)]
    others = [
        teacher.logits(x)[0, GUNSHOT].item()
        for folder in ("esc10", "devi_speech", "urbansound8k/siren")
        for x in _clips(audio / folder, 8)
    ]
    ranked = np.array([[shot > other for other in others] for shot in shots])
    assert ranked.mean() > 0.95


def test_speech_is_heard_as_speech(teacher: Teacher, datasets: Path) -> None:
    tops = [teacher.logits(x)[0].argmax().item() for x in _clips(datasets / "audio" / "devi_speech", 8)]
    assert tops.count(SPEECH) >= 6


def test_labels_are_in_the_order_of_the_logits(teacher: Teacher) -> None:
    assert teacher.labels is not None
    assert len(set(teacher.labels)) >= 520  # AudioSet names a few classes alike
    assert teacher.labels[SPEECH] == "Speech"
    assert teacher.labels[GUNSHOT] == "Gunshot, gunfire"
    assert [teacher.labels[row] for row in GUNFIRE[1:]] == ["Machine gun", "Fusillade", "Artillery fire"]
    assert teacher.labels[-1] == "Field recording"


def test_a_clip_gives_the_same_answer_alone_and_in_a_batch(teacher: Teacher) -> None:
    samples = torch.randn(3, 32_000, generator=torch.Generator().manual_seed(1)) * 0.1
    logits, embedding = teacher.outputs(samples)
    assert logits.shape == (3, 527)
    assert embedding.shape == (3, 384)
    torch.testing.assert_close(logits[1:2], teacher.logits(samples[1:2]), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(embedding[1:2], teacher.embedding(samples[1:2]), rtol=1e-4, atol=1e-4)


def test_folding_the_norms_changes_no_answer(datasets: Path) -> None:
    path = datasets / "weights" / "efficientat_mn04_as.pt"
    plain = module._Network()
    plain.load_state_dict(torch.load(path, weights_only=True))
    samples = torch.randn(1, 32_000, generator=torch.Generator().manual_seed(2)) * 0.1
    expected = Teacher(plain).logits(samples)
    torch.testing.assert_close(Teacher.load(path).logits(samples), expected, rtol=1e-3, atol=1e-3)


def test_silence_and_full_scale_give_finite_numbers(teacher: Teacher) -> None:
    samples = torch.stack([torch.zeros(16_000), torch.ones(16_000)])
    assert all(part.isfinite().all() for part in teacher.outputs(samples))


@pytest.mark.parametrize("shape", [(64_000,), (1, 1, 64_000), (1, 1_023)])
def test_samples_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="samples_32k"):
        Teacher(module._Network()).logits(torch.zeros(shape))


def test_the_shortest_clip_goes() -> None:
    assert Teacher(module._Network()).logits(torch.zeros(1, module.MIN_SAMPLES)).shape == (1, 527)


def test_missing_damaged_and_foreign_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mn04.pt"
    with pytest.raises(BundleError, match="No such file"):
        Teacher.load(path)
    for content in (b"", b"not weights", b"PK\x03\x04 half a zip"):
        path.write_bytes(content)
        with pytest.raises(BundleError, match="mn04"):
            Teacher.load(path)
    for foreign in ({"weight": torch.zeros(1)}, [1, 2]):
        torch.save(foreign, path)
        with pytest.raises(BundleError, match="not the state dict"):
            Teacher.load(path)


def test_a_class_map_that_is_not_yamnets_is_refused(tmp_path: Path) -> None:
    class_map = tmp_path / "yamnet_class_map.csv"
    assert read_labels(class_map) is None
    class_map.write_text("index,mid,display_name\n0,/m/09x0r,Speech\n", encoding="utf-8")
    with pytest.raises(BundleError, match="7 names, not 527"):
        read_labels(class_map)
