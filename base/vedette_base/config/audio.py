"""Settings of sound: how it is listened to, and how its network is trained (DESIGN section 3)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from vedette_base.config.section import Count, Delay, OpenProbability, Probability, Seconds, Section


class AudioAugmentConfig(Section):
    """How often and how strongly a training clip is changed. Chances are per clip."""

    mix: Probability = 0.7
    """Chance that a background is mixed in, at a ratio from ``mix_snr_db``."""
    mix_snr_db: tuple[float, float] = (-5.0, 30.0)
    background_swap: Probability = 0.3
    """Chance that a typed shot is laid over the quiet moments of another recording, 3 to 25 dB below it."""
    style_mix: Probability = 0.3
    """Chance per batch that pictures take on part of each other's mean and spread per mel band."""
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


_FRONT_END = {"rate": 48_000, "window": 2048, "hop": 512, "mels": 128, "low": 50.0, "high": 16_000.0}


class AudioFrontEndConfig(Section):
    """From sound to the network's pictures. The run-time front end computes exactly one kind (a test compares
    it with librosa), so each line takes one value and refuses others."""

    rate: int = 48_000
    """Samples per second, mono."""
    window: int = 2048
    """Samples per Fourier transform (Hann)."""
    hop: int = 512
    """Samples from one column of the picture to the next."""
    mels: int = 128
    """Bands, the rows of the picture (Slaney's mel scale)."""
    low: float = 50.0
    """Lower edge of the first band, Hz."""
    high: float = 16_000.0
    """Upper edge of the last band, Hz."""

    @field_validator("*")
    @classmethod
    def _as_at_run_time(cls, value: float, info: ValidationInfo) -> float:
        possible = _FRONT_END[str(info.field_name)]
        if value != possible:
            raise ValueError(
                f"must be {possible:g}, which is all that the run-time front end does, got {value:g}"
            )
        return value


class AudioTrainConfig(Section):
    """Settings of ``vedette train audio``."""

    architecture: str = "resnet50"
    """Any timm network that takes ``in_chans=1``."""
    pooling: Literal["avg", "max", "catavgmax"] = "avg"
    """How the last feature map becomes one vector: mean, greatest, or both side by side."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of that vector that is left out in training."""
    pretrained: bool = False
    """Start from timm's ImageNet weights; needs the network or ``weights``."""
    weights: str | None = None
    """Initial weights: a ``.safetensors`` file, a run or bundle folder to fine-tune from; or None."""
    front_end: AudioFrontEndConfig = AudioFrontEndConfig()
    loss: Literal["bce"] = "bce"
    """Binary cross-entropy per label: labels do not exclude one another."""
    optimizer: Literal["adamw"] = "adamw"
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto``: CUDA where there is one."""
    folds: int = Field(default=0, ge=0, le=100)
    """Number of folds of a cross-validation over ``train`` and ``val`` together; 0: the manifest's split."""
    fold: int | None = Field(default=None, ge=0)
    """The only fold to train, from 0; None: all, one after the other."""
    folds_kind: Literal["grouped", "random"] = "grouped"
    """Whole recordings are held out, or single clips (which leaks, and is for comparison only)."""
    epochs: Count = 50
    minutes: float | None = Field(default=None, gt=0.0)
    """Wall-clock budget: the run ends, and the learning rate has fallen, by then. None: all ``epochs``."""
    crops: Count = 1536
    """Scenes drawn per epoch."""
    batch: Count = 16
    accumulate: Count = 1
    """Batches whose gradients make one step."""
    learning_rate: float = Field(default=1e-3, gt=0.0, le=1.0)
    weight_decay: float = Field(default=1e-2, ge=0.0, le=1.0)
    gradient_clip: float = Field(default=5.0, ge=0.0)
    """Greatest norm of a step's gradient; 0: any."""
    warmup_epochs: float = Field(default=1.0, ge=0.0)
    schedule: Literal["cosine", "constant"] = "cosine"
    chunk: Seconds = 2.0
    """Seconds of sound per training example."""
    inference_chunk: Seconds | None = None
    """Seconds the network hears at once when it is measured and used; None: ``chunk``."""
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
    tutors: tuple[str, ...] = ()
    """Files of ``vedette train tutor``, to learn from them which firearm it is."""
    tutor_weight: float = Field(default=2.0, ge=0.0)
    predecessor: str | None = None
    """Weights as in ``weights``: a network whose ``gunshot`` output is learnt too, so that a continuation
    that is about firearm types does not forget what a shot is."""
    predecessor_weight: float = Field(default=1.0, ge=0.0)
    fine_weight: float = Field(default=0.5, ge=0.0)
    """Weight of the helper head that names the fine sound class."""
    type_weight: float = Field(default=0.5, ge=0.0)
    smoothing: float = Field(default=0.02, ge=0.0, lt=0.5)
    """Targets are this far from 0 and 1."""
    evaluate_every: Count = 5
    """Epochs between evaluations on ``val``."""
    patience: int = Field(default=0, ge=0)
    """Evaluations without a better score after which the run ends; 0: it never ends early."""
    save_minutes: float = Field(default=3.0, gt=0.0)
    bf16: bool = True
    """Mixed precision: automatic bfloat16 where the processor has it."""
    tensorboard: bool = False
    """Also write the log for TensorBoard into the run folder; needs the package ``tensorboard``."""
    merge_twins: bool = True
    """Give recordings that occur under two names (M4 and M16) both targets."""
    augment: AudioAugmentConfig = AudioAugmentConfig()

    @property
    def heard(self) -> float:
        """Seconds the trained network hears at once."""
        return self.inference_chunk or self.chunk

    @model_validator(mode="after")
    def _folds_make_sense(self) -> AudioTrainConfig:
        if self.folds == 1:
            raise ValueError("folds must be 0 (the manifest's own split) or at least 2, got 1")
        if self.fold is not None and self.fold >= self.folds:
            raise ValueError(f"fold must be below folds {self.folds}, got {self.fold}")
        return self


class AudioConfig(Section):
    """Settings of the sound scorer. Times in seconds."""

    model: str = "audio"
    """Name of a shipped bundle, or a bundle folder."""
    window: Seconds = 2.0
    hop: Seconds = 0.5
    batch: Count = 8
    """Windows per network call for recordings; live sound runs as it comes."""
    gate: bool = True
    """Windows in which no impulse is seen get a low score without asking the network, which saves half of the
    work on a street; ``scripts/fit_gate.py`` prints what it loses. Windows other than 2 s are all heard."""
    threshold: OpenProbability = 0.25
    """Calibrated probability from which a window holds a shot (if an onset is in it, too). Of 0.18, 0.21 and
    0.25 it gives the best events on the known mixtures of ``val`` (F1 0.81)."""
    follow_threshold: OpenProbability = 0.15
    """The same for ``follow`` seconds after a shot: who has fired once is likelier to fire again."""
    alone_threshold: OpenProbability = 0.28
    """Probability from which a blast cut out of such a window and heard alone is a shot; lower in proportion
    for ``follow`` seconds after another one."""
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
