"""The detector as a PyTorch network with five outputs, started from folded weights (COCO's, or a bundle's).

Any Ultralytics detector, ours with a P2 head, or torchvision's Faster R-CNN; all give boxes in one layout.
Training, export and the torch engine use it; the run-time path with OpenVINO never imports this module.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from ultralytics.nn.modules.block import C2f
from ultralytics.nn.modules.head import Detect
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.tal import dist2bbox

from vedette_base.bundle import load_bundle
from vedette_base.damaged import DAMAGED
from vedette_base.engine import ir_weights
from vedette_base.errors import DataError
from vedette_vision.labels import OUTPUTS, PERSON
from vedette_vision.p2.architecture import is_rcnn, model_yaml
from vedette_vision.p2.start import Taken, all_fit, matched, pass_through, report

COCO_CLASSES = 80
COCO_ROWS: Mapping[str, int] = {"knife": 43, "no_weapon": 67, "person": 0}
"""COCO classes that start a row of ours: knife, cell phone, person. Firearms start from the knife row."""

PERSON_FINDERS = ("yolo11n", "yolo11n-p2", "yolo12n", "yolo12n-p2", "yolo11s", "yolo12s")
"""Networks whose weights may find the people nobody labelled."""

NORM_EPSILON = 1e-3  # what ultralytics sets on every batch norm


def build(architecture: str = "yolo11n.yaml", classes: int = len(OUTPUTS)) -> Any:
    """A detector with ``classes`` outputs whose hidden layers have the shapes of the COCO checkpoint.

    In evaluation mode the first of its outputs has shape ``(n, 4 + classes, anchors)``: centre x, centre y,
    width, height in input pixels, then probabilities. The head is built for 80 classes first: its
    hidden width depends on the class count, and the COCO weights fit only the 80-class width.

    Raises:
        ConfigError: there is no such architecture.
    """
    if is_rcnn(architecture):
        from vedette_vision.rcnn import FasterRCNN

        return FasterRCNN(classes)
    network = DetectionModel(model_yaml(architecture), ch=3, nc=COCO_CLASSES, verbose=False)  # type: ignore[no-untyped-call]
    head = head_of(network)
    if is_one_to_one(head):
        head.__class__ = DenseOneToOne
        head.end2end = True
    if classes != COCO_CLASSES:
        for name in ("cv3", "one2one_cv3"):
            for branch in getattr(head, name, None) or ():
                branch[-1] = nn.Conv2d(branch[-1].in_channels, classes, 1)
        head.nc = classes
        head.no = classes + 4 * head.reg_max
        head.bias_init()
        network.nc = classes  # type: ignore[assignment]
    return network


class DenseOneToOne(Detect):
    """The head of YOLO26, giving every anchor of its one-to-one branch in the layout of the other heads.

    Upstream gives the best 300 as finished rows; here suppression simply finds nothing to do.
    """

    def decode_bboxes(
        self, bboxes: torch.Tensor, anchors: torch.Tensor, angle: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Distances to centre and size."""
        boxes: torch.Tensor = dist2bbox(bboxes, anchors, xywh=True, dim=1)  # type: ignore[no-untyped-call]
        return boxes

    def postprocess(self, preds: torch.Tensor) -> torch.Tensor:
        """All anchors, in the order of dimensions of the other heads."""
        return preds.permute(0, 2, 1)


def is_one_to_one(head: nn.Module) -> bool:
    """Whether a head learns one box per thing, beside the many that teach it."""
    return getattr(head, "one2one_cv2", None) is not None


def head_of(network: nn.Module) -> Any:
    """The detection head of a YOLO: the last layer."""
    layers: Any = network.model
    return layers[-1]


def identity_norms(network: nn.Module, names: Collection[str] | None = None) -> None:
    """Make batch norms (all, or those named) pass their input through plus their bias, as folded ones do."""
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d) and (names is None or name in names):
            module.eps = NORM_EPSILON
            with torch.no_grad():
                module.weight.fill_(1.0)
                module.bias.zero_()
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.zero_()
                module.running_var.fill_(1.0 - NORM_EPSILON)


def is_identity(norm: nn.BatchNorm2d) -> bool:
    """Whether a norm has the form that ``identity_norms`` gives it, whatever its bias."""
    assert norm.running_var is not None
    as_made = (norm.running_var - (1.0 - NORM_EPSILON)).abs().max() < 1e-6
    return bool((norm.weight == 1).all() and as_made)


def load_folded(network: nn.Module, weights: Mapping[str, npt.NDArray[Any]]) -> Taken:
    """Load weights whose norms are folded (``x.conv.weight``, ``x.conv.bias``); their norms become identity.

    Weights of an 80-class checkpoint are mapped onto our outputs by ``COCO_ROWS``. Weights of another member
    of the family give what fits (a P2 model its trunk, its old heads); the rest starts at random.

    Raises:
        DataError: hardly anything fits.
    """
    if not weights:
        return Taken(0, sum(p.numel() for p in network.parameters() if p.requires_grad), ())
    if not isinstance(network, DetectionModel):
        raise DataError("weights do not fit the network: it is no YOLO", hint="set train.weights: none")
    head = head_of(network)
    tensors = {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in weights.items()}
    if classes_of(weights) == COCO_CLASSES and head.nc == len(OUTPUTS):
        last = re.compile(r"model\.\d+\.cv3\.\d+\.2\.(weight|bias)")
        tensors = {name: _our_rows(t) if last.fullmatch(name) else t for name, t in tensors.items()}
    found = matched(network, tensors)
    convolutions = {name.removesuffix(".conv.weight") for name in found if name.endswith(".conv.weight")}
    norms = {f"{name}.bn" for name in convolutions}
    joint = head.i - 7 if len(head.stride) == 4 else None  # where the P2 branch comes back to P3
    joins = joint is not None and f"model.{joint}.cv1.conv.weight" not in found
    block: Any = network.model[joint] if joins else None  # type: ignore[index]
    joins = joins and isinstance(block, C2f)
    if joins:
        norms |= {f"model.{joint}.cv1.bn", f"model.{joint}.cv2.bn"}
    identity_norms(network, norms)
    if joins:
        pass_through(block)
    network.load_state_dict(network.state_dict() | found)
    return report(network, found)


