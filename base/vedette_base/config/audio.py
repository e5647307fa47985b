"""Settings of sound: how it is listened to, and how its network is trained (DESIGN section 3)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from vedette_base.config.section import Count, Delay, OpenProbability, Probability, Seconds, Section


class AudioAugmentConfig(Section):
    """How often and how strongly a training clip is changed. Chances are per clip."""

    mix: Probability = 0.7
    """Chance that a background is mixed in, at a ratio from ``mix_snr_db``."""
    mix_snr_db: tuple[float, float] = (-5.0, 30.0)
    band_limit: Probability = 0.55
    """Chance of a random low-pass: telephone lines end at 4 kHz, IP cameras at 8 kHz."""
    band_limit_hz: tuple[float, float] = (3400.0, 16000.0)
    gain_db: tuple[float, float] = (-30.0, 6.0)
    clipping: Probability = 0.2
    limiter: Probability = 0.35
    """Chance of a recorder's automatic gain; half as often everything loud is pressed to one level."""
    codec: Probability = 0.2
    reverberation: Probability = 0.35
    distance: Probability = 0.2
    """Chance of air absorption and level of a far shot."""
    spectrogram: Probability = 0.7
    """Chance that random bands and short times of a picture are blanked."""


class AudioTrainConfig(Section):
    """Settings of ``vedette train audio``."""

    architecture: str = "resnet50"
    """Any timm network that takes ``in_chans=1``."""
    pretrained: bool = False
    """Start from timm's ImageNet weights; needs the network or ``weights``."""
    weights: str | None = None
    """Initial weights: a ``.safetensors`` file, or a bundle folder to fine-tune from; or None."""
    seed: int = 0
    epochs: Count = 50
    minutes: float | None = Field(default=None, gt=0.0)
    """Wall-clock budget: the run ends, and the learning rate has fallen, by then. None: all ``epochs``."""
    crops: Count = 1536
    """Scenes drawn per epoch."""
    batch: Count = 16
    learning_rate: float = Field(default=1e-3, gt=0.0, le=1.0)
    weight_decay: float = Field(default=1e-2, ge=0.0, le=1.0)
    warmup_epochs: float = Field(default=1.0, ge=0.0)
    schedule: Literal["cosine", "constant"] = "cosine"
    chunk: Seconds = 2.0
    """Seconds of sound per training example."""
    short_share: Probability = 0.5
    """First share of the run that trains on chunks half as long, which takes half the time per step."""
    shot_share: Probability = 0.5
    """Share of scenes that hold a shot."""
    typed_share: Probability = 0.6
    """Share of those whose firearm is known."""
    synthetic_share: Probability = 0.08
    """Share of those that are made by formula."""
    disturbance_share: Probability = 0.2
    """Share of the scenes without a shot that are synthetic clicks, knocks, metal, music."""
    average: float = Field(default=0.998, ge=0.0, lt=1.0)
    """Decay per step of the running average of weights that is evaluated and exported; 0: none."""
    teacher: str | None = None
    """File of the EfficientAT mn04 state dict to learn from as well, or None."""
    teacher_weight: float = Field(default=1.0, ge=0.0)
    fine_weight: float = Field(default=0.5, ge=0.0)
    """Weight of the helper head that names the fine sound class."""
    type_weight: float = Field(default=0.5, ge=0.0)
    smoothing: float = Field(default=0.02, ge=0.0, lt=0.5)
    """Targets are this far from 0 and 1."""
    evaluate_every: Count = 5
    """Epochs between evaluations on ``val``."""
    save_minutes: float = Field(default=3.0, gt=0.0)
    bf16: bool = True
    """Automatic bfloat16 where the processor has it."""
    merge_twins: bool = True
    """Give recordings that occur under two names (M4 and M16) both targets."""
    augment: AudioAugmentConfig = AudioAugmentConfig()


class AudioConfig(Section):
    """Settings of the sound scorer. Times in seconds."""

    model: str = "audio"
    """Name of a shipped bundle, or a bundle folder."""
    window: Seconds = 2.0
    hop: Seconds = 0.5
    batch: Count = 8
    """Windows per network call for recordings; live sound runs as it comes."""
    threshold: OpenProbability = 0.35
    """Calibrated probability from which a window holds a shot (if an onset is in it, too): twice the share of
    shots in the calibration set."""
    follow_threshold: OpenProbability = 0.2
    """The same for ``follow`` seconds after a shot: who has fired once is likelier to fire again."""
    follow: Delay = 1.0
    refractory: Seconds = 0.045
    """Shortest time between two onsets; an MG-42 fires every 0.05 s."""
    burst_gap: Seconds = 1.0
    """Shots closer than this belong to one burst."""
    silence_dbfs: float = Field(default=-90.0, ge=-200.0, le=-20.0)
    """Sound below this peak level is digital silence: not observed."""
    silence_span: Delay = 0.5
    """How long digital silence lasts before it counts as a gap."""
    train: AudioTrainConfig = AudioTrainConfig()

    @model_validator(mode="after")
    def _windows_leave_no_holes(self) -> AudioConfig:
        if self.follow_threshold > self.threshold:
            raise ValueError(
                f"follow_threshold must be at most threshold {self.threshold}, got {self.follow_threshold}"
            )
        if self.hop > self.window:
            raise ValueError(f"hop must be at most the window of {self.window} s, got {self.hop}")
        return self
