"""Whole networks: mixes of layers, index sets, batches, post-processing (Hedberg 2015, Eqs. 1-12; delmas, 19-33)."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn import Maps
from gcnn.layers import (
    LENET5_C3,
    Activation,
    Convolution,
    Dense,
    FeatureMap,
    Flatten,
    MaxPooling,
    RadialBasis,
    VanillaSubsampling,
    WeightedSubsampling,
)

IMAGES = [
    lambda: Convolution(3, 2, activation="tanh"),
    lambda: Convolution(2, 2, shared=True, activation="soft_logistic"),
    lambda: Convolution(2, 2, stride=2, padding=1, activation="logistic"),
    lambda: WeightedSubsampling(2, activation="scaled_tanh"),
    lambda: MaxPooling(2),
    lambda: VanillaSubsampling(2),
    lambda: Activation("softsign"),
]
LAST = [
    lambda: Dense(3, activation="tanh"),
    lambda: Dense(4, activation="softmax"),
    lambda: RadialBasis(3),
    lambda: RadialBasis(2, power=2),
    lambda: FeatureMap("trigonometric", 1),
    lambda: VanillaSubsampling(3),
    lambda: Activation("softplus"),
]
INPUTS = [(2, 7, 8), (1, 9, 6), (2, 11), (1, 5, 6, 5), Maps([(7, 8), (9, 6)])]


@pytest.mark.row("N1", "N3", "N4", "N21")
@pytest.mark.equations("H1", "H2", "H3", "H4", "H5", "H6", "H7", "H8", "H9", "H10", "H11", "H12", "HT1")
@pytest.mark.equations("H42", "H43", "H44", "H45", "H56", "H57", "H58", "H59", "H82", "H83", "H84", "H85")
@pytest.mark.parametrize("seed", range(24))
def test_gradients_of_a_random_mix_of_three_layers_equal_the_complex_step(seed, check_gradients):
    rng = np.random.default_rng(seed)
    layers = [IMAGES[n]() for n in rng.integers(len(IMAGES), size=2)] + [LAST[rng.integers(len(LAST))]()]
    check_gradients(layers, INPUTS[rng.integers(len(INPUTS))], seed=seed)


@pytest.mark.row("N1")
@pytest.mark.equations("H7", "H8", "H10", "H43", "H57", "H83")
def test_gradients_through_every_kind_of_image_layer_at_once_equal_the_complex_step(check_gradients):
    layers = [
        VanillaSubsampling((1, 2)),
        Convolution(3, (3, 2), activation="tanh"),
        WeightedSubsampling(2, activation="logistic"),
        Convolution(2, 2, stride=2, shared=True, activation="softsign"),
        MaxPooling((2, 1)),
        Dense(3, activation="softmax"),
    ]
    check_gradients(layers, (1, 11, 13), loss="cross_entropy", samples=1)


def random_subset(rng, size, share=0.6):
    cells = [tuple(map(int, cell)) for cell in np.ndindex(size) if rng.random() < share]
    return cells or [(0,) * len(size)]


@pytest.mark.row("N2")
@pytest.mark.equations("H1", "H5", "H8")
@pytest.mark.parametrize("size", [(9,), (5, 6), (3, 3, 3)])
@pytest.mark.parametrize("seed", range(4))
def test_gradients_on_random_coordinate_subsets_equal_the_complex_step(seed, size, check_gradients):
    rng = np.random.default_rng(seed)
    inputs = Maps([random_subset(rng, size), random_subset(rng, size)])
    between = Maps([random_subset(rng, size, 0.4) for _ in range(3)])
    layers = [
        Convolution(3, 2, output=between, activation="tanh"),
        Convolution(2, 2, stride=2, output=Maps([random_subset(rng, size, 0.3), size])),
        Dense(2, activation="tanh"),
    ]
    check_gradients(layers, inputs, seed=seed)


@pytest.mark.row("N2")
@pytest.mark.equations("H1")
@pytest.mark.parametrize(
    "layer", [Convolution(2, 2, stride=(1, 2)), WeightedSubsampling(2), MaxPooling(2), VanillaSubsampling(2)]
)
def test_a_set_of_all_coordinates_in_any_order_gives_the_arrays_result_exactly(layer, bind):
    rng = np.random.default_rng(0)
    cells = list(np.ndindex(4, 6))
    order = rng.permutation(len(cells))
    listed = Maps([[cells[n] for n in order], (4, 6)])
    assert not listed.boxes
    array, points = bind([layer], (2, 4, 6)), bind([layer], listed)
    array.theta = points.theta = rng.standard_normal(array.theta.shape)
    x = rng.standard_normal((3, 2, 4, 6))
    y = array.forward(x)
    x_listed = np.concatenate([x[:, 0].reshape(3, -1)[:, order], x[:, 1].reshape(3, -1)], axis=1)
    np.testing.assert_array_equal(points.forward(x_listed).reshape(y.shape), y)
    v = rng.standard_normal(y.shape)
    (gradient, dx), (gradient_listed, dx_listed) = (
        array.vjp(x, v),
        points.vjp(x_listed, v.reshape(3, *points.network.outputs.shape)),
    )
    np.testing.assert_array_equal(gradient_listed, gradient)
    np.testing.assert_array_equal(dx_listed[:, :24], dx[:, 0].reshape(3, -1)[:, order])


@pytest.mark.row("N4", "N2")
@pytest.mark.equations("H1", "H62", "H86", "H98", "H101")
@pytest.mark.parametrize(
    "first",
    [
        Convolution(2, (3, 2), activation="tanh"),
        Convolution(3, 3, table=np.eye(3), activation="tanh"),
        WeightedSubsampling(2, activation="tanh"),
        MaxPooling(2),
        VanillaSubsampling(2),
        Activation("tanh"),
        RadialBasis(2),
        FeatureMap("monomials", 1),
        Flatten(),
    ],
    ids=str,
)
def test_gradients_over_three_images_of_differing_sizes_equal_the_complex_step(first, check_gradients):
    check_gradients([first, Dense(2)], Maps([(7, 8), (9, 6), (5, 5)]), samples=1)


@pytest.mark.row("N5", "N16")
@pytest.mark.equations("H60", "H87")
def test_lenet_5_has_its_sixty_thousand_parameters(bind):
    """LeCun et al. 1998: C1, S2, C3, S4, C5, F6."""
    layers = [
        Convolution(6, 5),
        WeightedSubsampling(2),
        Convolution(16, 5, table=LENET5_C3),
        WeightedSubsampling(2),
        Convolution(120, 5),
        Dense(84),
    ]
    stages = bind(layers, (1, 32, 32)).network.stages
    counts = [stage.parameters.stop - stage.parameters.start for stage in stages]
    assert counts == [156, 12, 1516, 32, 48120, 10164]
    assert sum(counts) == 60000


@pytest.mark.row("N6")
@pytest.mark.equations("H2", "D19", "D23")
def test_a_batch_gradient_is_the_sum_of_the_gradients_of_its_samples(bind):
    rng = np.random.default_rng(1)
    layers = [Convolution(2, 2, activation="tanh"), MaxPooling(2), Dense(3, activation="softmax")]
    model = bind(layers, (1, 5, 5), loss="cross_entropy", reduction="sum")
    x, t = rng.standard_normal((6, 1, 5, 5)), rng.uniform(0, 1, (6, 3))
    loss, gradient = model.loss_and_gradient(x, t)
    singles = [model.loss_and_gradient(x[s : s + 1], t[s : s + 1]) for s in range(6)]
    assert loss == pytest.approx(sum(one for one, _ in singles), rel=1e-14)
    np.testing.assert_allclose(gradient, sum(one for _, one in singles), rtol=0, atol=1e-14)


@pytest.mark.row("N6")
@pytest.mark.equations("H2", "D19", "D22", "D23")
@pytest.mark.parametrize(("reduction", "divisor"), [("mean", 6), ("mean_outputs", 6 * 3)])
def test_means_are_the_sum_over_the_batch_and_over_its_outputs(reduction, divisor, bind):
    rng = np.random.default_rng(2)
    x, t, theta = rng.standard_normal((6, 4)), rng.standard_normal((6, 3)), rng.standard_normal(15)
    summed, mean = (bind([Dense(3, activation="tanh")], 4, theta, reduction=how) for how in ("sum", reduction))
    for whole, part in zip(summed.loss_and_gradient(x, t), mean.loss_and_gradient(x, t), strict=True):
        np.testing.assert_allclose(part * divisor, whole, rtol=0, atol=2e-14)


@pytest.mark.row("N6")
@pytest.mark.parametrize("reduction", ["sum", "mean", "mean_outputs"])
def test_samples_beyond_the_planned_batch_change_nothing_but_the_order_of_sums(reduction, bind):
    rng = np.random.default_rng(3)
    whole = bind([Dense(3, activation="tanh")], 4, reduction=reduction)
    split = whole.network.bind("numpy", dtype="float64", batch=4)
    x, t = rng.standard_normal((10, 4)), rng.standard_normal((10, 3))
    np.testing.assert_array_equal(split.forward(x), whole.forward(x))
    for one, other in zip(whole.loss_and_gradient(x, t), split.loss_and_gradient(x, t), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=2e-14)


@pytest.mark.row("N21")
@pytest.mark.equations("H6", "H57", "H83")
@pytest.mark.parametrize("loss", ["mse", "sse"])
@pytest.mark.parametrize(
    "last",
    [
        Convolution(2, 2, activation="tanh"),
        Convolution(2, [(1, 2), (2, 1), (2, 2), (1, 1)]),
        WeightedSubsampling(2, activation="logistic"),
        MaxPooling(2),
        VanillaSubsampling(2),
    ],
    ids=str,
)
def test_gradients_with_an_image_as_output_equal_the_complex_step(last, loss, check_gradients):
    check_gradients([Convolution(2, 2, activation="tanh"), last], (1, 6, 5), loss=loss)


ZETA_LOSSES = {
    "mse": lambda v, y: v - y,
    "binary_cross_entropy": lambda v, y: -y / v + (1 - y) / (1 - v),
    "cross_entropy": lambda v, y: -y / v,
}


@pytest.mark.row("N23")
@pytest.mark.equations("D19", "D20", "D22", "D25", "D30", "D31", "D33")
@pytest.mark.parametrize("sigma", ["identity", "logistic", "tanh"])
@pytest.mark.parametrize("loss", ZETA_LOSSES)
def test_softmax_after_an_activated_layer_has_the_deltas_of_equations_30_and_33(loss, sigma, bind, relative_error):
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((1, 3)), rng.uniform(0.1, 0.9, (1, 4))
    layers = [Dense(4, activation=sigma), Activation("softmax")]
    model = bind(layers, 3, rng.standard_normal(16), loss=loss, reduction="mean_outputs")
    z = model.theta[:12].reshape(4, 3) @ x[0] + model.theta[12:]
    p = {"identity": z, "logistic": 1 / (1 + np.exp(-z)), "tanh": np.tanh(z)}[sigma]
    q = {"identity": np.ones(4), "logistic": p * (1 - p), "tanh": 1 - p * p}[sigma]
    zeta = np.exp(p) / np.exp(p).sum()
    slope = ZETA_LOSSES[loss](zeta, y[0])
    jacobian = [[zeta[a] * ((a == b) - zeta[b]) for b in range(4)] for a in range(4)]
    by_30 = np.array([sum(slope[a] * jacobian[a][b] for a in range(4)) * q[b] for b in range(4)]) / 4
    by_33 = zeta / 4 * (slope - (slope * zeta).sum()) * q
    assert np.abs(by_33 - by_30).max() <= 1e-15
    _, gradient = model.loss_and_gradient(x, y)
    assert relative_error(gradient[12:], by_33) < 1e-14
    assert relative_error(gradient[:12].reshape(4, 3), np.outer(by_33, x[0])) < 1e-14


@pytest.mark.row("N23")
@pytest.mark.equations("D22", "D30", "D32")
@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy"])
def test_without_post_processing_the_delta_is_equation_32(loss, bind, relative_error):
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((1, 3)), rng.uniform(0.1, 0.9, (1, 4))
    model = bind([Dense(4, activation="logistic")], 3, rng.standard_normal(16), loss=loss, reduction="mean_outputs")
    p = model.forward(x)[0]
    _, gradient = model.loss_and_gradient(x, y)
    assert relative_error(gradient[12:], ZETA_LOSSES[loss](p, y[0]) * p * (1 - p) / 4) < 1e-14


@pytest.mark.row("N23")
@pytest.mark.equations("D20", "D31", "D33")
@pytest.mark.parametrize("loss", ZETA_LOSSES)
def test_gradients_through_softmax_after_an_activated_layer_equal_the_complex_step(loss, check_gradients):
    check_gradients([Dense(4, activation="logistic"), Activation("softmax")], 3, loss=loss)


@pytest.mark.row("N24")
@pytest.mark.equations("D22")
@pytest.mark.parametrize("loss", ["mse", "sse", "binary_cross_entropy", "cross_entropy"])
def test_equal_weights_of_one_over_the_outputs_reproduce_the_mean_over_outputs(loss, bind):
    rng = np.random.default_rng(6)
    x, t, theta = rng.standard_normal((5, 3)), rng.uniform(0, 1, (5, 4)), rng.standard_normal(16)
    last = [Dense(4, activation="softmax" if loss == "cross_entropy" else "logistic")]
    weighted = bind(last, 3, theta, loss=loss, weights=[1 / 4] * 4)
    mean = bind(last, 3, theta, loss=loss, reduction="mean_outputs")
    for one, other in zip(weighted.loss_and_gradient(x, t), mean.loss_and_gradient(x, t), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-14)


@pytest.mark.row("N24")
@pytest.mark.equations("D22")
def test_a_weighted_loss_is_the_weighted_sum_of_the_losses_of_single_outputs(bind):
    rng = np.random.default_rng(7)
    x, t, theta, weights = rng.standard_normal((5, 3)), rng.standard_normal((5, 2)), rng.standard_normal(8), [0.25, 3]
    both = bind([Dense(2, activation="tanh")], 3, theta, weights=weights)
    singles = [bind([Dense(2, activation="tanh")], 3, theta, weights=only) for only in ([1, 0], [0, 1])]
    assert both.loss(x, t) == pytest.approx(sum(w * one.loss(x, t) for w, one in zip(weights, singles, strict=True)))
    expected = sum(w * one.loss_and_gradient(x, t)[1] for w, one in zip(weights, singles, strict=True))
    np.testing.assert_allclose(both.loss_and_gradient(x, t)[1], expected, rtol=0, atol=2e-14)


@pytest.mark.row("N24")
@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy", "cross_entropy"])
def test_gradients_of_weighted_losses_equal_the_complex_step(loss, check_gradients):
    last = Dense(3, activation="softmax" if loss == "cross_entropy" else "logistic")
    check_gradients([Dense(3, activation="tanh"), last], 2, loss=loss, weights=[0.5, 2, 1.25])
