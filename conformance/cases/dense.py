"""Dense layers (Hedberg 2015, Eqs. 13-19, 33-41; delmas, Eqs. 17-18, 24-29)."""

from gcnn.conformance.case import Case
from gcnn.layers import Dense
from gcnn.losses import Loss
from gcnn.maps import Maps

EQUATIONS = (
    "H13",
    "H15",
    "H16",
    "H17",
    "H18",
    "H19",
    "H33",
    "H34",
    "H35",
    "H38",
    "H39",
    "H40",
    "H41",
    "HT4",
    "D17",
    "D24",
    "D29",
)

# 2-2-1, tanh hidden, logistic output, inputs 00, 01, 10, 11; sums over samples.
XOR = (Dense(2, activation="tanh"), Dense(1, activation="logistic"))
XOR_GIVEN = {
    "theta": [0.5, -0.4, 0.3, 0.8, 0.1, -0.2, 0.7, -0.6, 0.05],
    "x": [[0, 0], [0, 1], [1, 0], [1, 1]],
    "t": [[0], [1], [1], [0]],
}
XOR_OUTPUT = [0.559268242426, 0.383161996097, 0.590524463131, 0.43988815195]

CASES = (
    Case("dense/plain", (Dense(5),), Maps((7,)), batch=5, equations=EQUATIONS),
    Case("dense/one-unit-one-input", (Dense(1),), Maps((1,)), batch=1, equations=EQUATIONS),
    Case("dense/primes", (Dense(37, activation="tanh"),), Maps((131,)), batch=17, equations=EQUATIONS),
    Case(
        "dense/larger-than-a-work-group", (Dense(301, activation="tanh"),), Maps((517,)), batch=65, equations=EQUATIONS
    ),
    # So many of both that accelerators lay weights out anew for the way back.
    Case(
        "dense/many-weights-and-samples", (Dense(271, activation="tanh"),), Maps((509,)), batch=241, equations=EQUATIONS
    ),
    Case("dense/long-sums", (Dense(3),), Maps((2051,)), batch=2, equations=EQUATIONS),
    Case("dense/many-units", (Dense(1031, activation="softmax"),), Maps((5,)), batch=2, equations=EQUATIONS),
    Case("dense/many-samples", (Dense(3, activation="tanh"),), Maps((4,)), batch=259, equations=EQUATIONS),
    Case("dense/images-in-c-order", (Dense(6, activation="logistic"),), Maps((3, 4, 5)), equations=("D41", "D42")),
    Case("dense/no-bias", (Dense(4, bias=False),), Maps((6,)), equations=("H55",)),
    Case("dense/cancellation", (Dense(3),), Maps((200,)), draw="offset", equations=("H18",)),
    Case(
        "dense/table/inputs",
        (Dense(3, table=[[1, 0, 1, 1, 0], [0, 1, 0, 0, 0], [1, 1, 1, 1, 1]]),),
        Maps((5,)),
        batch=4,
        equations=("H18", "H38"),
    ),
    Case("dense/table/input-maps", (Dense(2, table=[[1, 0, 1], [0, 1, 1]]),), Maps((3, 2, 3)), equations=("H18",)),
    Case("dense/table/unit-without-inputs", (Dense(2, table=[[0, 0, 0], [1, 0, 1]]),), Maps((3,)), equations=("H18",)),
    Case("dense/maps-of-differing-sizes", (Dense(4),), Maps([(2, 3), (4, 1), (3, 3)]), equations=("H18",)),
    Case(
        "dense/published/xor-squares",
        XOR,
        Maps((2,)),
        batch=4,
        loss=Loss("mse", reduction="sum"),
        equations=("H21", "H31"),
        given=XOR_GIVEN,
        digits=11,
        published={
            "y": XOR_OUTPUT,
            "loss": 0.527220945782721,
            "gradient": [0.0235931941171, -0.0204796240917, 0.0271538747349, 0.0305801126426, 0.0257395633936]
            + [0.00990867923831, 0.0244266016071, -0.0377388738558, 0.00143270062317],
        },
    ),
    Case(
        "dense/published/xor-cross-entropy",
        XOR,
        Maps((2,)),
        batch=4,
        loss=Loss("binary_cross_entropy", reduction="sum"),
        equations=("H26", "H38"),
        given=XOR_GIVEN,
        digits=11,
        published={
            "y": XOR_OUTPUT,
            "loss": 2.88497926389795,
            "gradient": [0.0919644147537, -0.0992178845768, 0.114731248699, 0.134843417129, 0.0844193790289]
            + [0.0555996807297, 0.102348239639, -0.167378990585, -0.027157146396],
        },
    ),
)
