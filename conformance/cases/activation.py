"""Activations as layers (Hedberg 2015, Eqs. 20, 24-25; delmas, before Eq. 15 and Eqs. 20, 31)."""

from collections.abc import Callable

from gcnn.conformance.case import Case
from gcnn.layers import Activation, Convolution, Dense, Layer, WeightedSubsampling
from gcnn.maps import Maps

NAMES = ("identity", "logistic", "tanh", "scaled_tanh", "soft_logistic", "softsign", "relu", "softplus", "softmax")
LAYERS: tuple[tuple[str, Callable[[str], Layer], Maps], ...] = (
    ("dense", lambda name: Dense(5, activation=name), Maps((2, 3, 2))),
    ("convolution", lambda name: Convolution(2, 2, activation=name), Maps((2, 4, 5))),
    ("weighted-subsampling", lambda name: WeightedSubsampling(2, activation=name), Maps((3, 4, 6))),
)
"""φ belongs to the layer: each with each."""
EQUATIONS = {"identity": ("H20", "H24"), "softmax": ("H25", "D20", "D31")}

CASES = (
    *(
        Case(
            f"activation/{name}",
            (Activation(name),),
            Maps((3, 4, 5)),
            equations=EQUATIONS.get(name, ("H6", "H14")),
            smooth=name != "relu",
        )
        for name in NAMES
    ),
    *(
        Case(
            f"activation/{name}/extreme",
            (Activation(name),),
            Maps((67,)),
            batch=5,
            draw="extreme",
            equations=EQUATIONS.get(name, ("H6",)),
        )
        for name in NAMES
    ),
    *(
        Case(
            f"activation/{name}/wide",
            (Activation(name),),
            Maps((7, 13, 17)),
            draw="wide",
            equations=EQUATIONS.get(name, ("H6",)),
            smooth=False,  # a step of differences is too coarse for slopes that vanish
        )
        for name in NAMES
    ),
    *(
        Case(f"activation/{layer}/{name}", (make(name),), maps, equations=("H6", "H7", "H8"), smooth=name != "relu")
        for name in NAMES
        for layer, make, maps in LAYERS
    ),
    Case(
        "activation/relu/at-zero",
        (Activation("relu"),),
        Maps((3, 4)),
        draw="ties",
        smooth=False,
        equations=("H6",),
    ),
    Case("activation/softmax/one-output", (Activation("softmax"),), Maps((1,)), equations=("H25",)),
    Case(
        "activation/soft-logistic/published",
        (Activation("soft_logistic"),),
        Maps((5,)),
        batch=1,
        given={"x": [[-3, -1, 0, 1, 3]], "v": [[1, 1, 1, 1, 1]]},
        published={"y": [1 / 8, 1 / 4, 1 / 2, 3 / 4, 7 / 8], "dx": [1 / 32, 1 / 8, 1 / 2, 1 / 8, 1 / 32]},
        smooth=False,  # σ'' jumps at 0, which one of the points is
    ),
    Case(
        "activation/softmax/published",
        (Activation("softmax"),),
        Maps((3,)),
        batch=1,
        digits=12,
        equations=("H25", "D20"),
        given={"x": [[1000, 1001, 1002]]},
        published={"y": [0.09003057317038046, 0.24472847105479764, 0.6652409557748218]},
        smooth=False,  # a difference step is lost beside 1000 in float32
    ),
)
