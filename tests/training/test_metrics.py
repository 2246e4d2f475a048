"""`gcnn.evaluate` against the formulas written out over all samples at once, with samples that are read in parts."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import Maps, Network
from gcnn.data import ArraySamples, Samples
from gcnn.errors import DataError
from gcnn.layers import Activation, Convolution, Dense, Flatten
from gcnn.losses import Loss

RNG = np.random.default_rng(5)
SAMPLES, FEATURES, CLASSES = 23, 4, 3
X = RNG.normal(size=(SAMPLES, FEATURES))
LABELS = RNG.integers(0, CLASSES, SAMPLES)
ONE_HOT = np.eye(CLASSES)[LABELS]
NUMBERS = RNG.normal(size=(SAMPLES, CLASSES))

FORMULAS = {
    "cross_entropy": lambda y, t: -t * np.log(y),
    "binary_cross_entropy": lambda y, t: -t * np.log(y) - (1 - t) * np.log(1 - y),
    "mse": lambda y, t: (t - y) ** 2 / 2,
    "sse": lambda y, t: (t - y) ** 2,
}
OUTPUTS = {"cross_entropy": "softmax", "binary_cross_entropy": "logistic", "mse": "tanh", "sse": "identity"}
TARGETS = {"cross_entropy": LABELS, "binary_cross_entropy": ONE_HOT, "mse": NUMBERS, "sse": NUMBERS}


class Read(ArraySamples):
    """Samples that note how many were read at a time."""

    def __init__(self, x, t):
        super().__init__(x, t)
        self.sizes = []

    def read(self, rows):
        self.sizes.append(len(rows))
        return super().read(rows)


@pytest.fixture
def parts_of(monkeypatch):
    def parts_of(size):
        monkeypatch.setattr(Samples.chunks, "__defaults__", (size,))

    return parts_of


def dense(loss, activation, outputs=CLASSES, batch=4, dtype="float64", **more):
    network = Network([Dense(outputs, activation=activation)], FEATURES, loss, seed=2, **more)
    return network.bind("numpy", dtype=dtype, batch=batch)


def given(outputs):
    """A model whose outputs are its inputs, for samples with chosen outputs."""
    return Network([Activation("identity")], outputs, "mse").bind("numpy", dtype="float64", batch=4)


@pytest.mark.parametrize("reduction", ["mean", "sum", "mean_outputs"])
@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("size", [1, 7, 23, 100])
def test_the_loss_is_the_formula_over_all_samples_however_they_are_read(name, reduction, size, parts_of):
    parts_of(size)
    model, targets = dense(name, OUTPUTS[name], reduction=reduction), TARGETS[name]
    samples = Read(X, targets)
    found = gcnn.evaluate(model, samples)
    terms = FORMULAS[name](model.forward(X), ONE_HOT if name == "cross_entropy" else targets)
    factor = {"sum": 1, "mean": 1 / SAMPLES, "mean_outputs": 1 / (SAMPLES * CLASSES)}[reduction]
    assert found.loss == pytest.approx(terms.sum() * factor, rel=1e-13)
    assert found.loss == pytest.approx(model.loss(X, targets), rel=1e-13)
    assert found.samples == SAMPLES
    assert max(samples.sizes) == min(size, SAMPLES)
    assert {SAMPLES % size or size, 1} >= set(samples.sizes) - {size}, "and a short one is at the end"


def test_weights_of_the_loss_count():
    model = dense(Loss("mse", (1.0, 0.0, 5.0)), "tanh")
    terms = FORMULAS["mse"](model.forward(X), NUMBERS) * [1.0, 0.0, 5.0]
    assert gcnn.evaluate(model, (X, NUMBERS)).loss == pytest.approx(terms.sum() / SAMPLES, rel=1e-13)


@pytest.mark.parametrize("size", [5, 100])
def test_every_count_is_made_sample_by_sample(size, parts_of):
    parts_of(size)
    model = dense("cross_entropy", "softmax")
    found = gcnn.evaluate(model, Read(X, LABELS), top=(1, 2, 3))
    scores = model.forward(X)
    confusion, hits = [[0] * CLASSES for _ in range(CLASSES)], dict.fromkeys((1, 2, 3), 0)
    for label, row in zip(LABELS.tolist(), scores.tolist(), strict=True):
        best_first = sorted(range(CLASSES), key=lambda c, row=row: -row[c])
        confusion[label][best_first[0]] += 1
        for k in hits:
            hits[k] += label in best_first[:k]
    assert found.confusion.tolist() == confusion
    assert found.top == {k: count / SAMPLES for k, count in hits.items()}
    assert found.accuracy == found.top[1] == gcnn.accuracy(model, X, LABELS)
    assert found.top[3] == 1.0
    assert found.top[1] < found.top[2] < 1.0, "or the samples are no test"


def test_the_rows_of_the_confusion_are_the_true_classes():
    outputs = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    found = gcnn.evaluate(given(3), (outputs, np.array([0, 0, 2, 0])))
    assert found.confusion.tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 1]]
    assert found.accuracy == 0.5


@pytest.mark.parametrize(
    ("outputs", "label", "rank"),
    [
        ([1.0, 1.0, 1.0, 1.0], 0, 1),
        ([1.0, 1.0, 1.0, 1.0], 1, 2),
        ([1.0, 1.0, 1.0, 1.0], 3, 4),
        ([0.0, 2.0, 2.0, 1.0], 1, 1),
        ([0.0, 2.0, 2.0, 1.0], 2, 2),
        ([0.0, 0.0, 2.0, -1.0], 0, 2),
        ([0.0, 0.0, 2.0, -1.0], 1, 3),
        ([0.0, -0.0, 0.0, -0.0], 2, 3),
    ],
)
def test_of_equal_outputs_the_lower_index_ranks_first(outputs, label, rank):
    found = gcnn.evaluate(given(4), ([outputs], [label]), top=(1, 2, 3, 4))
    assert [found.top[k] for k in (1, 2, 3, 4)] == [float(rank <= k) for k in (1, 2, 3, 4)]
    assert found.accuracy == found.top[1]
    assert found.confusion[label].sum() == 1


def test_of_many_equal_outputs_the_lower_index_ranks_first_too():
    """Sorts keep the order of a few, and only stable ones that of many."""
    outputs, labels = np.zeros((100, 100)), np.arange(100)
    outputs[:, 1::3] = 1.0
    found = gcnn.evaluate(given(100), (outputs, labels), top=range(1, 101))
    assert [found.top[k] for k in range(1, 101)] == pytest.approx([k / 100 for k in range(1, 101)])
    found = gcnn.evaluate(given(100), (outputs[:1], [97]), top=range(1, 101))
    assert next(k for k in range(1, 101) if found.top[k]) == 33, "the last of the 33 ones"
    found = gcnn.evaluate(given(100), (outputs[:1], [3]), top=range(1, 101))
    assert next(k for k in range(1, 101) if found.top[k]) == 36, "the third of the zeros"


@pytest.mark.parametrize("targets", [(LABELS > 0).astype(int), (LABELS > 0).astype(float)[:, None]])
def test_a_single_output_tells_two_classes_and_its_top_1_is_its_accuracy(targets):
    model = dense("binary_cross_entropy", "logistic", outputs=1)
    found = gcnn.evaluate(model, (X, targets), top=[1])
    truth, said = LABELS > 0, model.forward(X)[:, 0] >= 0.5
    assert found.confusion.tolist() == [[int(((truth == a) & (said == b)).sum()) for b in (0, 1)] for a in (0, 1)]
    assert found.accuracy == found.top[1] == (truth == said).mean()
    assert 0.2 < found.accuracy < 0.8, "or the samples are no test"


def test_an_output_of_one_half_counts_for_class_1():
    model = Network([Activation("logistic")], 1, "binary_cross_entropy").bind("numpy", dtype="float64")
    found = gcnn.evaluate(model, ([[0.0], [-1e-9], [0.0]], [1, 0, 0]), top=[1])
    assert found.confusion.tolist() == [[1, 1], [0, 1]]
    assert found.accuracy == found.top[1] == pytest.approx(2 / 3)


@pytest.mark.parametrize("targets", [LABELS, ONE_HOT, ONE_HOT * 0.8 + 0.1 / CLASSES])
def test_labels_one_hot_rows_and_soft_rows_name_the_same_classes(targets):
    model = dense("cross_entropy", "softmax")
    one, other = (gcnn.evaluate(model, (X, t), top=[2]) for t in (LABELS, targets))
    np.testing.assert_array_equal(one.confusion, other.confusion)
    assert (one.accuracy, one.top) == (other.accuracy, other.top)


@pytest.mark.parametrize("name", ["mse", "sse"])
def test_under_a_loss_of_numbers_only_integer_labels_are_classes(name):
    model = dense(name, "tanh")
    labelled, numbered = gcnn.evaluate(model, (X, LABELS)), gcnn.evaluate(model, (X, ONE_HOT))
    assert labelled.loss == pytest.approx(numbered.loss, rel=1e-13)
    assert labelled.accuracy == (model.forward(X).argmax(axis=1) == LABELS).mean()
    assert (numbered.accuracy, numbered.top, numbered.confusion) == (None, {}, None)


def test_one_output_under_a_loss_of_numbers_has_no_classes_even_for_integers():
    model = dense("mse", "identity", outputs=1)
    found = gcnn.evaluate(model, (X, LABELS))
    assert (found.accuracy, found.confusion) == (None, None)
    assert found.loss == pytest.approx(((model.forward(X)[:, 0] - LABELS) ** 2).mean() / 2, rel=1e-13)


def test_top_k_of_what_is_no_class_is_refused():
    with pytest.raises(DataError, match="needs classes"):
        gcnn.evaluate(dense("mse", "identity"), (X, NUMBERS), top=[1])


@pytest.mark.parametrize("k", [0, -1, 4, 1.0, True, "1", None])
def test_a_k_that_no_output_has_is_refused(k):
    with pytest.raises(DataError, match="1 <= k <= 3"):
        gcnn.evaluate(dense("cross_entropy", "softmax"), (X, LABELS), top=[k])


MAPS = [
    Network([Convolution(2, 2, activation="tanh")], (1, 3, 4), "mse", reduction="mean_outputs"),
    Network([Convolution(2, 2, activation="logistic")], (1, 3, 4), "binary_cross_entropy"),
    Network([Activation("tanh")], Maps([(2, 2), (3, 1)]), "sse", reduction="sum"),
]


@pytest.mark.parametrize("network", MAPS, ids=["squares", "classes", "maps of two sizes"])
def test_outputs_may_be_maps(network, parts_of):
    parts_of(5)
    model = network.bind("numpy", dtype="float64", batch=3)
    x = RNG.normal(size=(11, *network.inputs.shape))
    labels = RNG.integers(0, network.outputs.points, 11)
    t = np.eye(network.outputs.points)[labels].reshape(11, *network.outputs.shape)
    y = model.forward(x)
    by_label, by_map = gcnn.evaluate(model, (x, labels), top=[1, 3]), gcnn.evaluate(model, (x, t))
    terms = FORMULAS[network.loss.name](y, t).sum()
    factor = {"sum": 1, "mean": 1 / 11, "mean_outputs": 1 / t.size}[network.loss.reduction]
    assert by_label.loss == pytest.approx(terms * factor, rel=1e-13)
    assert by_map.loss == pytest.approx(terms * factor, rel=1e-13)
    flat = y.reshape(11, -1)
    assert by_label.accuracy == (flat.argmax(axis=1) == labels).mean()
    assert by_label.top[3] == np.mean([label in np.argsort(-row)[:3] for label, row in zip(labels, flat, strict=True)])
    assert (by_map.accuracy is None) == (network.loss.name != "binary_cross_entropy")


def test_streamed_and_whole_data_give_the_same_evaluation(parts_of):
    parts_of(5)
    model = Network([Flatten(), Dense(3, activation="softmax")], (1, 2, 2)).bind("numpy", batch=4)
    x = X.reshape(SAMPLES, 1, 2, 2).astype("float32")
    streamed, whole = gcnn.evaluate(model, ArraySamples(x, LABELS)), gcnn.evaluate(model, (x, LABELS))
    assert streamed.loss == whole.loss
    np.testing.assert_array_equal(streamed.confusion, whole.confusion)


def test_evaluating_changes_neither_model_nor_data():
    model, x, t = dense("cross_entropy", "softmax"), X.copy(), LABELS.copy()
    before = model.theta
    gcnn.evaluate(model, (x, t), top=[1])
    np.testing.assert_array_equal(model.theta, before)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(t, LABELS)


class Empty(Samples):
    shape = (FEATURES,)

    def __len__(self):
        return 0

    def read(self, rows):
        return np.zeros((len(rows), FEATURES)), np.zeros(len(rows), int)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (Empty(), "data is empty"),
        (ArraySamples(X[:, :2], LABELS), "samples of shape"),
        (ArraySamples(X, NUMBERS[:, :2]), "t has shape"),
        ((X, LABELS, X), "must be a pair"),
        (X, "must be a pair"),
        ((X, LABELS[:-1]), "t has 22"),
        ((X[:0], LABELS[:0]), "is empty"),
    ],
)
def test_samples_that_do_not_fit_are_refused_by_evaluation_and_before_training(data, said):
    model = dense("cross_entropy", "softmax")
    steps = []
    with pytest.raises(DataError, match=said):
        gcnn.evaluate(model, data)
    with pytest.raises(DataError, match=said):
        gcnn.train(model, data, progress=steps.append)
    with pytest.raises(DataError, match=said.replace("data is", "validation is")):
        gcnn.train(model, (X, LABELS), validation=data, progress=steps.append)
    assert steps == []


def test_a_model_for_derivatives_is_neither_trained_nor_evaluated():
    model = dense("cross_entropy", "softmax", dtype="complex128")
    for use in (gcnn.evaluate, gcnn.train):
        with pytest.raises(DataError, match=r"complex128 is for derivatives only.*float32 or float64"):
            use(model, (X, LABELS))
