"""The YAML files that ship say what the code does, and a wrong one is refused with a useful line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vedette_base.config import (
    AudioConfig,
    FusionConfig,
    Section,
    SiteConfig,
    VisionConfig,
    dump_config,
    load_config,
    parse_config,
)
from vedette_base.errors import ConfigError

CONFIGS = Path(__file__).parents[1] / "configs"
SHIPPED: list[tuple[str, type[Section]]] = [
    ("audio.yaml", AudioConfig),
    ("vision.yaml", VisionConfig),
    ("fusion.yaml", FusionConfig),
]


@pytest.mark.parametrize(("name", "model"), SHIPPED)
def test_the_shipped_file_names_every_default_of_the_code(name: str, model: type[Section]) -> None:
    written = yaml.safe_load((CONFIGS / name).read_text())
    assert written == model().model_dump(mode="json")


@pytest.mark.parametrize(("name", "model"), SHIPPED)
def test_a_dumped_configuration_reads_back_equal(name: str, model: type[Section]) -> None:
    config = load_config(CONFIGS / name, model)
    assert config == model()
    assert parse_config(dump_config(config), model) == config


def test_the_example_site_can_be_read() -> None:
    assert load_config(CONFIGS / "site.example.yaml", SiteConfig).sources


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("audio.*.yaml")), ids=lambda p: p.name)
def test_other_audio_recipes_can_be_read(path: Path) -> None:
    load_config(path, AudioConfig)


def test_an_empty_file_gives_the_defaults() -> None:
    assert parse_config("", FusionConfig) == FusionConfig()
    assert parse_config("# nothing yet\n", FusionConfig) == FusionConfig()


def refused(text: str, model: type[Section] = AudioConfig) -> tuple[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, model, where="my.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value), caught.value.hint


def test_an_unknown_key_is_named_with_its_file_line_and_nearest_key() -> None:
    message, hint = refused("window: 2.0\ntrain:\n  epoch: 3\n")
    assert message == "my.yaml:3: unknown key 'train.epoch'"
    assert hint == "did you mean 'epochs'?"


def test_an_unknown_key_like_none_lists_the_known_ones() -> None:
    _, hint = refused("sources:\n  - name: a\n    video: v\n    zzzqqq: 1\n", SiteConfig)
    assert hint == "known keys: name, video, audio, audio_offset"


def test_an_unknown_key_is_reported_before_what_follows_from_it() -> None:
    message, hint = refused("sources:\n  - name: a\n    vidio: x\n    audio: 5\n", SiteConfig)
    assert "unknown key 'sources.0.vidio'" in message
    assert "and 1 more" in message
    assert hint == "did you mean 'video'?"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("threshold: 1.5", "threshold must be less than 1, got 1.5"),
        ("window: -1", "window must be greater than 0, got -1"),
        ("window: .nan", "window must be a finite number"),
        ("window: two", 'window must be a valid number, got "two"'),
        ("window: '2.0'", "window must be a valid number"),
        ("train: {epochs: 2.5}", "train.epochs must be a valid integer, got 2.5"),
        ("train: {schedule: linear}", "train.schedule must be 'cosine' or 'constant'"),
        ("train: 5", "train must be"),
        ("window: 1.0\nhop: 2.0", "hop must be at most the window of 1.0 s, got 2.0"),
        ("window: 1.0\nwindow: 2.0", "my.yaml:2: key 'window' is given twice"),
        ("[1, 2]", "must be 'key: value' lines, got list"),
        ("window: [1", "not YAML"),
        ("window: 2020-01-01", "window must be a valid number"),
        ("train: {bf16: 1}", "train.bf16 must be a valid boolean"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_words(text: str, part: str) -> None:
    assert part in refused(text)[0]


def test_exponents_without_a_point_are_numbers() -> None:
    assert parse_config("train: {learning_rate: 1e-4}", AudioConfig).train.learning_rate == 1e-4


def test_whole_numbers_do_for_seconds_and_lists_for_tuples() -> None:
    config = parse_config("window: 3\ntrain:\n  augment: {gain_db: [-6, 0]}", AudioConfig)
    assert config.window == 3.0
    assert config.train.augment.gain_db == (-6.0, 0.0)


def test_levels_that_do_not_rise_are_refused() -> None:
    assert "levels must rise" in refused("levels: {high: 0.2}", FusionConfig)[0]


def test_thresholds_name_known_classes_only() -> None:
    assert "must name" in refused("thresholds: {gun: 0.5}", VisionConfig)[0]


def test_an_input_size_off_the_network_grid_is_refused() -> None:
    assert "multiple of 32" in refused("input_width: 400", VisionConfig)[0]


def test_two_sources_of_one_name_are_refused() -> None:
    text = "sources: [{name: a, video: x}, {name: a, audio: y}]"
    assert "same name" in refused(text, SiteConfig)[0]


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.yaml"
    path.write_bytes(b"\xff\xd8\xff\xe0 picture")
    with pytest.raises(ConfigError, match=r"photo.yaml: not a YAML text file"):
        load_config(path, AudioConfig)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.yaml", AudioConfig)
    with pytest.raises(ConfigError, match="directory"):
        load_config(tmp_path, AudioConfig)


def test_a_configuration_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        AudioConfig().window = 3.0
