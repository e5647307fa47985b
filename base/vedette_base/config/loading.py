"""YAML text to a configuration model, with errors that a person can act on."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vedette_base.config.section import Section
from vedette_base.errors import ConfigError

Model = TypeVar("Model", bound=Section)
Place = tuple[int | str, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads ``1e-3`` as a number (YAML 1.1 calls it text) and leaves dates as text."""


# copied first, so that every other user of SafeLoader keeps its own rules
_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_config(path: str | Path, model: type[Model]) -> Model:
    """Read a YAML file as ``model``. An empty file gives the defaults.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or holds a key, type or value that is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a YAML text file (byte {error.start} is not UTF-8)") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse_config(text, model, where=str(path))


def parse_config(text: str, model: type[Model], *, where: str = "configuration") -> Model:
    """Read YAML text as ``model``; ``where`` names it in errors. Raises ConfigError as ``load_config``."""
    try:
        tree = yaml.compose(text, Loader=_Loader)
        _refuse_twice(tree, where)
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not YAML: {_first_line(error)}") from error
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: must be 'key: value' lines, got {type(data).__name__}")
    try:  # by way of JSON: strict, yet lists may become tuples and 2 may become 2.0
        return model.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        raise _explain(error.errors(include_url=False), model, data, tree, where) from error


def dump_config(config: Section) -> str:
    """YAML text that ``parse_config`` reads back as an equal configuration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)


def _first_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem} (line {mark.line + 1})" if mark else problem


def _refuse_twice(node: yaml.Node | None, where: str) -> None:
    """PyYAML keeps the last of two equal keys without a word; a configuration must not."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                raise ConfigError(f"{where}:{key.start_mark.line + 1}: key {key.value!r} is given twice")
            seen.add(str(key.value))
            _refuse_twice(value, where)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_twice(value, where)


def _explain(
    errors: list[ErrorDetails], model: type[Section], data: Any, tree: yaml.Node | None, where: str
) -> ConfigError:
    """The first error in words; the rest as a count."""
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    place = tuple(first["loc"])
    line = _line(tree, place)
    at = f"{where}:{line}" if line else where
    key = ".".join(str(part) for part in place)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _keys_at(model, place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return ConfigError(f"{at}: unknown key {key!r}{more}", hint=hint)
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    message = message.replace("Input should ", "should ").rstrip(".")
    if first["type"] == "value_error":  # written in these models: it already names the values
        return ConfigError(f"{at}: {key + ': ' if key else ''}{message}{more}")
    if first["type"] == "missing":
        return ConfigError(f"{at}: key {key!r} is missing{more}")
    value = json.dumps(_value(data, place), default=str, ensure_ascii=False)
    shown = value if len(value) <= 60 else value[:57] + "..."
    return ConfigError(f"{at}: {key} must be {message}, got {shown}{more}")


def _value(data: Any, place: Place) -> Any:
    for part in place:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):  # a part that names a choice or type, not a key
            continue
    return data


def _line(node: yaml.Node | None, place: Place) -> int | None:
    """Line of the key at ``place``, from 1, or of the deepest part of it that the file holds."""
    line: int | None = None
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """Known keys of the section at ``place``."""
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            inner = _section_in(model.model_fields[part].annotation)
            model = inner or model
    return list(model.model_fields)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside ``Model``, ``Model | None`` or ``tuple[Model, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_in(part))), None)
