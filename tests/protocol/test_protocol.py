from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

import gcnn
from gcnn import layers
from gcnn.backend import Device, Program, Unavailable, find_device, get_backend, quick_check, select
from gcnn.backends.numpy import BACKEND, NumpyBackend
from gcnn.errors import BackendUnavailable, GcnnError, Unsupported
from gcnn.layers import feature_map, radial_basis
from gcnn.optimizers import Adam


class Variant(NumpyBackend):
    """The oracle under another name, claiming what a test says."""

    def __init__(self, name: str = "variant", devices: list[Any] | None = None, **claims: Any) -> None:
        self.name, self._devices, self._claims = name, devices, claims

    @property
    def capabilities(self) -> Any:
        return replace(super().capabilities, **self._claims)

    def devices(self) -> Any:
        return super().devices() if self._devices is None else self._devices


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    monkeypatch.setattr("gcnn.backend._registered", {})
    monkeypatch.delenv("GCNN_BACKEND", raising=False)
    monkeypatch.delenv("GCNN_DEVICE", raising=False)
    return gcnn.register_backend


@pytest.fixture
def entry_point(monkeypatch: pytest.MonkeyPatch, register: Any) -> Callable[[str, str], None]:
    def offer(name: str, value: str) -> None:
        found = [EntryPoint(name, value, "gcnn.backends")]
        monkeypatch.setattr("gcnn.backend.entry_points", lambda group: found if group == "gcnn.backends" else [])

    return offer


def small(activation: str = "logistic") -> gcnn.Network:
    return gcnn.Network([layers.Dense(2, activation=activation)], 2, loss="mse")


def test_a_class_at_an_entry_point_is_instantiated(entry_point: Any) -> None:
    entry_point("numpy", "gcnn.backends.numpy:NumpyBackend")
    assert isinstance(get_backend("numpy"), NumpyBackend)


def test_an_entry_point_under_another_name_is_refused(entry_point: Any) -> None:
    entry_point("fast", "gcnn.backends.numpy:BACKEND")
    with pytest.raises(BackendUnavailable, match=r"'fast'.*calls itself 'numpy'"):
        get_backend("fast")


def test_a_backend_that_does_not_import_says_why(entry_point: Any) -> None:
    entry_point("broken", "gcnn.no_such_module:BACKEND")
    with pytest.raises(BackendUnavailable, match=r"broken.*No module named"):
        get_backend("broken")


def test_a_backend_of_another_protocol_version_is_refused(register: Any) -> None:
    old = Variant()
    old.api_version = 0
    with pytest.raises(BackendUnavailable, match="protocol version 0, this gcnn has 1"):
        register(old)


def test_a_claimed_activation_serves_its_other_name_too() -> None:
    program = Program.of(small("sigmoid"))
    assert Variant(activations=frozenset({"logistic"})).capabilities.missing(program, "float32") == []


def test_a_refusal_names_every_reason_at_once() -> None:
    network = gcnn.Network(
        [layers.Convolution(2, 3, padding=1, activation="tanh"), layers.MaxPooling(2)], (1, 4, 4), "mse"
    )
    modest = Variant(layers=frozenset({"Convolution"}), activations=frozenset({"identity"}), features=frozenset())
    with pytest.raises(Unsupported) as refusal:
        modest.plan(Program.of(network), modest.devices()[0], "float16", 4)
    text = "\n".join(refusal.value.reasons)
    for reason in (
        "dtype float16",
        "layer 0",
        "'tanh'",
        "padding not implemented",
        "layer 1",
        "MaxPooling layers are not",
    ):
        assert reason in text


@pytest.fixture
def own_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's feature map and radial function, both named "own", for one test."""
    monkeypatch.setattr("gcnn.layers.feature_map._FEATURES", dict(feature_map._FEATURES))
    monkeypatch.setattr("gcnn.layers.radial_basis._RADIAL_FUNCTIONS", dict(radial_basis._RADIAL_FUNCTIONS))
    gcnn.register_feature_map("own", lambda inputs: inputs, lambda x: x**3, lambda x, v: 3 * x**2 * v)
    gcnn.register_radial_function("own", lambda s: s * s, lambda s: 2 * s)


@pytest.mark.usefixtures("own_functions")
@pytest.mark.parametrize(
    ("make", "need"),
    [
        (lambda: layers.FeatureMap("monomials"), None),
        (lambda: layers.FeatureMap("own"), "feature functions"),
        (lambda: layers.RadialBasis(2), None),
        (lambda: layers.RadialBasis(2, rho="exp"), None),
        (lambda: layers.RadialBasis(2, rho="own"), "radial functions"),
    ],
    ids=["monomials", "own feature map", "exp", "exp by name", "own radial function"],
)
def test_only_functions_of_the_users_own_need_a_backend_that_calls_them(make: Any, need: str | None) -> None:
    layer = make()
    program = Program.of(gcnn.Network([layer], 2, "mse"))
    without = Variant(features=frozenset()).capabilities.missing(program, "float64")
    assert without == ([] if need is None else [f"layer 0, {layer}: {need} not implemented"])
    assert BACKEND.capabilities.missing(program, "float64") == []


@pytest.mark.parametrize(
    "layer",
    [layers.Convolution(2, 2), layers.MaxPooling(2), layers.VanillaSubsampling(2), layers.WeightedSubsampling(2)],
)
def test_maps_of_more_dimensions_than_claimed_are_refused_where_a_layer_works_along_them(layer: Any) -> None:
    modest = Variant(most_dimensions=3).capabilities
    four, three = (
        Program.of(gcnn.Network([layer, layers.Dense(1)], inputs, "mse")) for inputs in ((1, *[2] * 4), (1, *[2] * 3))
    )
    assert modest.missing(four, "float64") == [
        f"layer 0, {layer}: maps of 4 dimensions, more than 3, are not implemented"
    ]
    assert modest.missing(three, "float64") == []
    assert BACKEND.capabilities.missing(four, "float64") == []


