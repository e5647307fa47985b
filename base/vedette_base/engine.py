"""A model bundle as something to call: OpenVINO by default, PyTorch for CUDA and as the reference.

Both read the same numbers: the bundle's IR is the only copy of the weights, and the torch engine loads them
from there (``ir_weights``). Nothing here imports torch unless it is asked for or an NVIDIA device is there.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from vedette_base.bundle import Bundle, Card
from vedette_base.errors import BundleError, InputError, MissingDependencyError
from vedette_base.telemetry import load_openvino, openvino_core
from vedette_base.weights import ir_weights, read_ir

__all__ = [
    "Backend",
    "Engine",
    "cache_folder",
    "check_outputs",
    "has_cuda",
    "ir_weights",
    "open_engine",
    "processors",
]

Backend = Literal["auto", "openvino", "torch"]
Batch = npt.NDArray[np.float32]


class Engine(Protocol):
    """A network ready to run."""

    @property
    def description(self) -> str:
        """What runs it, for people: ``"OpenVINO 2026.4 int8 on CPU"``."""

    def run(self, batch: Batch) -> tuple[Batch, ...]:
        """Outputs of a float32 batch of shape ``(n, ...)``, any n of at least 1, each ``(n, ...)`` float32.

        Safe to call from several threads, one runs at a time. Raises InputError for a wrong shape.
        """


def open_engine(
    bundle: Bundle,
    *,
    shape: tuple[int, ...] | None = None,
    backend: Backend = "auto",
    network: Callable[[Card], Any] | None = None,
    threads: int | None = None,
) -> Engine:
    """Make a bundle ready to run.

    Args:
        bundle: a checked bundle.
        shape: input shape with the batch first (-1: any); other than the bundle's own only where the network
            takes any size. A batch above 0 is compiled for exactly that many, and others still run.
        backend: ``auto`` takes torch where there is CUDA and ``network`` is given, else OpenVINO.
        network: builds the torch network of a card, its batch norms identity or folded away.
        threads: processor threads; the engine's own choice if not given.

    Raises:
        BundleError: the IR is damaged, or its outputs do not fit the card's labels.
        MissingDependencyError: torch was asked for and is not installed.
    """
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, got {threads}")
    if (second := bundle.second) is not None:
        given: Any = {"shape": shape, "backend": backend, "network": network, "threads": threads}
        first = Bundle(bundle.folder, bundle.card.model_copy(update={"second": None}), bundle.file)
        return BlendedEngine(bundle, open_engine(first, **given), open_engine(second, **given))
    if backend == "auto":
        backend = "torch" if network is not None and has_cuda() else "openvino"
    if backend == "openvino":
        return OpenVinoEngine(bundle, shape=shape, threads=threads)
    if backend == "torch":
        if network is None:
            raise InputError("the torch backend needs network=, which builds the network of a card")
        return TorchEngine(bundle, network, threads=threads)
    raise InputError(f"backend must be auto, openvino or torch, got {backend!r}")


class BlendedEngine:
    """Two networks on one input; each output is the weighted mean of both, as the card's ``second`` says."""

    def __init__(self, bundle: Bundle, first: Engine, second: Engine) -> None:
        assert bundle.card.second is not None
        shares = bundle.card.second.shares
        self._shares = np.array([shares[label] for label in bundle.card.labels], np.float32)
        self._first, self._second = first, second
        self.description = f"{first.description}, with a second opinion"

    def run(self, batch: Batch) -> tuple[Batch, ...]:
        """See ``Engine.run``; one output, ``(n, labels)``."""
        first, second = self._first.run(batch)[0], self._second.run(batch)[0]
        return (first + self._shares * (second - first),)


class OpenVinoEngine:
    """An IR compiled by OpenVINO for the processor; compiled models are kept in the user's cache folder."""

    def __init__(
        self, bundle: Bundle, *, shape: tuple[int, ...] | None = None, threads: int | None = None
    ) -> None:
        model = read_ir(bundle.model)
        openvino = load_openvino()
        core = openvino_core()
        if shape is not None:
            _reshape(model, shape, bundle.folder)
        check_outputs(bundle.card, [_dimensions(out.get_partial_shape()) for out in model.outputs])
        self._input = _dimensions(model.inputs[0].get_partial_shape())
        precision = bundle.card.precision
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if precision == "bf16" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            settings["INFERENCE_PRECISION_HINT"] = "bf16"  # where it is only emulated it is slower than f32
        elif precision == "bf16":
            precision = "fp32"
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        if (cache := cache_folder("openvino")) is not None:
            settings["CACHE_DIR"] = str(cache)
        try:
            self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise BundleError(f"{bundle.model} cannot be compiled: {reason}") from error
        self._lock = threading.Lock()
        version = ".".join(openvino.__version__.split("-")[0].split(".")[:2])
        self.description = f"OpenVINO {version} {precision} on CPU"

    def run(self, batch: Batch) -> tuple[Batch, ...]:
        """See ``Engine.run``."""
        batch = _checked(batch, self._input)
        size = self._input[0]
        with self._lock:
            if size < 1:
                return self._infer(batch)
            parts = [self._infer(_padded(batch[i : i + size], size)) for i in range(0, len(batch), size)]
        return tuple(np.concatenate(outputs)[: len(batch)] for outputs in zip(*parts, strict=True))

    def _infer(self, batch: Batch) -> tuple[Batch, ...]:
        found = self._request.infer({0: batch}, share_inputs=True, share_outputs=True)
        # copied: the request writes its next results over these
        return tuple(np.array(found[i], np.float32) for i in range(len(found)))


