"""A public sound tagger to learn from: EfficientAT ``mn04``, trained on AudioSet (527 classes, mAP 0.432).

Only training uses it as it is; bundles may hold networks fine-tuned from it (``tutor.py``).
Schmid, Koutini and Widmer, "Efficient Large-scale Audio Tagging via Transformer-to-CNN Knowledge
Distillation" (ICASSP 2023), https://github.com/fschmid56/EfficientAT (MIT).
The network is MobileNetV3-Large at width 0.4 over one log-mel picture; its parameter names are those of the
published state dict, so that the file loads strictly.
"""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchaudio.compliance.kaldi import get_mel_banks

from vedette_base.damaged import DAMAGED
from vedette_base.errors import BundleError, InputError

SAMPLE_RATE = 32_000  # Hz
MIN_SAMPLES = 1_024  # one analysis frame (32 ms)
CLASSES = 527
EMBEDDING = 384  # channels of the last convolution, averaged over frequency and time
SPEECH, GUNSHOT = 0, 427  # rows of AudioSet's class_labels_indices.csv
GUNFIRE = (427, 428, 429, 430)  # gunshot, machine gun, fusillade, artillery; 431 (cap gun) is a toy

_FFT, _WINDOW, _HOP, _MELS = 1_024, 800, 320, 128  # samples, samples, samples, bands
_MEL_LOW, _MEL_HIGH = 0.0, 15_000.0  # Hz
_PRE_EMPHASIS = 0.97

# YAMNet's class map is AudioSet's list without these rows; putting them back gives the 527 names.
_NOT_IN_YAMNET = {
    1: "Male speech, man speaking",
    2: "Female speech, woman speaking",
    12: "Battle cry",
    32: "Male singing",
    33: "Female singing",
    277: "Funny music",
}


class _Block(NamedTuple):
    kernel: int
    expanded: int
    out: int
    squeeze: int  # width of the squeeze-and-excitation bottleneck; 0: none
    stride: int
    activation: type[nn.Module]


_STEM = 8
_BLOCKS = (
    _Block(3, 8, 8, 0, 1, nn.ReLU),
    _Block(3, 24, 16, 0, 2, nn.ReLU),
    _Block(3, 32, 16, 0, 1, nn.ReLU),
    _Block(5, 32, 16, 8, 2, nn.ReLU),
    _Block(5, 48, 16, 16, 1, nn.ReLU),
    _Block(5, 48, 16, 16, 1, nn.ReLU),
    _Block(3, 96, 32, 0, 2, nn.Hardswish),
    _Block(3, 80, 32, 0, 1, nn.Hardswish),
    _Block(3, 72, 32, 0, 1, nn.Hardswish),
    _Block(3, 72, 32, 0, 1, nn.Hardswish),
    _Block(3, 192, 48, 48, 1, nn.Hardswish),
    _Block(3, 272, 48, 72, 1, nn.Hardswish),
    _Block(5, 272, 64, 72, 2, nn.Hardswish),
    _Block(5, 384, 64, 96, 1, nn.Hardswish),
    _Block(5, 384, 64, 96, 1, nn.Hardswish),
)


def _convolution(
    inputs: int,
    outputs: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None = None,
) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(outputs, eps=1e-3)]
    return nn.Sequential(*layers, activation()) if activation else nn.Sequential(*layers)


class _Excitation(nn.Module):
    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, squeeze)
        self.fc2 = nn.Linear(squeeze, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean(dim=(2, 3))))))
        return x * gate[:, :, None, None]


class _ChannelExcitation(nn.Module):
    """The published network can gate channels, bands and frames at once; mn04 gates channels only."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([_Excitation(channels, squeeze)])

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conc_se_layers[0](x)
        return result


class _InvertedResidual(nn.Module):
    def __init__(self, inputs: int, spec: _Block) -> None:
        super().__init__()
        wide, act = spec.expanded, spec.activation
        layers: list[nn.Module] = []
        if wide != inputs:
            layers.append(_convolution(inputs, wide, activation=act))
        layers.append(_convolution(wide, wide, spec.kernel, stride=spec.stride, groups=wide, activation=act))
        if spec.squeeze:
            layers.append(_ChannelExcitation(wide, spec.squeeze))
        layers.append(_convolution(wide, spec.out))
        self.block = nn.Sequential(*layers)
        self.residual = spec.stride == 1 and inputs == spec.out

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.block(x)
        return result + x if self.residual else result


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(1, _STEM, 3, stride=2, activation=nn.Hardswish)]
        inputs = _STEM
        for spec in _BLOCKS:
            layers.append(_InvertedResidual(inputs, spec))
            inputs = spec.out
        layers.append(_convolution(inputs, EMBEDDING, activation=nn.Hardswish))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(EMBEDDING, 512),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(512, CLASSES),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embedding: Tensor = self.classifier[:2](self.features(x))
        return self.classifier[2:](embedding), embedding


def _fold_norms(module: nn.Module) -> None:
    for child in module.modules():
        if isinstance(child, nn.Sequential) and len(child) > 1:
            conv, norm = child[0], child[1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                child[0], child[1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


class _LogMel(nn.Module):
    """Samples (batch, n) to the network's log-mel picture (batch, 1, 128, 1 + (n - 1) // 320)."""

    window: Tensor
    banks: Tensor

    def __init__(self) -> None:
        super().__init__()
        banks, _ = get_mel_banks(_MELS, _FFT, SAMPLE_RATE, _MEL_LOW, _MEL_HIGH, 100.0, -500.0, 1.0)
        self.register_buffer("banks", nn.functional.pad(banks, (0, 1)))  # Kaldi leaves out the Nyquist bin
        self.register_buffer("window", torch.hann_window(_WINDOW, periodic=False))

    def forward(self, samples: Tensor) -> Tensor:
        sharp = samples[:, 1:] - _PRE_EMPHASIS * samples[:, :-1]
        spectrum = torch.stft(
            sharp, _FFT, _HOP, _WINDOW, window=self.window, center=True, return_complex=True
        )
        power = torch.view_as_real(spectrum).square().sum(dim=-1)
        return ((torch.matmul(self.banks, power) + 1e-5).log().unsqueeze(1) + 4.5) / 5.0


