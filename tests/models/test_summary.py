from __future__ import annotations

import re

import pytest

import gcnn
from gcnn import layers
from gcnn.models import MODELS

LONG = gcnn.Network(
    [layers.Convolution(4, (3, 3), stride=(1, 2), padding=(1, 1), remainder="error", activation="soft_logistic")],
    [(9, 9), (7, 7)],
    "mse",
)


@pytest.mark.parametrize("network", [*(make() for make in MODELS.values()), LONG], ids=[*MODELS, "long"])
def test_a_summary_fits_120_columns_and_has_a_line_a_layer(network):
    lines = network.summary().splitlines()
    assert max(map(len, lines)) <= 120
    assert not any(line.endswith(" ") for line in lines)
    numbered = [line.split()[0] for line in lines if line[:1].isdigit()]
    assert numbered == [str(number) for number in range(len(network.layers))]


def test_the_last_row_sums_the_columns():
    lines = MODELS["lenet5-rbf"]().summary().splitlines()
    (total,) = [line for line in lines if "loss mse, mean" in line]
    assert total.split()[3:] == ["60,850", "340,908", "662", "k", "1.75", "M"]


def test_counts_are_shown_to_three_digits():
    def shown(units: int) -> str | None:
        text = gcnn.Network([layers.Dense(units)], 1, "mse").summary()
        found = re.search(r"^0 .* ([\d.]+(?: \w)?) +[\d.]+(?: \w)?$", text, re.MULTILINE)
        return found and found[1]

    assert [shown(n) for n in (1, 499, 500, 4_997, 5_000, 61_728, 499_700, 500_000)] == [
        *("2", "998", "1.00 k", "9.99 k", "10.0 k", "123 k", "999 k", "1.00 M")
    ]


def test_memory_follows_the_batch_and_the_dtype():
    network = MODELS["lenet5"]()
    assert "batches of 64 in float32: 5.13 MiB\n" in network.summary()
    assert "batches of 8 in float64: 2.91 MiB\n" in network.summary(8, "float64")


def test_maps_of_differing_sizes_are_told_by_their_number():
    assert "2 maps, 130 points" in LONG.summary()
