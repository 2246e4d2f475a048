"""Networks: several layers in one plan, where layouts, fusion and ragged batches can go wrong."""

from typing import Any

from gcnn.conformance.case import Case
from gcnn.layers import (
    LENET5_C3,
    Activation,
    Convolution,
    Dense,
    FeatureMap,
    Flatten,
    Layer,
    MaxPooling,
    RadialBasis,
    VanillaSubsampling,
    WeightedSubsampling,
)
from gcnn.losses import Loss
from gcnn.maps import Maps

CHAIN = ("H1", "H6", "H7", "H8", "H10", "H11", "H12")
CE = Loss("cross_entropy")


def _case(name: str, layers: tuple[Layer, ...], inputs: Maps, batch: int, loss: Loss = CE, **more: Any) -> Case:
    targets = "one_hot" if loss.name == "cross_entropy" else "normal"
    return Case(f"networks/{name}", layers, inputs, "networks", batch, CHAIN, loss, targets=targets, **more)


CASES = (
    _case(
        "mlp",
        (Dense(9, activation="tanh"), Dense(6, activation="logistic"), Dense(4, activation="softmax")),
        Maps((5,)),
        7,
    ),
    _case(
        "lenet",
        (
            Convolution(4, 3, activation="tanh"),
            MaxPooling(2),
            Convolution(6, 3, activation="tanh"),
            MaxPooling(2),
            Dense(12, activation="tanh"),
            Dense(5, activation="softmax"),
        ),
        Maps((1, 14, 14)),
        17,
    ),
    # Few samples and maps of many points: accelerators deal what one kernel sums to several, in several layers at once.
    _case(
        "large-maps",
        (Convolution(3, 5, activation="tanh"), Convolution(2, 5, activation="softsign"), MaxPooling(2), Dense(3)),
        Maps((1, 40, 39)),
        3,
        Loss("mse"),
    ),
    _case(
        "minimal",
        (
            Convolution(24, 3, padding=1, activation="tanh"),
            MaxPooling(2),
            Convolution(28, 3, padding=1, activation="tanh"),
            MaxPooling(2),
            Dense(5, activation="softmax"),
        ),
        Maps((20, 13, 12)),
        3,
    ),
    _case(
        "minimal-rows",
        (
            Convolution(6, 5, activation="tanh"),
            MaxPooling(2),
            Convolution(10, 5, activation="tanh"),
            MaxPooling((2, 3)),
            Dense(5, activation="softmax"),
        ),
        Maps((2, 21, 24)),
        33,
    ),
    _case(
        "sub-sampled",
        (
            Convolution(4, 3, padding=1, activation="tanh"),
            VanillaSubsampling(2),
            Convolution(6, 2, stride=(2, 1), activation="softsign"),
            VanillaSubsampling((1, 2)),
            MaxPooling(2),
            Dense(5, activation="softmax"),
        ),
        Maps((2, 15, 14)),
        5,
    ),
    _case(
        "lenet5",
        (
            Convolution(6, 3, activation="scaled_tanh"),
            WeightedSubsampling(2, activation="scaled_tanh"),
            Convolution(16, 3, table=LENET5_C3, activation="scaled_tanh"),
            WeightedSubsampling(2, activation="scaled_tanh"),
            Dense(10, activation="softmax"),
        ),
        Maps((1, 14, 14)),
        5,
    ),
    _case(
        "every-formula",
        (
            VanillaSubsampling((1, 2)),
            Convolution(3, (2, 3), activation="tanh"),
            WeightedSubsampling(2, table=[[1, 1, 0], [0, 1, 1]], activation="softsign"),
            Convolution(4, 2, stride=2, shared=True, activation="softplus"),
            MaxPooling(2),
            Flatten(),
            Dense(6, activation="soft_logistic"),
            Dense(3, activation="softmax"),
        ),
        Maps((2, 23, 44)),
        3,
    ),
    _case(
        "strided",
        (
            Convolution(5, 3, activation="relu"),
            Convolution(8, 5, stride=3, remainder="error", activation="relu"),
            Dense(10, activation="softmax"),
        ),
        Maps((1, 28, 28)),
        6,
        smooth=False,
    ),
    _case(
        "padded",
        (Convolution(4, 3, padding=1, activation="relu"), Convolution(4, 3, padding=1), Dense(2)),
        Maps((2, 6, 6)),
        9,
        Loss("mse"),
        smooth=False,
    ),
    _case(
        "radial-basis",
        (Dense(4, activation="tanh"), RadialBasis(5, power=2), Dense(2, bias=False)),
        Maps((6,)),
        8,
        Loss("mse"),
    ),
    _case("features", (FeatureMap("monomials"), Dense(2, activation="logistic"), Activation("softmax")), Maps((3,)), 5),
    _case(
        "volumes", (Convolution(2, 2, activation="tanh"), MaxPooling(2), Dense(3)), Maps((1, 5, 6, 7)), 3, Loss("sse")
    ),
    _case(
        "sequences",
        (Convolution(3, 4, stride=2, activation="tanh"), WeightedSubsampling(2), Dense(2)),
        Maps((2, 21)),
        4,
        Loss("mse"),
    ),
    _case(
        "maps-of-differing-sizes",
        (
            Convolution(3, 3, activation="tanh", table=[[1, 1, 0], [0, 1, 1], [1, 0, 1]]),
            MaxPooling(2),
            Dense(3, activation="softmax"),
        ),
        Maps([(7, 8), (9, 6), (6, 6)]),
        4,
    ),
    _case(
        "coordinates",
        (
            Convolution(2, 2, output=Maps([[(0, 0), (1, 1), (2, 3)], (2, 2)]), activation="tanh"),
            Dense(2, activation="softmax"),
        ),
        Maps([[(0, 0), (0, 1), (1, 1), (2, 3)], (3, 3)]),
        4,
    ),
    _case(
        "image-to-image",
        (Convolution(3, 3, padding=1, activation="tanh"), Convolution(1, 3, padding=1)),
        Maps((1, 6, 5)),
        3,
        Loss("mse", reduction="mean_outputs"),
    ),
    _case(
        "one-sample",
        (Convolution(2, 3, activation="tanh"), MaxPooling(2), Dense(3, activation="softmax")),
        Maps((1, 8, 8)),
        1,
    ),
)
