from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcnn.data import ArraySamples, Preparation, Samples
from gcnn.errors import DataError, FormatError


def samples_of(x):
    return ArraySamples(x, np.zeros(len(x), np.intp))


def test_the_border_has_the_raw_value_0_and_then_everything_is_scaled():
    prepared = Preparation(1, (2.0, 0.0), (4.0, 1.0))(np.array([[[[6.0]], [[5.0]]]]))
    first = [[-0.5, -0.5, -0.5], [-0.5, 1.0, -0.5], [-0.5, -0.5, -0.5]]
    second = [[0, 0, 0], [0, 5, 0], [0, 0, 0]]
    assert prepared.tolist() == [[first, second]]


def test_a_border_lies_around_every_axis_of_maps_of_any_dimension():
    x = np.ones((2, 3, 4))
    assert Preparation(2)(x).shape == (2, 3, 8)
    assert Preparation(2)(np.ones((2, 1, 2, 3, 4))).shape == (2, 1, 6, 7, 8)
    assert Preparation(2)(x).sum() == x.sum()


def test_features_of_vectors_are_scaled_each_by_its_own_numbers():
    assert Preparation(0, (1, 2), (1, 10))(np.array([[1.0, 12.0], [3.0, 2.0]])).tolist() == [[0, 1], [2, 0]]


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.sampled_from(["float32", "float64"]))
def test_a_raw_zero_inside_and_the_border_become_the_zero_value_to_the_last_bit(mean, deviation, dtype):
    preparation = Preparation(1, (mean,), (deviation,))
    prepared = preparation(np.zeros((1, 1, 2, 2), dtype))
    assert prepared.dtype == dtype
    assert (prepared == np.array(preparation.zero_value, dtype)).all()


def test_without_normalisation_values_dtype_and_zero_stay():
    x = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)
    assert Preparation()(x) is x
    assert Preparation(1)(x).dtype == np.uint8
    assert Preparation(1).zero_value == 0.0


@pytest.mark.parametrize(("given_", "out"), [("float32", "float32"), ("float64", "float64"), ("uint8", "float64")])
def test_floating_point_numbers_keep_their_dtype_and_others_become_float64(given_, out):
    assert Preparation(0, (0.5,), (2.0,))(np.ones((1, 1, 2, 2), given_)).dtype == out


def test_what_is_given_is_not_changed():
    x = np.ones((2, 1, 3, 3))
    Preparation(1, (1.0,), (2.0,))(x)
    assert (x == 1).all()


@pytest.mark.parametrize("shape", [(100, 3, 4, 5), (70, 2, 9), (50, 7)])
def test_fitted_samples_have_mean_0_and_deviation_1_in_every_map_or_feature(shape):
    rng = np.random.default_rng(0)
    wide = (1, -1, *[1] * (len(shape) - 2))
    x = rng.normal(size=shape) * np.arange(1, shape[1] + 1).reshape(wide[1:]) + 5
    prepared = Preparation.fit(samples_of(x), normalise="maps" if len(shape) > 2 else "features")(x)
    axes = (0, *range(2, len(shape)))
    np.testing.assert_allclose(prepared.mean(axis=axes), 0, atol=1e-13)
    np.testing.assert_allclose(prepared.std(axis=axes), 1, rtol=1e-13)


def test_fitting_in_parts_finds_what_all_samples_at_once_have(monkeypatch):
    x = np.random.default_rng(1).random((103, 2, 3, 3), np.float32)
    monkeypatch.setattr("gcnn.data.preparation._VALUES", 10 * 18)
    fitted = Preparation.fit(samples_of(x), normalise="maps")
    # Sums of 927 numbers in float64, in another order.
    np.testing.assert_allclose(fitted.mean, x.mean(axis=(0, 2, 3), dtype=float), rtol=1e-14)
    np.testing.assert_allclose(fitted.deviation, x.std(axis=(0, 2, 3), dtype=float), rtol=1e-14)


def test_fitting_reads_no_more_at_once_than_it_says(monkeypatch):
    class Watched(Samples):
        shape = (1, 4, 4)
        read_at_once = 0

        def __len__(self):
            return 50

        def read(self, rows):
            self.read_at_once = max(self.read_at_once, len(rows))
            return np.ones((len(rows), *self.shape)), np.zeros(len(rows))

    samples = Watched()
    monkeypatch.setattr("gcnn.data.preparation._VALUES", 7 * 16)
    Preparation.fit(samples, normalise="maps")
    assert samples.read_at_once == 7
    monkeypatch.setattr("gcnn.data.preparation._VALUES", 1)
    Preparation.fit(samples, normalise="maps")


def test_large_means_do_not_swallow_small_deviations():
    x = 1e9 + np.random.default_rng(2).integers(0, 2, (4000, 1))
    # A difference of squares of 1e9 would have lost it: they differ by 1e18 times 2**-53.
    np.testing.assert_allclose(Preparation.fit(samples_of(x), normalise="features").deviation, x.std(), rtol=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3])
def test_a_constant_feature_gets_deviation_1_and_becomes_0(value, monkeypatch):
    # In parts of 3, so that the mean is rounded several times.
    monkeypatch.setattr("gcnn.data.preparation._VALUES", 6)
    x = np.column_stack([np.full(10, value), np.arange(10.0)])
    preparation = Preparation.fit(samples_of(x), normalise="features")
    assert preparation.mean[0] == value
    assert preparation.deviation[0] == 1.0
    assert (preparation(x)[:, 0] == 0).all()


