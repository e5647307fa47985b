"""`vedette explain` points at the sound that the network listened to, and says so in numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from tests.commands import Command
from tests.media import Sound, noise, silence, write_media, write_wav_float
from vedette.report.explanation import picture, png, summary
from vedette_audio.explain import BANDS, Explainer, Explanation, explain
from vedette_audio.features import MELS, mel_hertz
from vedette_audio.scorer import input_card
from vedette_base.bundle import MODEL, WEIGHTS, Bundle, Card, write_bundle
from vedette_base.errors import InputError
from vedette_base.export import to_openvino
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import AUDIO_LABELS, GUNSHOT
from vedette_base.telemetry import load_openvino

LOW = AUDIO_LABELS[0]


class Ear(nn.Module):
    """Hears loudness: `gunshot` above 2 kHz, the first firearm below it, the others nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.spread = nn.Conv2d(1, 2, 5, stride=4, padding=2)
        self.fc = nn.Linear(2, len(AUDIO_LABELS))
        hertz = mel_hertz()[1:-1][::4]
        mask = torch.tensor(np.stack([hertz < 2000, hertz >= 2000])[None, :, :, None], dtype=torch.float32)
        self.register_buffer("mask", mask)
        with torch.no_grad():
            self.spread.weight.fill_(1 / 25)
            bias = self.spread.bias
            assert bias is not None
            bias.fill_(-0.3)
            self.fc.weight.zero_()
            self.fc.weight[0, 0] = self.fc.weight[-1, 1] = 150.0
            self.fc.bias.fill_(-2.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.spread(x)) * self.get_buffer("mask")
        found: torch.Tensor = self.fc(torch.relu(x).mean((2, 3)))
        return found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("ear")
    model: Any = to_openvino(Ear().eval(), np.zeros((1, 1, MELS, 188), np.float32))
    load_openvino().save_model(model, str(folder / MODEL), compress_to_fp16=False)
    card = Card(
        name="ear",
        task="audio",
        version="1",
        architecture="ear",
        labels=AUDIO_LABELS,
        input=input_card(),
        licence="none",
    )
    return write_bundle(folder / "bundle", card, {name: folder / name for name in (MODEL, WEIGHTS)})


@pytest.fixture(scope="module")
def explainer(bundle: Bundle) -> Explainer:
    return Explainer(bundle)


