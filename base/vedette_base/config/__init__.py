"""Every YAML file in ``configs/`` as a model, and how such a file is read.

The files in ``configs/`` say the same as the defaults here (tested), so either may be read as the reference.
Loading refuses what it does not know: an unknown key, a wrong type or an impossible value is a
``ConfigError`` that names file, line, key, value and nearest known key.
"""

from __future__ import annotations

from vedette_base.config.audio import AudioAugmentConfig, AudioConfig, AudioTrainConfig
from vedette_base.config.fusion import FusionConfig, LevelConfig, RunConfig, Sensitivity, SensitivityConfig
from vedette_base.config.loading import dump_config, load_config, parse_config
from vedette_base.config.section import Section
from vedette_base.config.site import SiteConfig, SiteSource
from vedette_base.config.vision import (
    CloserLookConfig,
    MotionConfig,
    TilesConfig,
    TrackerConfig,
    VisionConfig,
    VisionTrainConfig,
)
from vedette_base.config.vision_chips import ChipConfig, VerifierConfig
from vedette_base.config.vision_loss import AssignerConfig, LossConfig

__all__ = [
    "AssignerConfig",
    "AudioAugmentConfig",
    "AudioConfig",
    "AudioTrainConfig",
    "ChipConfig",
    "CloserLookConfig",
    "FusionConfig",
    "LevelConfig",
    "LossConfig",
    "MotionConfig",
    "RunConfig",
    "Section",
    "Sensitivity",
    "SensitivityConfig",
    "SiteConfig",
    "SiteSource",
    "TilesConfig",
    "TrackerConfig",
    "VerifierConfig",
    "VisionConfig",
    "VisionTrainConfig",
    "dump_config",
    "load_config",
    "parse_config",
]