def test_the_border_does_not_count_in_what_is_fitted():
    x = np.random.default_rng(3).random((20, 1, 2, 2))
    padded, plain = (Preparation.fit(samples_of(x), pad, "maps") for pad in (3, 0))
    assert (padded.mean, padded.deviation, padded.pad) == (plain.mean, plain.deviation, 3)
    assert Preparation.fit(samples_of(x), pad=3) == Preparation(3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"normalise": "feature"}, "unknown normalisation 'feature'. Did you mean 'features'?"),
        ({"normalise": "features"}, "Give 'maps'"),
        ({"pad": -1}, "pad=-1; expected a number of cells, 0 or more"),
        ({"pad": 1.0}, "pad=1.0; expected"),
        ({"pad": True}, "pad=True; expected"),
    ],
)
def test_fitting_refuses_settings_that_images_have_not(settings, message):
    with pytest.raises(DataError) as caught:
        Preparation.fit(samples_of(np.ones((2, 1, 3, 3))), **settings)
    assert message in str(caught.value)


def test_vectors_have_no_border_and_no_maps():
    vectors = np.ones((4, 3))
    for refuse in (lambda: Preparation.fit(samples_of(vectors), pad=1), lambda: Preparation(1)(vectors)):
        with pytest.raises(DataError, match=r"pad=1 lays a border around images, but a sample has shape \(3,\)"):
            refuse()
    with pytest.raises(DataError, match="Give 'features'"):
        Preparation.fit(samples_of(vectors), normalise="maps")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_not_fitted(bad):
    x = np.ones((5, 2))
    x[3, 1] = bad
    with pytest.raises(DataError, match="not finite"):
        Preparation.fit(samples_of(x), normalise="features")


def test_values_whose_squares_overflow_are_not_fitted():
    with pytest.raises(DataError, match="too far apart"):
        Preparation.fit(samples_of(np.array([[1e300], [-1e300]])), normalise="features")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((2, 3, 4, 4)), "3, 4, 4\\), but there are 2 means; expected 2 maps or features"),
        (np.ones(3), "there are 2 means"),
        (np.ones((2, 2), complex), "expected real numbers"),
        (np.array([["a", "b"]]), "expected real numbers"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x, message):
    with pytest.raises(DataError, match=message):
        Preparation(0, (0.0, 0.0), (1.0, 1.0))(x)


@pytest.mark.parametrize(
    ("mean", "deviation", "message"),
    [
        ((0.0,), (), "1 means and 0 deviations"),
        ((0.0,), (0.0,), "above 0"),
        ((0.0,), (-1.0,), "above 0"),
        ((np.nan,), (1.0,), "mean="),
        ((0.0,), (np.inf,), "deviation="),
        (("0",), (1.0,), "mean="),
        ((True,), (1.0,), "mean="),
    ],
)
def test_numbers_that_no_preparation_can_have_are_refused(mean, deviation, message):
    with pytest.raises(DataError, match=message):
        Preparation(0, mean, deviation)


@given(st.integers(0, 5), st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9)), max_size=4))
def test_json_gives_back_an_equal_preparation(pad, pairs):
    preparation = Preparation(pad, tuple(mean for mean, _ in pairs), tuple(deviation for _, deviation in pairs))
    document = json.loads(json.dumps(preparation.to_json()))
    assert Preparation.from_json(document) == preparation
    assert hash(Preparation.from_json(document)) == hash(preparation)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "is a JSON object, got list"),
        ({"pad": 0, "mean": []}, "'deviation' is missing"),
        ({"pad": 0, "mean": [], "deviation": [], "scale": 1}, "not 'scale'"),
        ({"pad": "0", "mean": [], "deviation": []}, "'pad' must be int, got str"),
        ({"pad": True, "mean": [], "deviation": []}, "'pad' must be int, got bool"),
        ({"pad": -1, "mean": [], "deviation": []}, "no preparation: pad=-1"),
        ({"pad": 0, "mean": 0.5, "deviation": []}, "'mean' must be list, got float"),
        ({"pad": 0, "mean": ["a"], "deviation": [1]}, "no preparation: mean="),
        ({"pad": 0, "mean": [10**400], "deviation": [1]}, "no preparation: mean="),
        ({"pad": 0, "mean": [1], "deviation": [0]}, "no preparation: deviation="),
        ({"pad": 0, "mean": [1], "deviation": []}, "no preparation: there are 1 means"),
    ],
)
def test_json_that_is_no_preparation_is_refused(document, message):
    with pytest.raises(FormatError) as caught:
        Preparation.from_json(document)
    assert message in str(caught.value)


def test_samples_are_prepared_as_they_are_read():
    x = np.random.default_rng(4).random((6, 1, 2, 2), np.float32)
    preparation = Preparation.fit(samples_of(x), pad=1, normalise="maps")
    prepared = samples_of(x).mapped(preparation)
    assert prepared.shape == (1, 4, 4)
    np.testing.assert_array_equal(prepared[2:4][0], preparation(x)[2:4])


def test_a_border_value_beyond_the_dtype_is_infinite_without_a_warning():
    bordered = Preparation(1, (1e300,), (1.0,))(np.zeros((1, 1, 1, 1), np.float32))
    assert np.isneginf(bordered).all()


def test_a_border_beyond_what_a_layer_reads_is_refused_before_it_is_made():
    with pytest.raises(DataError, match="pad=1000000 around a sample of shape"):
        Preparation(10**6)(np.zeros((1, 1, 2, 2), np.float32))