def start_weights(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Folded weights to start from: a ``.npz`` file (no pickle), a bundle folder, a ``.ckpt`` or ``none``.

    Raises:
        DataError: there is no such file. BundleError: the bundle cannot be used.
    """
    if path.name == "none":
        return {}
    if path.is_dir():
        return ir_weights(load_bundle(path))
    if not path.is_file():
        raise DataError(f"no start weights at {path}", hint="train.weights names a folded .npz, or a bundle")
    if path.suffix == ".ckpt":
        from vedette_vision.run_model import load_network

        return {name: tensor.numpy() for name, tensor in folded(load_network(path)).state_dict().items()}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name], np.float32) for name in arrays.files}
    except DAMAGED as error:
        raise DataError(
            f"{path}: holds no start weights", hint="train.weights names a folded .npz, a .ckpt or a bundle"
        ) from error


def classes_of(weights: Mapping[str, npt.NDArray[Any]]) -> int:
    """How many classes the weights of a detector tell apart."""
    last = [name for name in weights if ".cv3.0." in name and name.endswith(".weight")]
    return int(weights[max(last)].shape[0]) if last else 0


def person_finder(weights: Mapping[str, npt.NDArray[Any]], architecture: str) -> tuple[nn.Module, int] | None:
    """The very network that weights are of, and the row of its output that is people; None without weights.

    Args:
        weights: folded.
        architecture: tried first, before the usual ones: start weights may be of a smaller relative.

    Raises:
        DataError: they are of none of these.
    """
    if not weights:
        return None
    coco = classes_of(weights) == COCO_CLASSES
    for name in dict.fromkeys([architecture, *PERSON_FINDERS]):
        if is_rcnn(name):
            continue
        network = build(name, COCO_CLASSES if coco else len(OUTPUTS))
        if all_fit(network, weights):
            load_folded(network, weights)
            return network, 4 + (COCO_ROWS["person"] if coco else PERSON)
    raise DataError("no known network has these weights, to find people with", hint="set train.people")


def _our_rows(coco: torch.Tensor) -> torch.Tensor:
    """The class rows of our outputs, from an 80-class last layer."""
    knife = coco[COCO_ROWS["knife"]]
    return torch.stack([coco[COCO_ROWS[name]] if name in COCO_ROWS else knife for name in OUTPUTS])


@torch.no_grad()
def reinsert_norms(network: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Turn identity norms into real ones without changing the function.

    The mean and variance of every norm's input over ``batches`` become its running statistics, and its scale
    and offset undo them; from there it trains like a network that never lost its norms. Norms of layers that
    start at random just get their statistics.
    """
    sums: dict[str, list[torch.Tensor]] = {}
    hooks = []
    norms = {n: m for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    folded_away = {name for name, norm in norms.items() if is_identity(norm)}
    network.eval()
    for name, norm in norms.items():
        if name not in folded_away:
            norm.train()  # what stands behind it must see it as training will
            continue

        def remember(_: nn.Module, inputs: tuple[torch.Tensor, ...], name: str = name) -> None:
            x = inputs[0].float()
            sums.setdefault(name, []).append(torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))]))

        hooks.append(norm.register_forward_pre_hook(remember))
    momentum = {name: norm.momentum for name, norm in norms.items()}
    for name in norms.keys() - folded_away:
        norms[name].momentum = None  # the plain mean over the batches
        norms[name].reset_running_stats()
    for batch in batches:
        network(batch)
    for hook in hooks:
        hook.remove()
    for name, norm in norms.items():
        norm.momentum = momentum[name]
        norm.eval()
        if name in sums:
            _undo(norm, torch.stack(sums[name]).mean(0))


def _undo(norm: nn.BatchNorm2d, statistics: torch.Tensor) -> None:
    """Give a norm its statistics (mean, mean of squares), and a scale and offset that make up for them."""
    mean, square = statistics
    variance = (square - mean.square()).clamp(min=1e-4)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    offset = norm.bias - norm.running_mean * scale
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(scale * torch.sqrt(variance + norm.eps))
    norm.bias.copy_(offset + mean * scale)


def inference_network(architecture: str) -> DetectionModel:
    """The network as a bundle's weights fit it: norms folded away, decoding its own output.

    It takes ``(n, 3, h, w)`` of any height and width that are multiples of 32, and gives ``(n, 4 + classes,
    anchors)``: centre x, centre y, width, height in input pixels, then probabilities.
    """
    return folded(build(architecture))


def folded(network: DetectionModel) -> DetectionModel:
    """Fold the norms of a network into its convolutions, in place, and let it decode its own output."""
    network.eval().fuse(verbose=False)  # type: ignore[no-untyped-call]
    head = head_of(network)
    head.export = head.dynamic = True
    return network
