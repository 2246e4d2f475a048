"""What every test of bad input asks: an error of our own, that names the value and helps, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest

import gcnn
from gcnn import layers

Refuses = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="session")
def refuses() -> Refuses:
    """`with refuses(DataError, "x has shape", "(samples, 2)"): ...`: exactly that type, all the texts in its message."""

    @contextmanager
    def check(kind: type[gcnn.GcnnError], *texts: str) -> Iterator[None]:
        with pytest.raises(gcnn.GcnnError) as caught:
            yield
        assert type(caught.value) is kind
        message = str(caught.value)
        assert [text for text in texts if text not in message] == [], message

    return check


@pytest.fixture
def network() -> gcnn.Network:
    """Two inputs, three hidden units, two classes."""
    return gcnn.Network([layers.Dense(3, activation="tanh"), layers.Dense(2, activation="softmax")], 2)


@pytest.fixture
def model(network: gcnn.Network) -> Iterator[gcnn.Model]:
    """The network in float64; afterwards it must still have the parameters it began with, and still work."""
    model = network.bind("numpy", dtype="float64", batch=4)
    before = model.theta
    yield model
    np.testing.assert_array_equal(model.theta, before)
    assert np.isfinite(model.forward(np.ones((3, 2)))).all()
