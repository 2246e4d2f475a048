"""Convolution layers (Hedberg 2015, Eqs. 60-81; delmas, Eqs. 35-47)."""

from typing import Any

from gcnn.conformance.case import Case
from gcnn.layers import LENET5_C3, Convolution
from gcnn.maps import Maps

FORWARD, BACKWARD, GRADIENT = ("H60", "H61", "D35", "D38"), ("H70", "H74", "D45"), ("H79", "H81", "D47")
ALL = FORWARD + BACKWARD + GRADIENT
STRIDED = ("H62", "H75", "D38", "D45", "D47")

# 1..25 with two cells changed.
FIVE = [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, -3, 14, 15], [16, 17, 18, 19, 20], [21, 0, 23, 24, 25]]

LOPSIDED = [[1, 1, 0], [0, 0, 1]]
STRIPES = [[(i + j) % 3 != 0 for j in range(19)] for i in range(37)]
TOGETHER: tuple[tuple[str, dict[str, Any], Maps], ...] = (
    ("padding-table", {"kernel": 3, "padding": (1, 2), "table": LOPSIDED}, Maps((3, 5, 6))),
    ("padding-shared", {"kernel": (2, 3), "padding": (1, 0), "shared": True}, Maps((3, 5, 6))),
    ("padding-mixed", {"kernel": [(3, 3), (1, 2), (2, 4)], "padding": (1, 2), "table": LOPSIDED}, Maps((3, 5, 6))),
    ("padding-stride-table", {"kernel": 3, "padding": (2, 1), "stride": (2, 3), "table": LOPSIDED}, Maps((3, 7, 8))),
    ("padding-stride-shared", {"kernel": 3, "padding": 1, "stride": 2, "shared": True}, Maps((2, 7, 6))),
    ("stride-table", {"kernel": 3, "stride": (1, 2), "table": LOPSIDED}, Maps((3, 5, 8))),
    ("stride-shared-table", {"kernel": 3, "stride": 2, "shared": True, "table": LOPSIDED}, Maps((3, 7, 7))),
    ("stride-mixed-padding", {"kernel": [(3, 3), (2, 2), (1, 3), (3, 1)], "stride": 2, "padding": 1}, Maps((2, 7, 8))),
    ("padding-one-axis", {"kernel": 4, "padding": 3}, Maps((2, 9))),
    ("padding-stride-three-axes", {"kernel": 2, "padding": (1, 0, 1), "stride": (1, 2, 2)}, Maps((2, 3, 4, 3))),
    ("padding-differing-sizes", {"kernel": 3, "padding": 1, "table": LOPSIDED}, Maps([(4, 6), (5, 3), (6, 4)])),
    (
        "everything",
        {"kernel": (3, 2), "padding": 1, "stride": (2, 1), "table": LOPSIDED, "shared": True, "activation": "tanh"},
        Maps((3, 6, 5)),
    ),
)
"""What a backend may do right one by one and wrong together."""

MINIMAL: tuple[tuple[str, dict[str, Any], Maps, dict[str, Any]], ...] = (
    ("plain", {}, Maps((24, 13, 14)), {"batch": 5}),
    ("padding", {"padding": 1, "activation": "tanh"}, Maps((20, 9, 11)), {}),
    ("padding-two", {"padding": (2, 0)}, Maps((24, 8, 12)), {"batch": 2}),
    ("wide", {"padding": 1}, Maps((24, 10, 10)), {"draw": "wide"}),
    ("strict", {"padding": 1}, Maps((24, 10, 10)), {"precision": "strict"}),
)
"""3x3 taps and so many maps that minimal algorithms pay, on sizes that their tiles do not divide."""

ROWS: tuple[tuple[str, Convolution, Maps, dict[str, Any]], ...] = (
    ("plain", Convolution(16, 5), Maps((6, 12, 12)), {"batch": 19}),
    ("rest", Convolution(10, 5, activation="tanh"), Maps((5, 9, 15)), {"batch": 17}),
    ("stride", Convolution(20, 5, stride=2, activation="tanh"), Maps((5, 13, 13)), {"batch": 33}),
    ("padding", Convolution(9, (4, 5), padding=(2, 3)), Maps((4, 8, 11)), {"batch": 16}),
    ("table", Convolution(16, 5, table=LENET5_C3, activation="tanh"), Maps((6, 14, 14)), {"batch": 33}),
    ("one-dimension", Convolution(30, 5, activation="tanh"), Maps((20, 27)), {"batch": 18}),
    ("wide", Convolution(8, 5), Maps((4, 10, 10)), {"batch": 16, "draw": "wide"}),
    ("strict", Convolution(8, 5), Maps((4, 10, 10)), {"batch": 16, "precision": "strict"}),
)
"""Rows of taps so long that minimal algorithms pay, and as many samples as vectors have lanes; on rows that their tiles do not divide."""