class TorchEngine:
    """The network in PyTorch with the bundle's weights, on CUDA where there is one."""

    def __init__(self, bundle: Bundle, network: Callable[[Card], Any], *, threads: int | None = None) -> None:
        try:
            import torch
        except ImportError as error:
            raise MissingDependencyError(
                "the torch backend needs PyTorch, which is not installed",
                hint="pip install 'vedette[train]', or use the OpenVINO backend",
            ) from error
        self._torch = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if threads is not None and self._device.type == "cpu":
            torch.set_num_threads(threads)
        self._network = network(bundle.card).eval()
        load_weights(self._network, bundle)
        self._network.to(self._device)
        self._lock = threading.Lock()
        where = torch.cuda.get_device_name() if self._device.type == "cuda" else "CPU"
        self.description = f"PyTorch {torch.__version__.split('+')[0]} fp32 on {where}"

    def run(self, batch: Batch) -> tuple[Batch, ...]:
        """See ``Engine.run``."""
        batch = _checked(batch, ())
        with self._lock, self._torch.inference_mode():
            found = self._network(self._torch.from_numpy(batch).to(self._device))
        tensors = found if isinstance(found, (tuple, list)) else (found,)
        return tuple(t.float().cpu().numpy() for t in tensors if isinstance(t, self._torch.Tensor))


def load_weights(network: Any, bundle: Bundle) -> None:
    """Put a bundle's weights into a torch network whose batch norms are identity or folded away.

    Raises:
        BundleError: a trainable parameter has no counterpart in the bundle, or one of another shape.
    """
    import torch

    weights = ir_weights(bundle)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            value = weights.get(name)
            if value is None and name.endswith(".bias") and f"{name[:-4]}weight" in weights:
                value = np.zeros(tuple(parameter.shape), np.float32)  # conversion leaves out adding nothing
            if value is None and parameter.requires_grad:
                raise BundleError(
                    f"{bundle.folder}: no weights for {name!r} of {bundle.card.architecture}",
                    hint="is it the right architecture, and were its norms and scales folded before export?",
                )
            if value is None:
                continue  # a constant of the architecture, such as the bins of a distribution
            if tuple(value.shape) != tuple(parameter.shape):
                raise BundleError(
                    f"{bundle.folder}: weights for {name!r} have shape {tuple(value.shape)}, "
                    f"{bundle.card.architecture} wants {tuple(parameter.shape)}"
                )
            parameter.copy_(torch.from_numpy(value))


def check_outputs(card: Card, shapes: Sequence[tuple[int, ...]]) -> None:
    """Refuse a network whose outputs cannot belong to the card's labels (-1: a dimension of any size).

    Sound: the last dimension is one per label. Picture: some dimension is one per label, or that and the four
    sides of a box; lists of finished boxes (six numbers each, the label as a number) always fit.
    """
    wanted = len(card.labels)
    if card.task == "audio":
        fits = bool(shapes) and shapes[0][-1] in (wanted, -1)
    else:
        fits = any(size in (wanted, wanted + 4) for shape in shapes for size in shape[1:])
        fits = fits or any(shape[-1] in (6, -1) for shape in shapes)
    if not fits:
        text = ", ".join("x".join("?" if size < 0 else str(size) for size in shape) for shape in shapes)
        raise BundleError(f"{card.name!r} names {wanted} labels, which its outputs ({text}) do not fit")


def processors() -> int:
    """Processors this process may use; a container often has fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_cuda() -> bool:
    """Whether torch is installed and can use an NVIDIA device. Imports torch only where a device is seen."""
    seen = sys.platform == "win32" or any(Path("/dev").glob("nvidia[0-9]*"))
    if not seen or importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def cache_folder(name: str = "") -> Path | None:
    """Vedette's folder in the user's cache (made if need be), or None where nothing can be written."""
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "vedette" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _dimensions(shape: Any) -> tuple[int, ...]:
    return tuple(d.get_length() if d.is_static else -1 for d in shape)


def _reshape(model: Any, shape: tuple[int, ...], where: Path) -> None:
    own = _dimensions(model.inputs[0].get_partial_shape())
    if own == shape:
        return
    try:
        model.reshape(list(shape))
    except RuntimeError as error:
        raise BundleError(f"{where} takes inputs {own}, which cannot be made {shape}") from error


def _checked(batch: Batch, shape: tuple[int, ...]) -> Batch:
    batch = np.ascontiguousarray(batch, np.float32)
    wanted = shape[1:]
    fits = not shape or (
        batch.ndim == len(shape) and all(w in (-1, g) for w, g in zip(wanted, batch.shape[1:], strict=True))
    )
    if batch.ndim < 2 or len(batch) == 0 or not fits:
        raise InputError(f"batch must have shape (n, {', '.join(map(str, wanted))}), got {batch.shape}")
    return batch


def _padded(batch: Batch, size: int) -> Batch:
    """The batch with its last entry repeated up to ``size``."""
    missing = size - len(batch)
    return batch if missing == 0 else np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
