"""Both front ends are librosa's mel spectrogram."""

from __future__ import annotations

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import torch

from vedette_audio.features import (
    F_MAX,
    F_MIN,
    FLOOR,
    HOP,
    MELS,
    N_FFT,
    frame_mels,
    frames_in,
    log_mel,
    mel_bank,
    samples_for,
)
from vedette_audio.torch_features import TorchLogMel
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]


def sounds() -> dict[str, Floats]:
    rng = np.random.default_rng(1)
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    noise = 0.1 * rng.standard_normal(time.size)
    chirp = 0.4 * np.sin(2 * np.pi * (100 * time + 3000 * time**2)) + 0.01 * rng.standard_normal(time.size)
    blast = np.where(time > 1, np.exp(-(time - 1) / 0.01), 0) * rng.standard_normal(time.size)
    quiet = 1e-4 * rng.standard_normal(time.size)
    named = {"noise": noise, "chirp": chirp, "blast": blast + quiet, "quiet": quiet, "nothing": 0 * time}
    return {name: sound.astype(np.float32) for name, sound in named.items()}


def reference(sound: Floats) -> Floats:
    mel = librosa.feature.melspectrogram(
        y=sound,
        sr=SAMPLE_RATE,
        n_fft=N_FFT,
        hop_length=HOP,
        n_mels=MELS,
        fmin=F_MIN,
        fmax=F_MAX,
        pad_mode="constant",
    )
    return np.log(np.maximum(mel, FLOOR))


@pytest.mark.parametrize("name", sorted(sounds()))
def test_the_run_time_front_end_is_librosas(name: str) -> None:
    sound = sounds()[name]
    assert np.abs(log_mel(sound) - reference(sound)).max() < 1e-4


@pytest.mark.parametrize("name", sorted(sounds()))
def test_the_training_front_end_is_librosas(name: str) -> None:
    sound = sounds()[name]
    found = TorchLogMel()(torch.from_numpy(sound)[None])[0].numpy()
    assert np.abs(found - reference(sound)).max() < 1e-4


@pytest.mark.parametrize("size", [0, 1, 511, 512, 2047, 2048, 96_000])
def test_any_length_gives_the_frames_it_says(size: int) -> None:
    assert log_mel(np.zeros(size, np.float32)).shape == (MELS, frames_in(size))


def test_frames_without_padding_are_counted_right() -> None:
    assert frame_mels(np.zeros(samples_for(188), np.float32)).shape == (MELS, 188)
    assert frame_mels(np.zeros(samples_for(188) - 1, np.float32)).shape == (MELS, 187)
    assert frame_mels(np.zeros(10, np.float32)).shape == (MELS, 0)


def test_the_filter_bank_is_librosas() -> None:
    bank = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=MELS, fmin=F_MIN, fmax=F_MAX)
    assert mel_bank() == pytest.approx(bank, abs=1e-8)


def test_a_frame_is_the_same_to_the_bit_however_many_are_made_at_once() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, N_FFT + 99 * HOP).astype(np.float32)
    whole = frame_mels(sound)
    single = [frame_mels(sound[i * HOP : i * HOP + N_FFT]) for i in range(100)]
    assert np.array_equal(whole, np.concatenate(single, axis=1))
