"""A bundle runs the same in OpenVINO and PyTorch, whatever its precision, and a damaged one is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.networks import LABELS, Net, trained
from vedette_base import engine as engine_module
from vedette_base.bundle import Bundle, Card, write_bundle
from vedette_base.engine import cache_folder, check_outputs, open_engine
from vedette_base.errors import BundleError, InputError, MissingDependencyError, ParityError
from vedette_base.export import export_bundle, fold_norms, quantise, save_onnx, to_openvino
from vedette_base.probe import run_probe
from vedette_base.telemetry import load_openvino
from vedette_base.weights import ir_weights, weights_of

SHAPE = (1, 1, 32, 48)


def factory(card: Card) -> Any:
    assert card.architecture == "net"
    torch.manual_seed(99)  # other weights: only the bundle's may count
    return fold_norms(Net())


CARD = Card(
    name="net", task="audio", version="1", architecture="net", labels=LABELS, licence="AGPL-3.0-or-later"
)
NOISE = np.random.default_rng(0).random((24, *SHAPE), dtype=np.float32)
LOUDNESS = np.linspace(0.1, 3.0, len(NOISE), dtype=np.float32)  # noise of one level would give one score
BATCHES = [loud * noise for loud, noise in zip(LOUDNESS, NOISE, strict=True)]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of its own, so that no test reads what another run compiled."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return trained()


@pytest.fixture(scope="module")
def expected(net: nn.Module) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(net(torch.from_numpy(np.concatenate(BATCHES))).numpy())


@pytest.fixture(scope="module")
def model(net: nn.Module) -> Any:
    return to_openvino(net, BATCHES[0])


def export(folder: Path, model: Any, expected: Any, precisions: Any, limit: float = 0.01) -> Bundle:
    def check(engine: Any) -> dict[str, float]:
        difference = float(np.abs(engine.run(np.concatenate(BATCHES))[0] - expected).max())
        if difference > limit:
            raise ParityError(f"scores differ by {difference:.4f}")
        return {"difference": difference}

    return export_bundle(
        folder, CARD, model, check=check, calibration=BATCHES, network=factory, precisions=precisions
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, model: Any, expected: Any) -> Bundle:
    return export(tmp_path_factory.mktemp("fp32") / "net", model, expected, ("fp32",), 1e-4)


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory, model: Any, expected: Any) -> Bundle:
    return export(tmp_path_factory.mktemp("int8") / "net", model, expected, ("int8",))


def test_an_export_gives_what_its_network_gave(bundle: Bundle, expected: Any) -> None:
    engine = open_engine(bundle, backend="openvino", threads=1)
    (found,) = engine.run(np.concatenate(BATCHES))
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-5)
    assert engine.description.startswith("OpenVINO 20")
    assert engine.description.endswith("fp32 on CPU")
    assert bundle.card.parity["fp32"]["difference"] < 1e-4


def test_torch_reads_the_same_weights(bundle: Bundle, expected: Any) -> None:
    engine = open_engine(bundle, backend="torch", network=factory)
    assert engine.run(np.concatenate(BATCHES))[0] == pytest.approx(expected, abs=1e-5)
    assert engine.description.startswith("PyTorch")


def test_ir_weights_are_the_networks_own(bundle: Bundle, net: nn.Module) -> None:
    weights = ir_weights(bundle)
    state = {name: value.numpy() for name, value in net.state_dict().items()}
    assert set(weights) == set(state)
    for name, value in state.items():
        assert weights[name].shape == value.shape, name
        assert weights[name] == pytest.approx(value, abs=1e-6), name


def test_quantised_weights_come_back_under_their_names(int8: Bundle, net: nn.Module) -> None:
    assert int8.card.precision == "int8"
    assert b'element_type="i8"' in int8.model.read_bytes()  # it really is quantised
    weights = ir_weights(int8)
    for name, parameter in net.named_parameters():
        value = parameter.detach().numpy()
        assert weights[name].shape == value.shape, name
        if name.endswith("weight"):  # biases are corrected by the quantiser, weights only rounded
            assert weights[name] == pytest.approx(value, abs=float(np.abs(value).max()) / 100), name


def test_int8_and_torch_agree(int8: Bundle, expected: Any) -> None:
    batch = np.concatenate(BATCHES)
    openvino = open_engine(int8, backend="openvino").run(batch)[0]
    reference = open_engine(int8, backend="torch", network=factory).run(batch)[0]
    assert openvino == pytest.approx(expected, abs=0.01)
    assert reference == pytest.approx(openvino, abs=0.01)


def test_half_precision_weights_come_back_too(
    tmp_path: Path, model: Any, expected: Any, net: nn.Module
) -> None:
    half = export(tmp_path / "net", model, expected, ("fp16",))
    weights = ir_weights(half)
    for name, parameter in net.named_parameters():
        assert weights[name] == pytest.approx(parameter.detach().numpy(), abs=2e-3), name


def test_bf16_is_shipped_only_where_it_could_be_tried(tmp_path: Path, model: Any, expected: Any) -> None:
    capabilities = load_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" in capabilities:
        made = export(tmp_path / "net", model, expected, ("bf16",), limit=0.02)
        assert open_engine(made, backend="openvino").description.endswith("bf16 on CPU")
    else:
        with pytest.raises(ParityError, match="this processor has no bf16"):
            export(tmp_path / "net", model, expected, ("bf16",), limit=0.02)


def test_a_layer_that_adds_nothing_loads_as_zero(tmp_path: Path, net: nn.Module, expected: Any) -> None:
    silent = trained()
    with torch.no_grad():
        silent.get_parameter("head.bias").zero_()
        wanted = silent(torch.from_numpy(BATCHES[0])).numpy()
    model = to_openvino(silent, BATCHES[0])
    assert "head.bias" not in weights_of(model) or not weights_of(model)["head.bias"].any()
    made = export_bundle(
        tmp_path / "net", CARD, model, check=lambda e: {}, calibration=BATCHES, precisions=("fp32",)
    )
    found = open_engine(made, backend="torch", network=factory).run(BATCHES[0])[0]
    assert found == pytest.approx(wanted, abs=1e-5)


def test_a_network_whose_norms_were_not_folded_is_refused_at_export(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = Net().eval()
    nn.init.uniform_(whole.norm.weight, 0.5, 1.5)
    with pytest.raises(BundleError, match=r"no weights for 'stem\.weight'") as caught:
        export(tmp_path / "net", to_openvino(whole, BATCHES[0]), 0.5, ("fp32",), limit=1.0)
    assert "folded before export" in caught.value.hint
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize("shape", [None, (-1, 1, 32, 48), (1, 1, 32, 48), (4, 1, 32, 48)])
@pytest.mark.parametrize("n", [1, 4, 6])
def test_any_number_may_be_run_at_once(
    bundle: Bundle, expected: Any, shape: tuple[int, ...] | None, n: int
) -> None:
    engine = open_engine(bundle, shape=shape, backend="openvino")
    assert engine.run(np.concatenate(BATCHES[:n]))[0] == pytest.approx(expected[:n], abs=1e-5)


def test_a_result_is_not_written_over_by_the_next(bundle: Bundle) -> None:
    engine = open_engine(bundle, backend="openvino")
    first = engine.run(BATCHES[0])[0]
    kept = first.copy()
    engine.run(BATCHES[1])
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("wrong", [(1, 1, 32, 47), (1, 32, 48), (0, 1, 32, 48), (1, 3, 32, 48)])
def test_a_batch_of_another_shape_is_refused(bundle: Bundle, wrong: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"batch must have shape \(n, 1, 32, 48\)"):
        open_engine(bundle, backend="openvino").run(np.zeros(wrong, np.float32))


def test_an_input_size_the_network_cannot_take_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="cannot be made"):
        open_engine(bundle, shape=(1, 3, 32, 48), backend="openvino")


def test_damaged_weights_are_refused_even_if_vouched_for(bundle: Bundle, tmp_path: Path) -> None:
    files = {name: (bundle.folder / name).read_bytes() for name in bundle.card.files}
    cut = write_bundle(tmp_path / "cut", bundle.card, files | {"model.bin": files["model.bin"][:100]})
    with pytest.raises(BundleError, match=r"damaged|compiled"):
        open_engine(cut, backend="openvino")
    torn = write_bundle(tmp_path / "torn", bundle.card, files | {"model.xml": files["model.xml"][:500]})
    with pytest.raises(BundleError, match=r"model\.xml is damaged") as caught:
        open_engine(torn, backend="openvino")
    assert "\n" not in str(caught.value)


def test_labels_that_do_not_fit_the_outputs_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    files = {name: bundle.folder / name for name in bundle.card.files}
    wrong = write_bundle(tmp_path / "net", bundle.card.model_copy(update={"labels": ("bang", "boom")}), files)
    with pytest.raises(BundleError, match=r"names 2 labels, which its outputs \(\?x3\) do not fit"):
        open_engine(wrong, backend="openvino")


@pytest.mark.parametrize(
    ("shapes", "fits"),
    [
        ([(-1, 7, 3549)], True),
        ([(-1, 3549, 7)], True),
        ([(-1, 300, 6)], True),
        ([(-1, 4, 900), (-1, 3, 900)], True),
        ([(-1, 9, 3549)], False),
        ([(-1, 80)], False),
    ],
)
def test_outputs_of_detectors_fit_in_several_layouts(shapes: list[tuple[int, ...]], fits: bool) -> None:
    card = CARD.model_copy(update={"task": "vision"})
    if fits:
        check_outputs(card, shapes)
    else:
        with pytest.raises(BundleError):
            check_outputs(card, shapes)


def test_a_network_of_another_shape_is_refused_by_name(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"weights for 'stem\.weight' have shape \(8, 1, 3, 3\)"):
        open_engine(bundle, backend="torch", network=lambda card: fold_norms(Net(16)))

    class Longer(Net):
        def __init__(self) -> None:
            super().__init__()
            self.extra = nn.Linear(3, 3)

    with pytest.raises(BundleError, match=r"no weights for 'extra\.weight' of net"):
        open_engine(bundle, backend="torch", network=lambda card: fold_norms(Longer()))


def test_torch_without_torch_says_how_to_get_it(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # Python's own way to say "not importable"
    with pytest.raises(MissingDependencyError) as caught:
        open_engine(bundle, backend="torch", network=factory)
    assert "pip install 'vedette[train]'" in caught.value.hint


def test_openvino_never_imports_torch(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "has_cuda", lambda: False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "OpenVINO" in open_engine(bundle, network=factory).description


def test_wrong_arguments_are_refused(bundle: Bundle) -> None:
    with pytest.raises(InputError, match="backend must be"):
        open_engine(bundle, backend="tensorflow")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="needs network="):
        open_engine(bundle, backend="torch")
    with pytest.raises(InputError, match="threads must be at least 1, got 0"):
        open_engine(bundle, threads=0)


def test_the_compiled_model_is_kept_in_the_users_cache(bundle: Bundle, cache: Path) -> None:
    open_engine(bundle, backend="openvino")
    assert list((cache / "vedette" / "openvino").glob("*.blob"))


def test_without_a_writable_cache_it_still_runs(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder("openvino") is None
    open_engine(bundle, backend="openvino").run(BATCHES[0])


def test_the_probe_passes_where_it_was_made_and_in_torch(bundle: Bundle, int8: Bundle) -> None:
    for made in (bundle, int8):
        result = run_probe(made, open_engine(made, backend="openvino"))
        assert result is not None
        assert result.passed
        assert result.difference < 1e-4
        assert made.card.parity["torch"]["difference"] <= made.card.parity["torch"]["tolerance"]


def test_the_probe_fails_for_other_weights(bundle: Bundle, tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = to_openvino(fold_norms(Net()), BATCHES[0])
    made = export_bundle(
        tmp_path / "net", CARD, other, check=lambda e: {}, calibration=BATCHES, precisions=("fp32",)
    )
    liar = Bundle(made.folder, bundle.card)
    result = run_probe(liar, open_engine(made, backend="openvino"))
    assert result is not None
    assert not result.passed


def test_a_malformed_probe_is_refused_and_none_is_none(bundle: Bundle) -> None:
    engine = open_engine(bundle, backend="openvino")
    probe = bundle.card.parity["probe"]
    for wrong in ({"shape": SHAPE}, probe | {"shape": "x"}, probe | {"outputs": [[0.1]]}):
        card = bundle.card.model_copy(update={"parity": {"probe": wrong}})
        with pytest.raises(BundleError, match="probe"):
            run_probe(Bundle(bundle.folder, card), engine)
    assert run_probe(Bundle(bundle.folder, bundle.card.model_copy(update={"parity": {}})), engine) is None


def test_the_fastest_precision_that_passes_is_shipped(tmp_path: Path, model: Any, expected: Any) -> None:
    made = export(tmp_path / "net", model, expected, ("int8", "fp16", "fp32"), limit=2e-4)
    assert made.card.precision in ("fp16", "fp32")
    assert "scores differ" in made.card.parity["refused"]["int8 widest"]


def test_an_export_that_passes_in_no_precision_is_refused(tmp_path: Path, model: Any, expected: Any) -> None:
    with pytest.raises(ParityError, match=r"no precision of 'net'.*fp16: scores differ.*fp32: scores differ"):
        export(tmp_path / "net", model, expected + 1, ("fp16", "fp32"))
    assert not (tmp_path / "net").exists()


def test_layers_may_be_left_out_of_quantisation(model: Any) -> None:
    def quantised_points(patterns: tuple[str, ...]) -> int:
        ops = quantise(model, BATCHES[:4], ignored_patterns=patterns).get_ops()
        return sum(op.get_type_name() == "FakeQuantize" for op in ops)

    assert 0 < quantised_points((".*blocks.*",)) < quantised_points(())


def test_the_loudest_input_is_not_clipped_by_quantisation(model: Any, expected: Any) -> None:
    openvino = load_openvino()

    def error(ranges: Any) -> float:
        compiled = openvino.compile_model(
            quantise(model, BATCHES, ranges=ranges), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
        return float(np.abs(compiled(BATCHES[-1])[0] - expected[-1:]).max())

    assert error("widest") < 0.005 < error("mean")


def test_onnx_gives_the_same(tmp_path: Path, net: nn.Module, expected: Any) -> None:
    openvino = load_openvino()
    path = save_onnx(net, BATCHES[0], tmp_path / "net.onnx")
    found = openvino.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(
        np.concatenate(BATCHES)
    )[0]
    assert found == pytest.approx(expected, abs=1e-4)


def test_models_that_come_and_go_leave_ctrl_c_harmless(tmp_path: Path) -> None:
    """With a core per model the second of two to go left a freed stack for signals: Ctrl-C was a crash."""
    program = """
import os, signal
from vedette_base.bundle import load_bundle
from vedette_base.engine import open_engine
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
engines = [open_engine(load_bundle(name)) for name in ("vision", "audio")]
while engines:
    engines.pop(0)
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("stopped")
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "stopped\n")