@pytest.mark.parametrize("layer", [layers.Flatten(), layers.Dense(2), layers.RadialBasis(2), layers.Activation("tanh")])
def test_layers_that_read_maps_as_single_values_take_any_number_of_dimensions(layer: Any) -> None:
    program = Program.of(gcnn.Network([layer], (1, *[2] * 5), "mse"))
    assert Variant(most_dimensions=3).capabilities.missing(program, "float64") == []


def test_a_device_without_the_dtype_is_refused_when_planning() -> None:
    device = Device("variant", 0, "single", "cpu", ("float32",))
    with pytest.raises(Unsupported, match="float64 on single, which computes in float32"):
        Variant(devices=[device]).plan(Program.of(small()), device, "float64", 4)


@pytest.mark.parametrize(
    ("claims", "on_host"),
    [
        ({}, []),
        ({"losses": frozenset()}, ["loss"]),
        ({"updates": frozenset()}, ["update"]),
        ({"losses": frozenset({"sse"}), "updates": frozenset({"momentum"})}, ["loss", "update"]),
    ],
    ids=["all claimed", "no loss", "no update", "others"],
)
def test_what_is_not_claimed_runs_on_the_host_with_the_same_result(claims: Any, on_host: list[str]) -> None:
    variant, network = Variant(**claims), small()
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((4, 2)), rng.standard_normal((4, 2))
    thetas = []
    for backend in (BACKEND, variant):
        plan = backend.plan(Program.of(network, Adam(0.1).rule()), backend.devices()[0], "float64", 4)
        plan.theta[...] = network.initial_parameters()
        for _ in range(3):
            plan.step(x, t)
        thetas.append(plan.theta.copy())
    assert plan.report()["on_host"] == on_host
    assert np.array_equal(*thetas)


def test_an_explicit_choice_never_falls_back(register: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    register(Variant("absent", [Unavailable("absent", "card", "no driver", "install the driver")]))
    with pytest.raises(BackendUnavailable, match="no driver; install the driver"):
        small().bind("absent")
    monkeypatch.setenv("GCNN_BACKEND", "absent")
    with pytest.raises(BackendUnavailable, match="no driver"):
        small().bind()


def test_an_argument_wins_over_the_environment(register: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    register(Variant("other"))
    monkeypatch.setenv("GCNN_BACKEND", "other")
    assert small().bind().backend == "other"
    assert small().bind("numpy").backend == "numpy"


def test_auto_passes_over_a_device_that_computes_wrongly(register: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Wrong(Variant):
        def plan(self, *arguments: Any) -> Any:
            plan = super().plan(*arguments)
            forward = plan.forward
            plan.forward = lambda x, out=None: forward(x, out) + 1  # type: ignore[method-assign]
            return plan

    register(Wrong("opencl", [Device("opencl", 0, "miscompiler", "gpu", ("float32",))]))
    with caplog.at_level("INFO", "gcnn"):
        backend, _ = select("auto")
    assert backend.name == "numpy"
    assert "a tiny network gave" in caplog.text
    assert "took numpy" in caplog.text


def test_auto_takes_the_first_of_the_ranking_that_works(register: Any) -> None:
    register(
        Variant(
            "opencl",
            [Device("opencl", 0, "processor", "cpu", ("float32",)), Device("opencl", 1, "card", "gpu", ("float32",))],
        )
    )
    _, device = select("auto")
    assert device.name == "card"


def test_auto_with_a_device_that_nobody_has_says_what_there_is(register: Any) -> None:
    with pytest.raises(BackendUnavailable, match="no device matching 'quantum\\*'"):
        select("auto", "quantum*")


DEVICES = [
    Device("variant", n, name, "cpu", ("float32",)) for n, name in enumerate(("Alpha One", "Beta Two", "Beta Three"))
]


@pytest.mark.parametrize(("asked", "found"), [(None, 0), (1, 1), ("2", 2), ("beta*", 1), ("*three", 2), ("", 0)])
def test_a_device_is_found_by_index_or_glob(asked: Any, found: int) -> None:
    assert find_device(Variant(devices=DEVICES), asked).index == found


@pytest.mark.parametrize("asked", [3, "gamma*", "--1", 1.5, True, "-1"])
def test_a_device_that_is_not_there_is_an_error_that_lists_those_that_are(asked: Any) -> None:
    with pytest.raises(BackendUnavailable):
        find_device(Variant(devices=DEVICES), asked)


def test_the_quick_check_passes_the_oracle_and_reports_an_exception_as_its_reason() -> None:
    assert quick_check(BACKEND, BACKEND.devices()[0]) is None
    unable = Variant(layers=frozenset())
    assert "Dense layers are not implemented" in str(quick_check(unable, unable.devices()[0]))


def test_a_closed_plan_refuses_work_and_closes_again_in_peace() -> None:
    plan = BACKEND.plan(Program.of(small()), BACKEND.devices()[0], "float32", 4)
    plan.close()
    plan.close()
    with pytest.raises(GcnnError, match="closed"):
        plan.forward(np.zeros((1, 2)))


def test_a_second_training_step_on_a_model_retires_the_first() -> None:
    model = small().bind("numpy")
    first = gcnn.training_step(model, Adam())
    gcnn.training_step(model, Adam())
    with pytest.raises(GcnnError, match="another training step"):
        first(np.zeros((1, 2)), np.zeros((1, 2)))
