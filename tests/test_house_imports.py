"""The house has three floors and no stair that runs back up (docs/adr/0001-packaging.md)."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import vedette

ROOTS = {
    "vedette": "app",
    "vedette_audio": "audio",
    "vedette_base": "base",
    "vedette_fusion": "fusion",
    "vedette_vision": "vision",
}
MAY_IMPORT = {
    "vedette_base": {"vedette_base"},
    "vedette_audio": {"vedette_audio", "vedette_base"},
    "vedette_vision": {"vedette_vision", "vedette_base"},
    "vedette_fusion": {"vedette_fusion", "vedette_base"},
    "vedette": set(ROOTS),
}
TRAINING_ONLY = {"torch", "torchaudio", "torchvision", "timm", "ultralytics", "nncf", "onnx", "safetensors"}
HEAVY = TRAINING_ONLY | {"librosa", "openvino", "av", "cv2", "sklearn", "sounddevice", "scipy"}
DISTRIBUTION = {
    "cv2": "opencv-python",
    "pydantic_core": "pydantic",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def modules(root: Path) -> dict[str, Path]:
    """Every module of the five roots: dotted name -> file."""
    found = {}
    for package, folder in ROOTS.items():
        for file in (root / folder / package).rglob("*.py"):
            parts = file.relative_to(root / folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(node: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    """Dotted names that one statement or call imports; ``from a import b`` gives both a and a.b."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = module.split(".")
            kept = parts[: len(parts) - node.level + (1 if is_package else 0)]
            base = ".".join([*kept, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in {"import_module", "__import__"} and node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def all_imports(module: str, file: Path) -> set[str]:
    """Everything a module imports anywhere: at the top, in functions, for type checking."""
    tree = ast.parse(file.read_text(encoding="utf-8"), file.name)
    is_package = file.name == "__init__.py"
    return {name for node in ast.walk(tree) for name in imported(node, module, is_package)}


def imports_when_loaded(module: str, file: Path) -> set[str]:
    """What loading a module imports: not what stands in functions or under ``if TYPE_CHECKING``."""
    is_package = file.name == "__init__.py"
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"), file.name)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        found.update(imported(node, module, is_package))
        waiting.extend(ast.iter_child_nodes(node))
    return found


def reached_by(start: str, files: dict[str, Path]) -> dict[str, set[str]]:
    """Our modules that ``import start`` loads, each with what it imports while loading."""
    reached: dict[str, set[str]] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        parents = [name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)]
        for module in {name, *parents} & files.keys() - reached.keys():
            reached[module] = imports_when_loaded(module, files[module])
            waiting.extend(reached[module])
    return reached


def test_imports_go_down_only(root: Path) -> None:
    wrong = [
        f"{module} imports {name}"
        for module, file in modules(root).items()
        for name in sorted(all_imports(module, file))
        if name.split(".")[0] in ROOTS and name.split(".")[0] not in MAY_IMPORT[module.split(".")[0]]
    ]
    assert not wrong, "\n".join(wrong)


def test_an_import_hidden_in_a_function_is_found(tmp_path: Path) -> None:
    file = tmp_path / "hidden.py"
    file.write_text(
        "def f():\n    from vedette_vision import scorer\n    import_module('vedette_fusion.x')\n"
    )
    names = all_imports("vedette_audio.hidden", file)
    assert {"vedette_vision", "vedette_fusion.x"} <= names
    assert not imports_when_loaded("vedette_audio.hidden", file)


@pytest.mark.parametrize("start", ["vedette", "vedette.cli"])
def test_what_starts_quickly_loads_nothing_heavy(root: Path, start: str) -> None:
    wrong = [
        f"{start} reaches {module}, which imports {name} at its top"
        for module, names in reached_by(start, modules(root)).items()
        for name in sorted(names)
        if name.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "start",
    [
        "vedette.api",
        "vedette.pipeline",
        "vedette_audio.scorer",
        "vedette_vision.scorer",
        "vedette_fusion.events",
    ],
)
def test_analysing_footage_needs_no_training_package(root: Path, start: str) -> None:
    files = modules(root)
    assert start in files, f"{start} is part of the design's layout"
    wrong = [
        f"{start} reaches {module}, which imports {name} at its top"
        for module, names in reached_by(start, files).items()
        for name in sorted(names)
        if name.split(".")[0] in TRAINING_ONLY
    ]
    assert not wrong, "\n".join(wrong)


def test_no_public_name_is_hidden_by_a_module_of_the_same_name(root: Path) -> None:
    """Importing ``vedette.fuse`` would put the module where ``vedette.fuse()`` was."""
    public = set(vedette.__all__)
    assert public & {file.stem for file in (root / "app" / "vedette").iterdir()} == set()


def test_every_package_that_is_imported_is_declared(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    declared = {re.split(r"[^\w-]", line)[0].lower() for line in lines}
    wrong = {
        f"{module} imports {top}"
        for module, file in modules(root).items()
        for top in {name.split(".")[0] for name in all_imports(module, file)}
        if top not in sys.stdlib_module_names and top not in ROOTS
        if DISTRIBUTION.get(top, top) not in declared
    }
    assert not wrong, "\n".join(sorted(wrong))


def unpickling(tree: ast.Module) -> Iterator[str]:
    """Every place that could unpickle a file; naming ``pickle.UnpicklingError`` to catch it is none."""
    readers = {"pickle", "joblib", "dill", "shelve"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.ImportFrom | ast.Call):
            place = f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in readers:
            if node.attr != "UnpicklingError":
                yield place
        elif isinstance(node, ast.ImportFrom) and node.module in readers:
            if [alias.name for alias in node.names] != ["UnpicklingError"]:
                yield place
        elif isinstance(node, ast.Call):
            keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
            unsafe = ast.unparse(node.func) == "torch.load" and keywords.get("weights_only") != "True"
            if unsafe or keywords.get("allow_pickle", "False") != "False":
                yield place


def test_nothing_is_unpickled(root: Path) -> None:
    """A model file from a stranger must not be able to run code."""
    wrong = [
        f"{module}, {place}"
        for module, file in modules(root).items()
        for place in unpickling(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle; pickle.load(f)",
        "from joblib import load",
        "np.load(f, allow_pickle=True)",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
    ],
)
def test_unpickling_is_found(line: str) -> None:
    assert list(unpickling(ast.parse(line)))
