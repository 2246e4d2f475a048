"""Losses with their output deltas (Hedberg 2015, Eqs. 20-32, 105, Tables 2-3; delmas, Eqs. 19-22, 30-33)."""

from gcnn.conformance.case import Case
from gcnn.layers import Activation, Convolution, Dense, MaxPooling, WeightedSubsampling
from gcnn.losses import Loss
from gcnn.maps import Maps

PAIRS = (
    # loss, activation, targets, equations
    ("cross_entropy", "softmax", "one_hot", ("H25", "H27", "H28", "H30", "HT3")),
    ("cross_entropy", "softmax", "any", ("H30", "HT3")),
    ("cross_entropy", "logistic", "probabilities", ("H27", "H28", "HT3")),
    ("cross_entropy", "softplus", "one_hot", ("H28", "HT3")),
    ("binary_cross_entropy", "logistic", "binary", ("H26", "HT3", "D21")),
    ("binary_cross_entropy", "logistic", "probabilities", ("H26", "D21")),
    ("binary_cross_entropy", "soft_logistic", "binary", ("H32", "HT3")),
    ("binary_cross_entropy", "softmax", "one_hot", ("H32", "D21", "D30", "D31", "D33")),
    ("mse", "identity", "normal", ("H20", "H21", "H22", "H23", "HT3")),
    ("mse", "tanh", "normal", ("H31", "HT3")),
    ("mse", "softmax", "probabilities", ("D30", "D33")),
    ("sse", "identity", "normal", ("H105",)),
    ("sse", "scaled_tanh", "normal", ("H105",)),
)
WEIGHTS = (0.5, 2.0, 0.0, 1.5, 3.0)


def _case(case_id: str, loss: Loss, activation: str, targets: str, equations: tuple[str, ...]) -> Case:
    return Case(
        f"losses/{case_id}",
        (Dense(5, activation=activation),),
        Maps((4,)),
        "losses",
        7,
        equations,
        loss,
        targets=targets,
    )


CASES: tuple[Case, ...] = (
    *(
        _case(f"{name.replace('_', '-')}/{phi}/{targets}", Loss(name), phi, targets, equations)
        for name, phi, targets, equations in PAIRS
    ),
    *(
        _case(
            f"reduction/{reduction}/{name}", Loss(name, reduction=reduction), phi, targets, ("H2", "D19", "D22", "D23")
        )
        for reduction in ("sum", "mean_outputs")
        for name, phi, targets in (("cross_entropy", "softmax", "one_hot"), ("mse", "tanh", "normal"))
    ),
    *(
        _case(f"weights/{name}/{phi}", Loss(name, WEIGHTS), phi, targets, ("D22",))
        for name, phi, targets in (
            ("cross_entropy", "softmax", "any"),
            ("binary_cross_entropy", "logistic", "binary"),
            ("binary_cross_entropy", "soft_logistic", "binary"),
            ("cross_entropy", "logistic", "one_hot"),
            ("mse", "identity", "normal"),
            ("sse", "tanh", "normal"),
        )
    ),
    Case(
        "losses/softmax-after-logistic",
        (Dense(4, activation="logistic"), Activation("softmax")),
        Maps((3,)),
        "losses",
        5,
        ("D19", "D20", "D33"),
        Loss("cross_entropy", reduction="mean_outputs"),
        targets="one_hot",
    ),
    Case(
        "losses/binary-cross-entropy/far-logits",
        (Activation("logistic"),),
        Maps((4,)),
        "losses",
        1,
        ("H26",),
        Loss("binary_cross_entropy"),
        given={"x": [[800.0, -800.0, 800.0, -800.0]], "t": [[1.0, 0.0, 0.0, 1.0]]},
        published={"loss": 1600.0, "gradient": []},
        smooth=False,
    ),
    *(
        Case(
            f"losses/{name.replace('_', '-')}/saturated/{phi}",
            (Activation(phi),),
            Maps((6,)),
            "losses",
            2,
            equations,
            Loss(name),
            given={
                "x": [[-20.0, 20.0, -40.0, 40.0, 0.5, -3.0], [30.0, -30.0, 5.0, -90.0, 90.0, 1.0]],
                "t": [[1.0, 0.0, 0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]],
            },
            smooth=False,  # the clipped loss has kinks
        )
        for name, phi, equations in (
            ("cross_entropy", "logistic", ("H27", "H28")),
            ("cross_entropy", "softmax", ("H27", "H30")),
            ("binary_cross_entropy", "logistic", ("H26",)),
            ("binary_cross_entropy", "softmax", ("H32", "D33")),
            ("binary_cross_entropy", "soft_logistic", ("H32",)),
        )
    ),
    Case(
        "losses/cross-entropy/published",
        (Dense(3, activation="softmax"),),
        Maps((2,)),
        "losses",
        1,
        ("H25", "H27", "H30"),
        Loss("cross_entropy"),
        given={"theta": [0.1, 0.2, 0.3, -0.1, -0.2, 0.4, 0, 0, 0], "x": [[1, 2]], "t": [[0, 1, 0]]},
        digits=11,
        published={
            "y": [0.360296615241, 0.241514043715, 0.398189341045],
            "loss": 1.42082765555326,
            "gradient": [0.360296615241, 0.720593230482, -0.758485956285, -1.51697191257, 0.398189341045, 0.79637868209]
            + [0.360296615241, -0.758485956285, 0.398189341045],
        },
    ),
    Case(
        "losses/images/convolution",
        (Convolution(2, 2, activation="tanh"),),
        Maps((1, 4, 4)),
        "losses",
        equations=("H6", "H57"),
        loss=Loss("mse"),
    ),
    Case(
        "losses/images/weighted-subsampling",
        (WeightedSubsampling(2),),
        Maps((2, 4, 4)),
        "losses",
        equations=("H83",),
        loss=Loss("mse", reduction="mean_outputs"),
    ),
    Case(
        "losses/images/max-pooling",
        (MaxPooling(2),),
        Maps((2, 4, 4)),
        "losses",
        equations=("H83",),
        loss=Loss("mse"),
        draw="distinct",
    ),
)