def shots(seconds: float, *times: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Bursts of bright noise that die away, over a faint floor."""
    random = np.random.default_rng(0)
    sound = 1e-4 * random.standard_normal(round(seconds * SAMPLE_RATE))
    for time in times:
        first = round(time * SAMPLE_RATE)
        length = min(SAMPLE_RATE // 4, sound.size - first)
        decay = np.exp(-np.arange(length) / (0.02 * SAMPLE_RATE))
        sound[first : first + length] += 0.5 * random.standard_normal(length) * decay
    return sound.clip(-1, 1).astype(np.float32)


def test_the_evidence_lies_in_the_shot(explainer: Explainer) -> None:
    look = explainer.explain(shots(2.0, 0.8), SAMPLE_RATE).windows[0]
    assert look.onsets == pytest.approx((0.8,), abs=0.01)
    assert look.evidence.shape == look.coarse.shape == look.log_mels.shape == (MELS, 188)
    assert look.evidence.min() >= 0
    assert look.evidence.sum() == pytest.approx(1.0, abs=1e-3)
    assert look.in_shots is not None
    assert look.in_shots > 0.9
    assert look.time_in_shots == pytest.approx(0.15, abs=0.02)


def test_blanking_the_shot_takes_the_decision_away_and_nothing_else_does(explainer: Explainer) -> None:
    look = explainer.explain(shots(2.0, 0.8), SAMPLE_RATE).windows[0]
    assert look.without_shots is not None
    assert look.only_shots is not None
    assert look.without_shots < look.probability / 2
    assert look.only_shots == pytest.approx(look.probability, abs=0.05)


def test_each_label_has_its_own_pitches(explainer: Explainer) -> None:
    sound = shots(2.0, 0.8)
    high = explainer.explain(sound, SAMPLE_RATE, label=GUNSHOT).windows[0].bands
    low = explainer.explain(sound, SAMPLE_RATE, label=LOW).windows[0].bands
    assert tuple(high) == tuple(name for name, _, _ in BANDS)
    assert sum(high.values()) == pytest.approx(1.0, abs=1e-3)
    assert high["2-8 kHz"] + high["above 8 kHz"] > 0.9
    assert low["below 500 Hz"] + low["0.5-2 kHz"] > 0.9


def test_what_nothing_speaks_for_says_so(explainer: Explainer) -> None:
    look = explainer.explain(shots(2.0, 0.8), SAMPLE_RATE, label=AUDIO_LABELS[1]).windows[0]
    assert not look.evidence.any()
    assert look.in_shots is None
    assert summary(look) == "nothing spoke for it"


def test_sound_without_a_blast_has_no_share(explainer: Explainer) -> None:
    look = explainer.explain(shots(2.0), SAMPLE_RATE).windows[0]
    assert look.onsets == ()
    assert look.in_shots is look.without_shots is look.only_shots is None
    assert look.time_in_shots == 0.0


def test_a_long_clip_is_explained_where_it_is_loudest(explainer: Explainer) -> None:
    found = explainer.explain(shots(12.0, 3.0, 9.0), SAMPLE_RATE, windows=2)
    assert found.duration == pytest.approx(12.0)
    middles = sorted(look.start + 1 for look in found.windows)
    assert abs(middles[0] - 3.0) < 1.0
    assert abs(middles[1] - 9.0) < 1.0
    assert all(look.in_shots is not None and look.in_shots > 0.9 for look in found.windows)
    one, two = found.windows
    assert abs(one.start - two.start) >= 2.0
    assert one.probability >= two.probability


def test_the_window_asked_for_is_explained(explainer: Explainer) -> None:
    found = explainer.explain(shots(12.0, 3.0, 9.0), SAMPLE_RATE, at=9.2)
    assert [look.start for look in found.windows] == [pytest.approx(8.2)]
    assert found.windows[0].onsets == pytest.approx((9.0,), abs=0.01)


@pytest.mark.parametrize(("at", "start"), [(0.0, 0.0), (11.9, 10.0)])
def test_a_window_at_the_edge_stays_in_the_clip(explainer: Explainer, at: float, start: float) -> None:
    assert explainer.explain(shots(12.0, 3.0), SAMPLE_RATE, at=at).windows[0].start == pytest.approx(start)


def test_short_clips_are_padded_with_nothing(bundle: Bundle) -> None:
    look = explain(bundle, shots(0.5, 0.1)[::2], SAMPLE_RATE // 2).windows[0]
    assert look.heard == pytest.approx(0.5, abs=0.01)
    assert look.in_shots is not None
    assert look.in_shots > 0.8


@pytest.mark.parametrize(
    ("samples", "options", "why"),
    [
        (np.zeros(SAMPLE_RATE, np.float32), {}, "digital silence"),
        (np.zeros(5 * SAMPLE_RATE, np.float32), {}, "digital silence"),
        (np.zeros(0, np.float32), {}, "at least one sample"),
        (np.full(SAMPLE_RATE, np.nan, np.float32), {}, "finite"),
        (np.ones(100, np.float32), {}, "lasts 0.002 s"),
        (shots(2.0, 0.5), {"label": "musket"}, "no label 'musket'"),
        (shots(2.0, 0.5), {"at": 7.0}, "second 7 is not in the clip"),
        (shots(2.0, 0.5), {"at": float("nan")}, "is not in the clip"),
        (shots(2.0, 0.5), {"windows": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_one_line(
    explainer: Explainer, samples: Any, options: dict[str, Any], why: str
) -> None:
    with pytest.raises(InputError, match=why) as caught:
        explainer.explain(samples, SAMPLE_RATE, **options)
    assert "\n" not in str(caught.value)


def drawn(explanation: Explanation) -> Any:
    found = cv2.imdecode(np.frombuffer(png(picture(explanation, "clip.wav")), np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return found


def test_the_picture_is_hot_where_the_shot_is(explainer: Explainer) -> None:
    found = drawn(explainer.explain(shots(2.0, 0.8), SAMPLE_RATE)).astype(int)
    hot = (found[..., 2] > 200) & (found[..., 0] < 100) & (found[..., 1] < 200)
    right = hot[:, found.shape[1] // 2 :].any(axis=0)
    where = np.flatnonzero(right) - 62  # the axis on the left
    seconds = where / 3 * 512 / SAMPLE_RATE
    assert 0.7 < np.median(seconds) < 1.0


def test_each_window_is_drawn(explainer: Explainer) -> None:
    one = drawn(explainer.explain(shots(12.0, 3.0, 9.0), SAMPLE_RATE, windows=1))
    two = drawn(explainer.explain(shots(12.0, 3.0, 9.0), SAMPLE_RATE, windows=2))
    assert two.shape[0] > 1.8 * one.shape[0]
    assert two.shape[1] == one.shape[1]


def test_the_command_prints_numbers_and_writes_a_picture(
    vedette: Command, tmp_path: Path, bundle: Bundle
) -> None:
    write_wav_float(tmp_path / "shot.wav", shots(2.0, 0.8))
    result = vedette("explain", "shot.wav", "--out", "why", "--model", bundle.folder)
    assert result.code == 0
    assert "listens to the shot: 9" in result.out or "listens to the shot: 100%" in result.out
    assert "with the shots blanked" in result.out
    assert "2-8 kHz" in result.out
    assert cv2.imread(str(tmp_path / "why" / "shot.wav.gunshot.png")) is not None


def test_the_command_gives_json(vedette: Command, tmp_path: Path, bundle: Bundle) -> None:
    write_wav_float(tmp_path / "shot.wav", shots(5.0, 0.8))
    arguments = ("explain", "shot.wav", "--json", "--at", "1", "--label", "AK-12", "--model", bundle.folder)
    found = json.loads(vedette(*arguments).out)
    assert found["label"] == "AK-12"
    assert Path(found["picture"]).name == "shot.wav.AK-12.png"
    [window] = found["windows"]
    assert (window["start"], window["end"]) == (0.0, 2.0)
    assert window["onsets"] == [pytest.approx(0.8, abs=0.01)]
    assert set(window["bands"]) == {name for name, _, _ in BANDS}


def test_the_command_names_what_it_cannot_explain(vedette: Command, tmp_path: Path, bundle: Bundle) -> None:
    write_media(tmp_path / "silent.wav", sound=Sound(silence(1.0)))
    write_media(tmp_path / "short.wav", sound=Sound(noise(0.05)))
    for arguments, code, why in (
        (("silent.wav",), 1, "silence"),
        (("short.wav",), 1, "lasts 0.0"),
        (("gone.wav",), 1, "gone.wav"),
        (("short.wav", "--label", "musket"), 2, "no label 'musket'"),
        (("short.wav", "--model", "vision"), 1, "no sound model"),
    ):
        model = () if "--model" in arguments else ("--model", bundle.folder)
        result = vedette("explain", *arguments, *model)
        assert result.code == code
        assert len(result.said) == 1
        assert why in result.said[0]
    assert not list(tmp_path.rglob("*.png"))
