"""Update rules (Hedberg 2015, Eqs. 118-121; delmas, Eqs. 2-4, 8, 11)."""

import numpy as np

from gcnn.conformance.case import Case
from gcnn.layers import Convolution, Dense
from gcnn.losses import Loss
from gcnn.maps import Maps
from gcnn.optimizers import Adam, GradientDescent, Momentum, Optimizer

RULES: tuple[tuple[str, Optimizer, tuple[str, ...], tuple[float, float]], ...] = (
    # θ after three steps on ½ (q1² + 10 q2²) from (1, 1).
    ("gradient-descent", GradientDescent(0.05), ("H118", "D2", "D8", "D12"), (0.857375, 0.125)),
    ("momentum", Momentum(0.05, 0.9), ("H120", "H121"), (0.731375, -0.73)),
    ("adam", Adam(0.1), ("D11",), (0.701586274504, 0.701586271699)),
)
_CENTRE = np.linspace(-0.5, 0.5, 4 * 3 + 3)
_MASK = np.arange(4 * 3 + 3) < 4 * 3
PENALISED = (
    ("gradient-descent", GradientDescent(0.1, l2=0.3)),
    ("gradient-descent/centre-and-mask", GradientDescent(0.1, l2=0.3, l2_centre=_CENTRE, l2_mask=_MASK)),
    ("momentum/centre", Momentum(0.1, 0.8, l2=0.2, l2_centre=_CENTRE)),
    ("adam/mask", Adam(0.05, l2=0.2, l2_mask=_MASK)),
)

CASES = (
    *(
        Case(
            f"updates/published/{name}",
            (Dense(2, table=[[1, 0], [0, 1]], bias=False),),
            Maps((2,)),
            "updates",
            1,
            equations,
            Loss("mse", (1.0, 10.0), "sum"),
            optimizer,
            given={"theta": [1, 1], "x": [[1, 1]], "t": [[0, 0]]},
            published={"theta": theta},
            digits=12,
        )
        for name, optimizer, equations, theta in RULES
    ),
    *(
        Case(
            f"updates/{name}/dense",
            (Dense(7, activation="tanh"), Dense(3, activation="softmax")),
            Maps((5,)),
            "updates",
            6,
            equations,
            Loss("cross_entropy"),
            optimizer,
            targets="one_hot",
        )
        for name, optimizer, equations, _ in RULES
    ),
    *(
        Case(
            f"updates/{name}/convolution",
            (Convolution(3, 2, activation="tanh"), Dense(2)),
            Maps((2, 4, 5)),
            "updates",
            5,
            equations,
            Loss("mse"),
            optimizer,
            steps=2,
        )
        for name, optimizer, equations, _ in RULES
    ),
    *(
        Case(
            f"updates/{name}/changed",
            (Dense(3, activation="tanh"),),
            Maps((4,)),
            "updates",
            5,
            equations,
            Loss("mse"),
            optimizer,
            changed={"lr": 0.013},
        )
        for name, optimizer, equations, _ in RULES
    ),
    *(
        Case(f"updates/l2/{name}", (Dense(3),), Maps((4,)), "updates", 5, ("D3", "D4"), Loss("mse"), optimizer)
        for name, optimizer in PENALISED
    ),
)
