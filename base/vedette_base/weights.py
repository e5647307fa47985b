"""The weights inside a bundle's IR under the names that the torch network gives them.

OpenVINO keeps the module path of every traced operation in its friendly name
(``__module.layer1.0.conv1/aten::_convolution/Convolution``), through fp16 compression, NNCF quantisation and
saving alike, while the constants themselves lose theirs when they are quantised. So the operations are
walked, and each one's constant inputs are computed back to float32. Measured on OpenVINO 2026.4, NNCF 3.4.

What conversion merges loses its name: a batch norm or a scale (``gamma``) that multiplies a layer's output.
Such norms and scales are folded before export (``export.fold_norms``); if they are not, loading the weights
into the torch network refuses the bundle by name, and ``export_bundle(network=...)`` does so at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette_base.bundle import Bundle
from vedette_base.errors import BundleError
from vedette_base.telemetry import openvino_core

Array = npt.NDArray[np.float32]

_WEIGHTED = {
    "Convolution",
    "GroupConvolution",
    "ConvolutionBackpropData",
    "GroupConvolutionBackpropData",
    "MatMul",
}


def ir_weights(bundle: Bundle) -> dict[str, Array]:
    """All weights and biases of a bundle, float32, by torch parameter name (``layer1.0.conv1.weight``).

    Batch norms are folded into the layer before them; quantised weights are computed back.

    Raises:
        BundleError: the IR cannot be read, or holds a constant that is made in an unknown way.
    """
    return weights_of(read_ir(bundle.model))


def read_ir(path: Path) -> Any:
    """The ``openvino.Model`` of an IR or ONNX file. Raises BundleError where it is damaged."""
    try:
        return openvino_core().read_model(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise BundleError(f"{path} is damaged: {reason}", hint="copy or export the bundle again") from error


def weights_of(model: Any) -> dict[str, Array]:
    """As ``ir_weights``, of an ``openvino.Model`` in memory."""
    found: dict[str, Array] = {}
    for node in model.get_ordered_ops():
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind == "Constant" and name.startswith("self."):
            # a bare parameter (no layer of its own), or a weight that was not quantised
            found.setdefault(
                name.removeprefix("self.").removesuffix("_compressed"), constant_value(node.output(0))
            )
        if kind in _WEIGHTED and name.startswith("__module.") and _is_constant(node.input_value(1)):
            module = name.removeprefix("__module.").split("/")[0]
            found[f"{module}.weight"] = _torch_layout(node, constant_value(node.input_value(1)))
            if (bias := _bias(node)) is not None:
                found[f"{module}.bias"] = bias
    return found


def _torch_layout(node: Any, weight: Array) -> Array:
    kind, attributes = node.get_type_name(), node.get_attributes()
    if kind == "MatMul":
        return weight if attributes["transpose_b"] else np.ascontiguousarray(weight.T)
    if kind.startswith("Group"):  # (groups, a / groups, b / groups, ...) -> (a, b / groups, ...)
        return weight.reshape(-1, *weight.shape[2:])
    return weight


def _bias(node: Any) -> Array | None:
    """The constant added right after the layer, shape ``(channels,)``, if there is one."""
    output = node.output(0)
    channels = output.get_partial_shape()[-1 if node.get_type_name() == "MatMul" else 1]
    for target in output.get_target_inputs():
        add = target.get_node()
        other = add.input_value(1 - target.get_index()) if add.get_type_name() == "Add" else None
        if other is not None and _is_constant(other):
            value = constant_value(other).reshape(-1)
            if channels.is_static and value.size == channels.get_length():
                return value
    return None


def _is_constant(output: Any) -> bool:
    node = output.get_node()
    if node.get_type_name() == "Constant":
        return True
    inputs = node.input_values()
    return bool(inputs) and all(_is_constant(value) for value in inputs)


def constant_value(output: Any) -> Array:
    """Value of an output that depends on constants only."""
    node = output.get_node()
    kind = node.get_type_name()
    if kind == "Constant":
        return np.asarray(node.get_data(), np.float32).copy()
    inputs = [constant_value(value) for value in node.input_values()]
    if kind == "Convert":
        return inputs[0]
    if kind == "Multiply":
        return inputs[0] * inputs[1]
    if kind == "Subtract":
        return inputs[0] - inputs[1]
    if kind == "Reshape":
        return inputs[0].reshape(list(output.get_shape()))
    if kind == "Transpose":
        return inputs[0].transpose(inputs[1].astype(int))
    if kind == "FakeQuantize":
        return _fake_quantise(inputs, node.get_attributes()["levels"])
    raise BundleError(f"weights of {node.get_friendly_name()!r} are made by {kind}, which is not known here")


def _fake_quantise(inputs: list[Array], levels: int) -> Array:
    x, low, high, to_low, to_high = inputs
    steps = np.round((np.clip(x, low, high) - low) / (high - low) * (levels - 1))
    return np.asarray(steps / (levels - 1) * (to_high - to_low) + to_low, np.float32)
