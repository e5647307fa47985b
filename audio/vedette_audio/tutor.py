"""Tutors: the public sound tagger, fine-tuned on a manifest, on the very pictures that our network takes.

The tagger (EfficientAT mn04) has heard all of AudioSet and is small, so it learns from few recordings better
than a large network from scratch does. One tutor says whether there is a shot, several (other seeds) say of
which firearm. They teach the network that ships, and they give it a second opinion (``second.py``). How they
are made: ``tutoring.py``.

mn04 was trained on pictures of its own: 32 kHz, other mel bands, pre-emphasis. ``Front`` brings ours there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vedette_audio.features import MELS, PICTURE_OFFSET, PICTURE_SCALE, mel_hertz
from vedette_audio.teacher import EMBEDDING, Teacher, band_hertz, parts
from vedette_audio.torch_features import TorchLogMel, to_picture
from vedette_base.errors import BundleError
from vedette_base.score import FIREARMS

TYPES = len(FIREARMS)
_TOP, _FLOOR = 4.4, -11.5
"""Greatest and least natural-log mel in mn04's own pictures of sounds brought to a peak of 0.5 (the greatest
as the mean over 200 training clips)."""
_CENTRE, _SPREAD = -4.5, 5.0  # of mn04's own pictures


class Front(nn.Module):
    """Our pictures ``(n, 1, MELS, frames)`` as mn04's: its bands by interpolation, one level for every
    window, its unit.

    A level (``offset``, in natural-log mel) per band stands for pre-emphasis and for the other mel filters.
    """

    def __init__(self, offset: Tensor | None = None) -> None:
        super().__init__()
        self.adapt = nn.Conv1d(MELS, MELS, 1).requires_grad_(False)
        place = np.interp(band_hertz(), mel_hertz()[1:-1], np.arange(MELS))
        low = np.floor(place).astype(int)
        matrix = np.zeros((MELS, MELS), np.float32)
        rows = np.arange(MELS)
        matrix[rows, low] += 1 - (place - low)
        matrix[rows, np.minimum(low + 1, MELS - 1)] += place - low
        blend = torch.from_numpy(matrix.astype(np.float32))
        bias = blend.sum(dim=1) * PICTURE_OFFSET + (torch.zeros(MELS) if offset is None else offset)
        self.adapt.weight = nn.Parameter((blend * PICTURE_SCALE)[:, :, None], requires_grad=False)
        self.adapt.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """mn04's pictures, of the same shape."""
        mels: Tensor = self.adapt(pictures[:, 0])
        mels = mels - mels.amax(dim=(1, 2), keepdim=True) + _TOP
        return ((mels.clamp(min=_FLOOR) - _CENTRE) / _SPREAD).unsqueeze(1)


class Tutor(nn.Module):
    """mn04's trunk behind ``Front``, with ``outputs`` logits: one per firearm, or a single one for a shot."""

    def __init__(self, front: Front, trunk: nn.Module, outputs: int) -> None:
        super().__init__()
        self.front, self.trunk = front, trunk
        self.head = nn.Linear(EMBEDDING, outputs)

    @classmethod
    def start(cls, outputs: int = TYPES, teacher: Teacher | None = None) -> Tutor:
        """A tutor with the teacher's trunk and a fresh head, or an empty one to load weights into."""
        return cls(Front(), parts(teacher)[1], outputs)

    @classmethod
    def load(cls, file: str | Path) -> Tutor:
        """Read one that ``vedette train tutor`` wrote. Raises BundleError for anything else."""
        try:
            weights = load_file(file)
            tutor = cls.start(len(weights["head.bias"]))
            tutor.load_state_dict(weights)
        except (OSError, SafetensorError, RuntimeError, KeyError, TypeError) as error:
            raise BundleError(f"{file}: not a tutor", hint="make one with vedette train tutor") from error
        return tutor.eval().requires_grad_(False)

    def embed(self, fronted: Tensor) -> Tensor:
        """Embeddings ``(n, EMBEDDING)`` of pictures that ``front`` has made."""
        found: Tensor = self.trunk(fronted).mean(dim=(2, 3))
        return found

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits ``(n, outputs)`` of our pictures."""
        logits: Tensor = self.head(self.embed(self.front(pictures)))
        return logits


class Tutors:
    """Several tutors for firearm types that answer with one voice."""

    def __init__(self, tutors: Sequence[Tutor]) -> None:
        self._tutors = tuple(tutor.eval().requires_grad_(False) for tutor in tutors)
        self._mel = TorchLogMel()
        self._place = torch.device("cpu")

    @classmethod
    def load(cls, files: Iterable[str | Path]) -> Tutors:
        """Read them. Raises BundleError where one is no tutor for firearm types."""
        found = []
        for file in files:
            tutor = Tutor.load(file)
            if tutor.head.out_features != TYPES:
                raise BundleError(f"{file}: not a tutor for firearm types", hint="leave tutor-shot out")
            found.append(tutor)
        return cls(found)

    def to(self, place: str | torch.device) -> Tutors:
        """Move to a device; results stay there."""
        self._place = torch.device(place)
        self._mel.to(self._place)
        for tutor in self._tutors:
            tutor.to(self._place)
        return self

    @torch.no_grad()
    def probabilities(self, sounds: Tensor, *, temperature: float = 1.0) -> Tensor:
        """Softmax over FIREARMS (batch, 9) of sounds (batch, n) at 48 kHz: their geometric mean."""
        pictures = to_picture(self._mel(sounds.to(self._place)))
        answers = [F.log_softmax(tutor(pictures) / temperature, dim=1) for tutor in self._tutors]
        return F.softmax(torch.stack(answers).mean(dim=0), dim=1)
