"""A trained torch network to a bundle: the fastest precision that still gives what the network gave.

Sound and picture share it. Each precision is tried on the very files that would ship: quantised, saved, read
back, run by the engine of run time, and judged by the caller's check on real inputs. What fails is refused,
and where all fail there is no bundle.
"""

from __future__ import annotations

import contextlib
import copy
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vedette_base.bundle import MODEL, WEIGHTS, Bundle, Card, Precision, write_bundle
from vedette_base.engine import Engine, open_engine
from vedette_base.errors import MissingDependencyError, OutputError, ParityError
from vedette_base.probe import TOLERANCES, make_probe, run_probe
from vedette_base.telemetry import load_nncf, load_openvino, openvino_core

Batch = npt.NDArray[np.float32]
Check = Callable[[Engine], Mapping[str, Any]]
"""Runs an exported network on real inputs; returns what it measured, or raises ParityError."""

Ranges = Literal["widest", "mean"]
FASTEST_FIRST: tuple[Precision, ...] = ("int8", "bf16", "fp16", "fp32")


def to_openvino(network: Any, example: Batch, *, free: Sequence[int] = (0,)) -> Any:
    """A torch network in evaluation mode as an ``openvino.Model``.

    Args:
        network: a ``torch.nn.Module``; fold its batch norms first (``fold_norms``).
        example: an input of it, shape ``(n, ...)``.
        free: dimensions of the input that may have any size at run time.
    """
    torch, openvino = _import("torch"), load_openvino()
    shape = [-1 if axis in free else size for axis, size in enumerate(example.shape)]
    given = torch.from_numpy(np.asarray(example, np.float32))
    with _quiet(), torch.no_grad():
        network.eval()(given)  # detectors make their anchors on the first call, which tracing must not see
        return openvino.convert_model(network, example_input=given, input=[shape])


def fold_norms(network: Any) -> Any:
    """A copy of a torch network in evaluation mode, each batch norm folded into the convolution before it.

    Parameter names stay; convolutions gain a ``bias``, norms become identities. For networks that
    ``torch.fx`` can trace (timm's residual ones); Ultralytics networks fold themselves (``network.fuse()``).
    A network factory for ``open_engine`` calls it on the untrained network, so that the bundle's weights find
    their places.
    """
    torch = _import("torch")
    fuse: Any = torch.nn.utils.fusion.fuse_conv_bn_eval
    folded = copy.deepcopy(network).eval()
    modules: dict[Any, Any] = dict(folded.named_modules())
    for node in torch.fx.symbolic_trace(folded).graph.nodes:
        norm = modules.get(node.target) if node.op == "call_module" else None
        if type(norm) not in (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d):
            continue
        before = node.args[0]
        layer = modules.get(before.target) if before.op == "call_module" else None
        if type(layer) in (torch.nn.Conv1d, torch.nn.Conv2d) and len(before.users) == 1:
            folded.set_submodule(before.target, fuse(layer, norm))
            folded.set_submodule(node.target, torch.nn.Identity())
    return folded


def quantise(
    model: Any,
    batches: Sequence[Batch],
    *,
    ranges: Ranges = "widest",
    ignored_patterns: Sequence[str] = (),
    ignored_types: Sequence[str] = (),
) -> Any:
    """An int8 copy of an ``openvino.Model`` (NNCF post-training quantisation).

    Args:
        model: from ``to_openvino``.
        batches: real inputs, each ``(1, ...)``; 100 to 300 of them show the ranges of all layers.
        ranges: how wide the range of each layer is: ``widest`` seen in any input, or the mean over inputs,
            NNCF's own default, which clips whatever is louder or brighter than usual.
        ignored_patterns: regular expressions of operations to leave in floating point.
        ignored_types: kinds of operation to leave (``"Sigmoid"``).
    """
    nncf = load_nncf()
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    estimator = (
        RangeEstimatorParametersSet.MINMAX if ranges == "widest" else RangeEstimatorParametersSet.MEAN_MINMAX
    )
    with _quiet():
        return nncf.quantize(
            model,
            nncf.Dataset(list(batches)),
            subset_size=len(batches),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(
                patterns=list(ignored_patterns), types=list(ignored_types), validate=False
            ),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_range_estimator_params=estimator
            ),
        )


