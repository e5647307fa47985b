"""The comparison with YAMNet hears every sample and compares like with like; the network itself is a fake."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.benchmark_modules import benchmark_module
from vedette_audio.dataset import Clip
from vedette_audio.evaluation.scored import Scored
from vedette_base.errors import DataError
from vedette_base.score import AUDIO_LABELS


@pytest.fixture(scope="module")
def yamnet(root: Path) -> ModuleType:
    return benchmark_module(root, "yamnet")


@pytest.mark.parametrize("seconds", [0.05, 0.975, 0.98, 2.0, 3.3])
def test_every_sample_is_in_a_frame(yamnet: ModuleType, seconds: float) -> None:
    samples = round(seconds * 48_000)
    frames = yamnet.frames_of(np.ones(samples, np.float32))
    assert {frame.size for frame in frames} == {yamnet.FRAME}
    reach = (len(frames) - 1) * yamnet.HOP + yamnet.FRAME
    assert reach >= samples / 3
    assert len(frames) == 1 or reach - yamnet.HOP < samples / 3  # and no frame of padding alone
    assert frames[0][min(yamnet.FRAME, samples // 3) // 2] == pytest.approx(1.0, abs=0.01)


class Cache:
    """Clips of two seconds whose level is their number."""

    def sound(self, clip: Clip) -> np.ndarray:  # type: ignore[type-arg]
        return np.full(96_000, float(clip.path), np.float32)


class FakeSounds:
    cache = Cache()


def scored_of(scores: list[float], shots: list[bool]) -> Scored:
    clips = tuple(
        Clip(f"{i / 10}", "s", shot, "gun" if shot else "rain", f"g{i // 2}", "val")
        for i, shot in enumerate(shots)
    )
    table = np.zeros((len(scores), len(AUDIO_LABELS)))
    table[:, -1] = scores
    return Scored(clips, tuple((c.fine,) for c in clips), table, np.full(len(scores), 360.0))


def test_a_clip_scores_as_its_loudest_gun_class(yamnet: ModuleType) -> None:
    def ask(frame: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        scores = np.zeros(521, np.float32)
        scores[500] = 1.0  # not a gun
        scores[423] = frame.max()
        return scores

    scored = scored_of([0.5, 0.5], [False, True])
    found = yamnet.yamnet_scores(ask, scored, FakeSounds())
    np.testing.assert_allclose(found, [0.0, 0.1], atol=0.02)


def test_the_difference_is_ours_less_theirs(yamnet: ModuleType) -> None:
    shots = [False, True] * 6
    scored = scored_of([0.9 if shot else 0.1 for shot in shots], shots)
    theirs = np.array([0.1 if shot else 0.9 for shot in shots])
    lines = {line.name: line for line in yamnet.compare(scored, theirs, samples=10)}
    assert (lines["AUROC"].vedette.value, lines["AUROC"].yamnet.value) == (1.0, 0.0)
    assert lines["AUROC"].difference.value == 1.0
    assert lines["AUROC"].difference.low == 1.0  # in every sample: paired
    assert lines["calibration error (ECE)"].difference.value == pytest.approx(-0.8)
    same = {line.name: line for line in yamnet.compare(scored, scored.scores[:, -1], samples=10)}
    assert (same["AUROC"].difference.low, same["AUROC"].difference.high) == (0.0, 0.0)


def test_another_class_map_is_refused(yamnet: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    rows = [f'{index},/m/x,"{name}"' for index, name in yamnet.GUN.items()]
    path.write_text("index,mid,display_name\n" + "\n".join(rows) + "\n")
    yamnet.check_class_map(path)
    path.write_text("index,mid,display_name\n" + "\n".join(rows).replace("Fusillade", "Flute") + "\n")
    with pytest.raises(DataError, match="class 423 is 'Flute'"):
        yamnet.check_class_map(path)
    with pytest.raises(DataError, match="not YAMNet's class map"):
        yamnet.check_class_map(tmp_path / "gone.csv")
