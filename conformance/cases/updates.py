"""Update rules (Hedberg 2015, Eqs. 118-121; delmas, Eqs. 2-11), their schedules, penalty and clipping."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gcnn.conformance.case import Case
from gcnn.layers import Convolution, Dense
from gcnn.losses import Loss
from gcnn.maps import Maps
from gcnn.optimizers import AdaGrad, Adam, DampedParticle, GradientDescent, Momentum, Optimizer, RMSProp
from gcnn.optimizers.schedules import Cosine, Exponential, InverseTime, Step

Rows = tuple[tuple[float, float], ...]

RULES: tuple[tuple[str, Optimizer, tuple[str, ...], Rows], ...] = (
    # θ after each of three steps on ½ (q1² + 10 q2²) from (1, 1).
    (
        "gradient-descent",
        GradientDescent(0.05),
        ("H118", "D2", "D8", "D12", "O1"),
        ((0.95, 0.5), (0.9025, 0.25), (0.857375, 0.125)),
    ),
    ("momentum", Momentum(0.05, 0.9), ("H120", "H121", "O3"), ((0.95, 0.5), (0.8575, -0.2), (0.731375, -0.73))),
    ("damped-particle", DampedParticle(0.2, 2.5), ("D7", "O3"), ((0.96, 0.6), (0.9016, 0.16), (0.836336, -0.124))),
    (
        "adagrad",
        AdaGrad(0.1),
        ("D9", "O4"),
        ((0.900000001, 0.9000000001), (0.833103528294, 0.833103526983), (0.780456183089, 0.780456181522)),
    ),
    (
        "adagrad-mean",
        AdaGrad(0.1, "mean"),
        ("D9", "O4"),
        ((0.900000001, 0.9000000001), (0.805394102315, 0.805394100573), (0.716428963728, 0.716428961213)),
    ),
    (
        "rmsprop",
        RMSProp(0.1, 0.9),
        ("D10", "O5"),
        ((0.683772243983, 0.683772234983), (0.498870620117, 0.498870608219), (0.369180567428, 0.369180554583)),
    ),
    (
        "adam",
        Adam(0.1),
        ("D11", "O6"),
        ((0.900000001, 0.9000000001), (0.800412229712, 0.800412227875), (0.701586274504, 0.701586271699)),
    ),
)
# From (1, 0) every gradient lies on an axis, and the full matrix is the diagonal.
ON_AN_AXIS: Rows = ((0.900000001, 0), (0.833103528294, 0), (0.780456183089, 0))

_CENTRE = np.linspace(-0.5, 0.5, 4 * 3 + 3)
_MASK = np.arange(4 * 3 + 3) < 4 * 3
PENALISED = (
    ("gradient-descent", GradientDescent(0.1, l2=0.3)),
    ("gradient-descent/centre-and-mask", GradientDescent(0.1, l2=0.3, l2_centre=_CENTRE, l2_mask=_MASK)),
    ("momentum/centre", Momentum(0.1, 0.8, l2=0.2, l2_centre=_CENTRE)),
    ("adam/mask", Adam(0.05, l2=0.2, l2_mask=_MASK)),
    ("rmsprop/centre", RMSProp(0.05, l2=0.2, l2_centre=_CENTRE)),
)
SCHEDULED = (
    ("step", GradientDescent(Step(0.1, 0.3, every=2)), "H118"),
    ("inverse-time", Momentum(InverseTime(0.1, 0.5), 0.8), "H121"),
    ("exponential", Adam(Exponential(0.1, 0.5)), "D11"),
    ("cosine", DampedParticle(Cosine(0.3, 0.02, updates=4, warmup=1), 2.0), "D7"),
)
# ε is of the gradients' size: while G is singular, rounding in its null space is divided by ε.
FULL: tuple[tuple[str, Optimizer, dict[str, float]], ...] = (
    ("dense", AdaGrad(0.2, "full", eps=0.5), {}),
    ("changed", AdaGrad(0.2, "full", eps=0.5), {"lr": 0.03}),
    ("penalised", AdaGrad(0.2, "full", eps=0.5, l2=0.3), {}),
)
CLIPPED = (
    ("norm", GradientDescent(0.1, clip_norm=0.05)),
    ("norm-not-reached", GradientDescent(1.0, clip_norm=1e4)),
    ("norm-and-penalty", GradientDescent(0.1, l2=5.0, clip_norm=3.0)),
    ("value", GradientDescent(0.1, clip_value=0.02)),
    ("value-not-reached", Momentum(0.1, clip_value=1e4)),
    ("value-before-norm", GradientDescent(0.1, clip_value=0.05, clip_norm=0.1)),
    ("momentum", Momentum(0.1, 0.8, clip_norm=0.05)),
    ("adam", Adam(0.1, clip_norm=0.05)),
    ("adam-not-reached", Adam(0.1, clip_norm=1e4, clip_value=1e4)),
    ("rmsprop", RMSProp(0.1, clip_value=0.02)),
    ("adagrad", AdaGrad(0.1, clip_norm=0.05)),
)


def published(name: str, optimizer: Optimizer, equations: tuple[str, ...], rows: Rows, start: list[int]) -> Case:
    """A worked trajectory on V = ½ (q1² + 10 q2²): two outputs with targets 0 and weights 1 and 10."""
    return Case(
        f"updates/published/{name}",
        (Dense(2, table=[[1, 0], [0, 1]], bias=False),),
        Maps((2,)),
        "updates",
        1,
        equations,
        Loss("mse", (1.0, 10.0), "sum"),
        optimizer,
        given={"theta": start, "x": [[1, 1]], "t": [[0, 0]]},
        published={"theta": rows},
        digits=12,
    )


def single(
    name: str,
    optimizer: Optimizer,
    equations: tuple[str, ...],
    inputs: int = 4,
    changed: Mapping[str, float] | None = None,
    **more: Any,
) -> Case:
    """A dense layer of three units, five samples."""
    layer = Dense(3, activation="tanh")
    return Case(
        f"updates/{name}",
        (layer,),
        Maps((inputs,)),
        "updates",
        5,
        equations,
        Loss("mse"),
        optimizer,
        changed=changed or {},
        **more,
    )


CASES = (
    *(published(name, optimizer, equations, rows, [1, 1]) for name, optimizer, equations, rows in RULES),
    published("adagrad-full", AdaGrad(0.1, "full"), ("D9", "O4"), ON_AN_AXIS, [1, 0]),
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
        single(f"{name}/changed", optimizer, equations, changed={"alpha" if name == "damped-particle" else "lr": 0.013})
        for name, optimizer, equations, _ in RULES
    ),
    *(
        single(f"adagrad-full/{name}", optimizer, ("D9", "O4"), inputs=3, changed=changed)
        for name, optimizer, changed in FULL
    ),
    *(
        Case(f"updates/l2/{name}", (Dense(3),), Maps((4,)), "updates", 5, ("D3", "D4", "L6"), Loss("mse"), optimizer)
        for name, optimizer in PENALISED
    ),
    *(single(f"schedule/{name}", optimizer, (equation, "O1"), steps=4) for name, optimizer, equation in SCHEDULED),
    *(
        Case(
            f"updates/clip/{name}",
            (Dense(4, activation="tanh"), Dense(2)),
            Maps((3,)),
            "updates",
            5,
            ("H118",),
            Loss("mse"),
            optimizer,
        )
        for name, optimizer in CLIPPED
    ),
)