CASES = (
    Case("convolution/plain", (Convolution(3, 3),), Maps((2, 6, 7)), equations=ALL),
    Case("convolution/activated", (Convolution(4, 3, activation="tanh"),), Maps((3, 7, 6)), batch=5, equations=ALL),
    Case("convolution/one-tap", (Convolution(2, 1),), Maps((3, 4, 5)), equations=ALL),
    Case("convolution/kernel-fills-the-image", (Convolution(2, (4, 5)),), Maps((2, 4, 5)), equations=ALL),
    Case("convolution/oblong-kernel", (Convolution(3, (2, 5)),), Maps((2, 6, 9)), batch=2, equations=ALL),
    Case(
        "convolution/wide",
        (Convolution(19, 3, activation="relu"),),
        Maps((17, 11, 13)),
        batch=17,
        smooth=False,
        equations=ALL,
    ),
    Case(
        "convolution/one-sample", (Convolution(5, 5, activation="logistic"),), Maps((1, 28, 28)), batch=1, equations=ALL
    ),
    Case("convolution/cancellation", (Convolution(2, 5),), Maps((4, 8, 8)), draw="offset", equations=FORWARD),
    Case("convolution/dimensions/1", (Convolution(3, 4, stride=2),), Maps((2, 17)), batch=4, equations=ALL),
    Case("convolution/dimensions/3", (Convolution(2, (2, 3, 2), stride=(1, 2, 1)),), Maps((2, 4, 7, 5)), equations=ALL),
    Case("convolution/stride/2", (Convolution(3, 3, stride=2),), Maps((2, 9, 9)), equations=STRIDED),
    Case("convolution/stride/per-axis", (Convolution(2, 3, stride=(1, 3)),), Maps((2, 6, 12)), equations=STRIDED),
    Case("convolution/stride/remainder", (Convolution(2, 3, stride=(3, 2)),), Maps((2, 10, 8)), equations=STRIDED),
    Case(
        "convolution/stride/longer-than-kernel",
        (Convolution(2, 2, stride=3),),
        Maps((1, 9, 8)),
        batch=1,
        equations=STRIDED,
    ),
    Case(
        "convolution/stride/remainder-refused",
        (Convolution(5, 3, stride=(2, 1), remainder="error", activation="tanh"),),
        Maps((3, 9, 6)),
        equations=("D38",),
    ),
    Case("convolution/padding/same", (Convolution(3, 3, padding=1),), Maps((2, 5, 6)), equations=ALL),
    Case(
        "convolution/padding/wide-and-strided",
        (Convolution(2, 4, stride=(2, 3), padding=(3, 2)),),
        Maps((2, 5, 6)),
        equations=ALL,
    ),
    Case(
        "convolution/table/lenet-c3",
        (Convolution(16, 5, table=LENET5_C3),),
        Maps((6, 14, 14)),
        equations=("H60", "H74", "H79"),
    ),
    Case(
        "convolution/table/square-and-lopsided",
        (Convolution(3, 2, table=[[1, 1, 0], [0, 1, 1], [0, 0, 1]]),),
        Maps((3, 5, 4)),
        batch=4,
        equations=("H60", "H74", "H79"),
    ),
    Case(
        "convolution/table/dead-maps",
        (Convolution(3, 2, table=[[0, 0, 0], [1, 0, 1], [1, 0, 0]]),),
        Maps((3, 4, 4)),
        equations=("H60", "H74"),
    ),
    Case("convolution/shared", (Convolution(3, 3, shared=True),), Maps((2, 6, 5)), equations=("H80",)),
    Case(
        "convolution/shared/table",
        (Convolution(3, (3, 2), shared=True, table=[[1, 1, 0, 1], [0, 1, 0, 0], [1, 0, 1, 1]], activation="tanh"),),
        Maps((4, 6, 5)),
        equations=("H80",),
    ),
    *(
        Case(f"convolution/minimal/{name}", (Convolution(28, 3, **settings),), maps, equations=ALL, **how)
        for name, settings, maps, how in MINIMAL
    ),
    *(Case(f"convolution/rows/{name}", (layer,), maps, equations=ALL, **how) for name, layer, maps, how in ROWS),
    *(
        Case(
            f"convolution/together/{name}", (Convolution(2, **settings),), maps, equations=("H60", "H75", "H79", "H80")
        )
        for name, settings, maps in TOGETHER
    ),
    Case("convolution/many-maps", (Convolution(37, 2, table=STRIPES),), Maps((19, 4, 4)), batch=2, equations=ALL),
    Case("convolution/many-samples", (Convolution(2, 2),), Maps((1, 3, 3)), batch=131, equations=ALL),
    Case("convolution/large-image", (Convolution(1, 3, stride=(2, 1)),), Maps((1, 70, 67)), batch=1, equations=ALL),
    Case(
        "convolution/mixed-kernels",
        (Convolution(2, [(3, 3), (1, 5), (2, 2), (4, 1)]),),
        Maps((2, 7, 8)),
        equations=("H61", "H74", "H79"),
    ),
    Case(
        "convolution/mixed-kernels/table-and-stride",
        (Convolution(2, [(3, 3), (1, 2), (2, 4)], stride=(2, 1), table=[[1, 0, 1], [0, 1, 0]]),),
        Maps((3, 7, 8)),
        equations=("H61", "H75"),
    ),
    Case(
        "convolution/maps-of-differing-sizes",
        (Convolution(2, 3),),
        Maps([(7, 8), (9, 6), (5, 5)]),
        equations=("H1", "H60"),
    ),
    Case(
        "convolution/coordinates",
        (Convolution(2, 2, output=Maps([[(0, 0), (2, 1), (1, 3)], (3, 2)])),),
        Maps([[(0, 0), (0, 1), (1, 1), (3, 2), (2, 4)], (4, 4)]),
        equations=("H1", "H70"),
    ),
    Case(
        "convolution/published/by-hand",
        (Convolution(1, (2, 3)),),
        Maps((1, 3, 4)),
        batch=1,
        equations=("H60", "H74", "H79", "H81"),
        given={
            "theta": [1, -1, 2, 0, 3, -2, 1],
            "x": [[[[1, 2, 0, 3], [4, 1, 5, 2], [0, 6, 2, 1]]]],
            "v": [[[[-7, 15], [8, -5]]]],
        },
        published={
            "y": [-7, 20, 28, 5],
            "dx": [-7, 22, -29, 30, 8, -34, 80, -40, 0, 24, -31, 10],
            "gradient": [50, -31, 75, -43, 106, 6, 11],
        },
    ),
    Case(
        "convolution/published/stride-2",
        (Convolution(1, 2, stride=2),),
        Maps((1, 5, 5)),
        batch=1,
        equations=STRIDED,
        given={"theta": [1, 2, -1, 3, 0], "x": [[FIVE]], "v": [[[[1, -2], [3, 4]]]]},
        published={
            "y": [20, 30, 70, 64],
            "dx": [1, 2, -2, -4, 0, -1, 3, 2, -6, 0, 3, 6, 4, 8, 0, -3, 9, -4, 12, 0, 0, 0, 0, 0, 0],
            "gradient": [16, 86, 110, 116, 6],
        },
    ),
    Case(
        "convolution/published/stride-2-overlapping",
        (Convolution(1, 3, stride=2),),
        Maps((1, 5, 5)),
        batch=1,
        equations=STRIDED,
        given={"theta": [1, 0, -1, 2, 1, 0, 0, -1, 3, 0], "x": [[FIVE]], "v": [[[[1, -2], [3, 4]]]]},
        published={
            "y": [-4, 54, 132, 88],
            "dx": [1, 0, -3, 0, 2, 2, 1, -4, -2, 0, 3, -1, 4, 2, -10, 6, 3, 8, 4, 0, 0, -3, 9, -4, 12],
            "gradient": [16, 86, 44, 110, 116, 122, 172, 80, 136, 6],
        },
    ),
)
