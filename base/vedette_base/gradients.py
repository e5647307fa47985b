"""How a network's output depends on what an inner layer saw, computed by OpenVINO alone.

OpenVINO only runs networks forward, so the chain rule is written out as more operations of the same graph:
from one chosen output back, layer by layer, to the finest feature map that was asked for. Made for networks
that end in a pooled feature map and a linear layer; PyTorch is not needed, the bundle's IR is enough.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette_base.bundle import Bundle
from vedette_base.errors import BundleError, InputError
from vedette_base.telemetry import load_openvino, openvino_core
from vedette_base.weights import constant_value, read_ir

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A feature map of one input.

    Attributes:
        values: shape ``(channels, height, width)``.
        gradient: of the chosen output, same shape.
    """

    values: Array
    gradient: Array


class GradientEngine:
    """A bundle's network with the way back, for one input at a time.

    Args:
        bundle: a checked bundle.
        shape: of one input, ``(channels, height, width)``.
        stride: how many input cells one cell of the finer map may stand for, at most.

    Raises:
        BundleError: the IR is damaged, or does not end in a pooled feature map and a linear layer.
    """

    def __init__(self, bundle: Bundle, shape: tuple[int, int, int], *, stride: int = 4) -> None:
        openvino = load_openvino()
        model = read_ir(bundle.model)
        self._shape = (1, *shape)
        try:
            model.reshape(list(self._shape))
            way = _WayBack(model, shape[2], stride)
            parts = [model.outputs[0].get_node().input_value(0), *way.coarse, *way.fine]
            graph = openvino.Model(
                [openvino.opset13.result(part) for part in parts], [*model.get_parameters(), way.chosen]
            )
            # float32 whatever the card says: gradients are small
            settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
            self._request = openvino_core().compile_model(graph, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise BundleError(f"{bundle.model} cannot be explained: {reason}") from error
        self._outputs = len(bundle.card.labels)

    def run(self, picture: Array, output: int) -> tuple[Array, Layer, Layer]:
        """Outputs ``(labels,)`` for a picture ``(channels, height, width)``, and two feature maps with the
        gradient of output number ``output``: the last one, and the finer one."""
        if picture.shape != self._shape[1:] or not 0 <= output < self._outputs:
            raise InputError(
                f"picture must have shape {self._shape[1:]} and output be within 0..{self._outputs - 1}, "
                f"got {picture.shape} and {output}"
            )
        chosen = np.zeros((1, self._outputs), np.float32)
        chosen[0, output] = 1.0
        found = self._request.infer([np.ascontiguousarray(picture[None], np.float32), chosen])
        values = [np.array(found[i][0], np.float32) for i in range(5)]
        return values[0], Layer(values[1], values[2]), Layer(values[3], values[4])


class _WayBack:
    """The added operations. ``coarse`` and ``fine`` are pairs: a feature map and its gradient."""

    def __init__(self, model: Any, width: int, stride: int) -> None:
        self._op = load_openvino().opset13
        last = model.outputs[0].get_node().input_value(0)
        order = {node.get_friendly_name(): i for i, node in enumerate(model.get_ordered_ops())}
        self.chosen = self._op.parameter(list(last.get_shape()), np.float32, name="chosen")
        waiting: dict[int, list[Any]] = defaultdict(list)
        outputs: dict[int, Any] = {}
        queue: list[int] = []

        def pass_on(output: Any, gradient: Any) -> None:
            number = -order[output.get_node().get_friendly_name()]
            if number not in outputs:
                heapq.heappush(queue, number)
                outputs[number] = output
            waiting[number].append(gradient)

        pass_on(last, self.chosen.output(0))
        maps: list[tuple[Any, Any]] = []
        while queue:
            number = heapq.heappop(queue)
            output, gradient = outputs[number], self._sum(waiting.pop(number))
            shape = tuple(output.get_shape())
            if not queue and len(shape) == 4 and shape[3] > 1:  # all that is heard passes through here
                maps.append((output, gradient))
                if shape[3] * stride >= width:
                    break
            rule = getattr(self, f"_{output.get_node().get_type_name().lower()}", None)
            if rule is None:
                break  # a pooling or the like: the finest map so far has to do
            found: list[tuple[Any, Any]] = rule(output.get_node(), gradient)
            for source, share in found:
                pass_on(source, share)
        if not maps:
            raise BundleError("its network does not end in a pooled feature map and a linear layer")
        self.coarse, self.fine = maps[0], maps[-1]

    def _sum(self, gradients: list[Any]) -> Any:
        total = gradients[0]
        for gradient in gradients[1:]:
            total = self._op.add(total, gradient).output(0)
        return total

    def _add(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        return [(source, gradient) for source in _variable(node)]

    def _multiply(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        one, two = node.input_values()
        pairs = ((one, two), (two, one))
        return [(a, self._times(gradient, b, a)) for a, b in pairs if a in _variable(node)]

    def _times(self, gradient: Any, factor: Any, source: Any) -> Any:
        product = self._op.multiply(gradient, factor).output(0)
        wide = [
            i for i, (a, b) in enumerate(zip(product.get_shape(), source.get_shape(), strict=True)) if a > b
        ]
        return self._op.reduce_sum(product, wide, keep_dims=True).output(0) if wide else product

    def _relu(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        open_ = self._op.convert(self._op.greater(node.output(0), np.float32(0)), "f32")
        return [(node.input_value(0), self._op.multiply(gradient, open_).output(0))]

    def _sigmoid(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        slope = self._op.multiply(node.output(0), self._op.subtract(np.float32(1), node.output(0)))
        return [(node.input_value(0), self._op.multiply(gradient, slope).output(0))]

    def _swish(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        source = node.input_value(0)
        gate = self._op.sigmoid(source)
        # d/dx x s(x) = s + x s (1 - s) = s + y (1 - s)
        rest = self._op.multiply(node.output(0), self._op.subtract(np.float32(1), gate))
        return [(source, self._op.multiply(gradient, self._op.add(gate, rest)).output(0))]

    def _convolution(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        return [(node.input_value(0), self._back(self._op.convolution_backprop_data, node, gradient))]

    def _groupconvolution(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        back = self._op.group_convolution_backprop_data
        return [(node.input_value(0), self._back(back, node, gradient))]

    def _back(self, make: Callable[..., Any], node: Any, gradient: Any) -> Any:
        attributes, weights = node.get_attributes(), self._weights(node)
        settings = {key: list(attributes[key]) for key in ("strides", "pads_begin", "pads_end", "dilations")}
        back = make(gradient, weights, **settings)
        # a stride leaves over what fills no step; given output_shape instead, the padding would be guessed
        wanted, made = list(node.input_value(0).get_shape())[2:], list(back.output(0).get_shape())[2:]
        missing = [a - b for a, b in zip(wanted, made, strict=True)]
        if any(missing):
            back = make(gradient, weights, **settings, output_padding=missing)
        return back.output(0)

    def _weights(self, node: Any) -> Any:
        # computed here: OpenVINO 2026.4 gets the scales of int8 weights wrong on the way back
        return self._op.constant(constant_value(node.input_value(1)))

    def _matmul(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        turned = bool(node.get_attributes()["transpose_b"])
        back = self._op.matmul(gradient, self._weights(node), False, not turned)
        return [(node.input_value(0), back.output(0))]

    def _reshape(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        source = node.input_value(0)
        shape = np.array(list(source.get_shape()), np.int64)
        return [(source, self._op.reshape(gradient, shape, False).output(0))]

    _squeeze = _unsqueeze = _reshape

    def _reducemean(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        source = node.input_value(0)
        shape = np.array(list(source.get_shape()), np.int64)
        axes = set(np.asarray(node.input_value(1).get_node().get_data()).ravel() % shape.size)
        kept = np.array([1 if i in axes else size for i, size in enumerate(shape)], np.int64)
        share = self._op.multiply(
            self._op.reshape(gradient, kept, False), np.float32(kept.prod() / shape.prod())
        )
        return [(source, self._op.broadcast(share, shape).output(0))]

    def _reducemax(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        """To the greatest cell (to all of them, where several are equal)."""
        source = node.input_value(0)
        kept = [1 if i > 1 else int(size) for i, size in enumerate(source.get_shape())]
        best, share = (self._op.reshape(v, np.array(kept), False) for v in (node.output(0), gradient))
        hit = self._op.convert(self._op.equal(source, best), "f32")
        return [(source, self._op.multiply(share, hit).output(0))]

    def _adaptivemaxpool(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        if any(size != 1 for size in list(node.output(0).get_shape())[2:]):
            raise BundleError("its pooling gives more than one cell, which cannot be explained")
        return self._reducemax(node, gradient)

    def _concat(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        axis = int(node.get_attributes()["axis"])
        sizes = [int(value.get_shape()[axis]) for value in node.input_values()]
        parts = self._op.variadic_split(gradient, np.int64(axis), np.array(sizes, np.int64))
        return list(zip(node.input_values(), parts.outputs(), strict=True))

    def _fakequantize(self, node: Any, gradient: Any) -> list[tuple[Any, Any]]:
        return [(node.input_value(0), gradient)]  # straight through: rounding has no slope of its own

    _convert = _fakequantize


def _variable(node: Any) -> list[Any]:
    """Inputs of a node that are no weights."""
    return [value for value in node.input_values() if not _is_weight(value)]


def _is_weight(output: Any) -> bool:
    node = output.get_node()
    values = node.input_values()
    return node.get_type_name() == "Constant" or (bool(values) and all(_is_weight(value) for value in values))
