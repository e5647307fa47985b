"""The log-mel pictures of ``features.py`` on torch and torchaudio, batched, for training."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor

from vedette_audio.features import (
    F_MAX,
    F_MIN,
    FLOOR,
    HOP,
    MELS,
    N_FFT,
    PICTURE_OFFSET,
    PICTURE_SCALE,
    mel_bank,
)
from vedette_base.media import SAMPLE_RATE


class TorchLogMel(torch.nn.Module):
    """Samples ``(batch, n)`` at 48 kHz to natural-log mels ``(batch, MELS, frames)``.

    Padding is by zeros as in librosa (torchaudio would reflect); ``center=False`` gives whole frames only.
    """

    def __init__(self, *, center: bool = True) -> None:
        super().__init__()
        self.center = center
        self.spectrum = torchaudio.transforms.Spectrogram(N_FFT, hop_length=HOP, center=False)
        self.bank = torchaudio.transforms.MelScale(
            MELS, SAMPLE_RATE, F_MIN, F_MAX, N_FFT // 2 + 1, norm="slaney", mel_scale="slaney"
        )
        # torchaudio computes the same bank in float32 and is off by 3e-4 in ln mel
        self.bank.fb.copy_(torch.from_numpy(mel_bank().T))

    def forward(self, samples: Tensor) -> Tensor:
        """Log mels of a batch."""
        if self.center:
            samples = torch.nn.functional.pad(samples, (N_FFT // 2, N_FFT // 2))
        mels: Tensor = self.bank(self.spectrum(samples))
        return mels.clamp(min=FLOOR).log()


def to_picture(log_mels: Tensor) -> Tensor:
    """Log mels ``(batch, MELS, frames)`` as network input ``(batch, 1, MELS, frames)``."""
    return ((log_mels - PICTURE_OFFSET) / PICTURE_SCALE).unsqueeze(1)