def export_bundle(
    folder: str | Path,
    card: Card,
    model: Any,
    *,
    check: Check,
    calibration: Sequence[Batch],
    network: Callable[[Card], Any] | None = None,
    precisions: Sequence[Precision] = FASTEST_FIRST,
    probe_range: tuple[float, float] = (0.0, 1.0),
    ignored_patterns: Sequence[str] = (),
    ignored_types: Sequence[str] = (),
) -> Bundle:
    """Write the bundle of the first precision that passes.

    Args:
        folder: where the bundle is to be; one already there is replaced only by one that passed.
        card: its card; precision, parity and file hashes are filled in here.
        model: from ``to_openvino``.
        check: compares an exported engine with the network on real inputs; what it returns goes into
            ``card.parity[precision]``, and a ParityError it raises refuses the precision.
        calibration: real inputs for int8, each ``(1, ...)``; the first also gives the probe its shape.
        network: builds the torch network of the card. If given, the bundle's weights must fit it, and torch
            must agree with OpenVINO.
        precisions: what to try, in this order; int8 is tried with both kinds of ``ranges``.
        probe_range: lowest and highest value of the probe's input.
        ignored_patterns, ignored_types: see ``quantise``.

    Raises:
        ParityError: no precision passed; says why of each.
        BundleError: the weights do not fit ``network``.
        OutputError: the folder cannot be written.
    """

    def prepared(ranges: Ranges | None) -> Any:
        if ranges is None:
            return model
        return quantise(
            model, calibration, ranges=ranges, ignored_patterns=ignored_patterns, ignored_types=ignored_types
        )

    refused: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="vedette-export-") as work:
        for precision, ranges in _attempts(precisions):
            name = f"{precision} {ranges}" if ranges else precision
            if precision == "bf16" and not _has_bf16():
                refused[name] = "this processor has no bf16"
                continue
            try:
                trial = _trial(Path(work) / name, card, prepared(ranges), precision)
                engine = open_engine(trial, backend="openvino")
                parity: dict[str, Any] = {
                    precision: dict(check(engine)),
                    "refused": refused,
                    "probe": make_probe(
                        engine, calibration[0].shape, low=probe_range[0], high=probe_range[1]
                    ),
                }
                trial = _with_parity(trial, parity)
                if network is not None:
                    trial = _with_parity(trial, parity | {"torch": check_torch(trial, network)})
            except ParityError as error:
                refused[name] = str(error)
                continue
            return write_bundle(folder, trial.card, {file: trial.folder / file for file in (MODEL, WEIGHTS)})
    reasons = "; ".join(f"{name}: {why}" for name, why in refused.items())
    raise ParityError(f"no precision of {card.name!r} gives what its network gives: {reasons}")


def check_torch(bundle: Bundle, network: Callable[[Card], Any]) -> dict[str, float]:
    """Load the bundle's weights into its torch network and repeat the probe there.

    Raises:
        BundleError: a parameter is missing or of another shape. ParityError: the outputs differ.
    """
    result = run_probe(bundle, open_engine(bundle, backend="torch", network=network))
    if result is None:
        return {}
    # int8 activations are rounded in OpenVINO only, so the bound is wider than between two processors
    tolerance = 2 * TOLERANCES[bundle.card.precision]
    if not result.difference <= tolerance:
        raise ParityError(
            f"torch differs by {result.difference:.3f} of the largest output (over {tolerance})"
        )
    return {"difference": round(result.difference, 6), "tolerance": tolerance}


def save_onnx(
    network: Any, example: Batch, path: str | Path, *, outputs: Sequence[str] = ("output",)
) -> Path:
    """Write a torch network as ONNX with a free batch, and check that it gives the same.

    Raises:
        OutputError: the file cannot be written. ParityError: ONNX and torch differ by over 1 %.
    """
    torch, openvino = _import("torch"), load_openvino()
    path = Path(path)
    given = torch.from_numpy(np.asarray(example, np.float32))
    names = ["input", *outputs]
    with _quiet(), torch.no_grad():
        try:
            torch.onnx.export(
                copy.deepcopy(network).eval(),
                (given,),
                str(path),
                input_names=names[:1],
                output_names=names[1:],
                dynamic_axes={name: {0: "batch"} for name in names},
                dynamo=False,
            )
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
        expected = network.eval()(given)
    first = (expected if isinstance(expected, torch.Tensor) else expected[0]).numpy()
    found = openvino.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(example)[0]
    difference = float(np.abs(found - first).max()) / max(float(np.abs(first).max()), 1e-6)
    if not difference <= 0.01:
        path.unlink()
        raise ParityError(f"ONNX differs from torch by {difference:.3f} of the largest output")
    return path


def _attempts(precisions: Sequence[Precision]) -> Iterator[tuple[Precision, Ranges | None]]:
    for precision in precisions:
        yield precision, "widest" if precision == "int8" else None
        if precision == "int8":  # a rare outlier may make the widest ranges too coarse
            yield precision, "mean"


def _trial(folder: Path, card: Card, model: Any, precision: Precision) -> Bundle:
    """A bundle of ``model`` in a folder that goes away again."""
    folder.mkdir()
    half = precision in ("bf16", "fp16")
    load_openvino().save_model(model, str(folder / MODEL), compress_to_fp16=half)
    files = {name: folder / name for name in (MODEL, WEIGHTS)}
    return write_bundle(folder / "bundle", card.model_copy(update={"precision": precision}), files)


def _with_parity(bundle: Bundle, parity: Mapping[str, Any]) -> Bundle:
    return Bundle(bundle.folder, bundle.card.model_copy(update={"parity": dict(parity)}))


def _has_bf16() -> bool:
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _import(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"exporting needs {name}, which is not installed", hint="pip install 'vedette[train]'"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Tracing warns of shapes that become constants, which the check settles; progress bars go to stderr."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        yield