def band_hertz() -> npt.NDArray[np.float64]:
    """Centre of each band of the tagger's pictures, Hz, ``(128,)``."""
    banks, _ = get_mel_banks(_MELS, _FFT, SAMPLE_RATE, _MEL_LOW, _MEL_HIGH, 100.0, -500.0, 1.0)
    weights = np.asarray(banks.numpy(), np.float64)
    bins = np.arange(weights.shape[1]) * SAMPLE_RATE / _FFT
    return np.asarray((weights @ bins) / np.maximum(weights.sum(axis=1), 1e-9), np.float64)


def parts(teacher: Teacher | None = None) -> tuple[nn.Module, nn.Module]:
    """Copies of a teacher's front end and trunk (batch, 384, bands, frames), to be trained further.

    Without a teacher: the same modules with weights to be loaded.
    """
    if teacher is not None:
        return copy.deepcopy(teacher._front_end), copy.deepcopy(teacher._network.features).requires_grad_(
            True
        )
    network = _Network().eval()
    _fold_norms(network)
    return _LogMel(), network.features


class Teacher:
    """The tagger, ready to ask: evaluation mode, no gradients, float32, batch norms folded.

    ``labels`` are AudioSet's 527 class names in the order of the logits, or None where YAMNet's class map
    (``yamnet_class_map.csv``), from which they are read, does not lie beside the weights.
    """

    def __init__(self, network: nn.Module, labels: tuple[str, ...] | None = None) -> None:
        self.labels = labels
        self._front_end = _LogMel().eval()
        self._network: Any = network.eval().requires_grad_(False)
        self._device = torch.device("cpu")

    @classmethod
    def load(cls, path: str | Path) -> Teacher:
        """Read ``efficientat_mn04_as.pt``; BundleError where it is missing, damaged or another network."""
        path = Path(path)
        network = _Network()
        try:
            network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
        except OSError as error:
            raise BundleError(
                f"{path}: {error.strerror or error}", hint="give the mn04 state dict"
            ) from error
        except DAMAGED as error:
            raise BundleError(
                f"{path}: not the state dict of EfficientAT mn04", hint="efficientat_mn04_as.pt is"
            ) from error
        network.eval()
        _fold_norms(network)
        return cls(network, read_labels(path.with_name("yamnet_class_map.csv")))

    def to(self, device: str | torch.device) -> Teacher:
        """Move to a device; samples given later are moved there too, and results stay there."""
        self._device = torch.device(device)
        self._front_end.to(self._device)
        self._network.to(self._device)
        return self

    def outputs(self, samples_32k: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, 527) and embedding (batch, 384) of samples (batch, n) in -1..1 at 32 kHz.

        Any n from 1,024 up goes; the network averages over time, so keep n near 2 s where shots matter.
        InputError on another shape. Logits go through a sigmoid (classes do not exclude one another).
        """
        if samples_32k.ndim != 2 or samples_32k.shape[1] < MIN_SAMPLES:
            shape = tuple(samples_32k.shape)
            raise InputError(f"samples_32k must be (batch, n) with n >= {MIN_SAMPLES}, not {shape}")
        with torch.inference_mode():
            picture = self._front_end(samples_32k.to(self._device, torch.float32))
            logits, embedding = self._network(picture)
        return logits, embedding

    def picture(self, samples_32k: Tensor) -> Tensor:
        """The log-mel picture (batch, 1, 128, frames) that the network sees; see ``outputs``."""
        with torch.inference_mode():
            made: Tensor = self._front_end(samples_32k.to(self._device, torch.float32))
        return made

    def classes_of(self, embedding: Tensor) -> Tensor:
        """Class logits (batch, 527) of embeddings, with gradients for them."""
        found: Tensor = self._network.classifier[2:](embedding)
        return found

    def logits(self, samples_32k: Tensor) -> Tensor:
        """Class logits (batch, 527); see ``outputs``."""
        return self.outputs(samples_32k)[0]

    def embedding(self, samples_32k: Tensor) -> Tensor:
        """Last feature map averaged over bands and time (batch, 384); see ``outputs``."""
        return self.outputs(samples_32k)[1]


def read_labels(class_map: Path) -> tuple[str, ...] | None:
    """AudioSet's 527 names from YAMNet's 521 and the six rows YAMNet leaves out; None without the file."""
    if not class_map.is_file():
        return None
    with class_map.open(newline="", encoding="utf-8") as file:
        names = [row["display_name"] for row in csv.DictReader(file)]
    for index, name in sorted(_NOT_IN_YAMNET.items()):
        names.insert(index, name)
    if len(names) != CLASSES:
        raise BundleError(f"{class_map}: {len(names)} names, not {CLASSES}", hint="give YAMNet's class map")
    return tuple(names)
