"""Weighted sub-sampling (Hedberg 2015, Eqs. 86-97, Table 6)."""

from gcnn.conformance.case import Case
from gcnn.layers import WeightedSubsampling
from gcnn.maps import Maps

CROSS, SINGLE = ("H86", "H92", "H95", "H97"), ("H87", "H93", "H96", "H97", "HT6")
TABLE = [[1, 1, 0], [0, 1, 1]]
MANY = [[1] * 11, [0] * 11, [1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1], [0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1]]
"""A map that reads all of eleven, more than a tile has; one that reads none; inputs, the second and the ninth, that one map alone reads."""

POOL = [[1, 5, 2, 0], [3, 4, 2, 2], [7, 7, -1, -2], [0, 7, -3, -1], [9, 8, 6, 5]]

CASES = (
    Case("weighted-subsampling/plain", (WeightedSubsampling(2),), Maps((3, 6, 4)), equations=SINGLE),
    Case(
        "weighted-subsampling/activated",
        (WeightedSubsampling(2, activation="tanh"),),
        Maps((6, 8, 8)),
        batch=17,
        equations=SINGLE,
    ),
    Case("weighted-subsampling/remainder", (WeightedSubsampling((3, 2)),), Maps((2, 7, 9)), equations=SINGLE),
    Case(
        "weighted-subsampling/single/table", (WeightedSubsampling(2, table=TABLE),), Maps((3, 5, 6)), equations=SINGLE
    ),
    Case(
        "weighted-subsampling/cross/table",
        (WeightedSubsampling((3, 2), table=TABLE, weights="cross", activation="logistic"),),
        Maps((3, 7, 9)),
        equations=CROSS,
    ),
    Case(
        "weighted-subsampling/cross/full",
        (WeightedSubsampling(2, table=[[1, 1], [1, 1], [1, 1]], weights="cross"),),
        Maps((2, 5, 4)),
        batch=1,
        equations=CROSS,
    ),
    Case(
        "weighted-subsampling/cross/many",
        (WeightedSubsampling((2, 3), table=MANY, weights="cross", activation="softplus"),),
        Maps((11, 7, 16)),
        batch=17,
        equations=CROSS,
    ),
    Case("weighted-subsampling/dimensions/1", (WeightedSubsampling(3),), Maps((2, 11)), equations=SINGLE),
    Case("weighted-subsampling/dimensions/3", (WeightedSubsampling((2, 1, 2)),), Maps((2, 4, 3, 5)), equations=SINGLE),
    Case(
        "weighted-subsampling/maps-of-differing-sizes",
        (WeightedSubsampling(2, table=TABLE),),
        Maps([(7, 4), (4, 6), (5, 5)]),
        equations=SINGLE,
    ),
    Case(
        "weighted-subsampling/coordinates",
        (WeightedSubsampling(2),),
        Maps([[(0, 0), (0, 1), (1, 0), (1, 1), (4, 5), (2, 3)], (4, 4)]),
        equations=SINGLE,
    ),
    Case(
        "weighted-subsampling/values-without-axes",
        (WeightedSubsampling(2, table=TABLE, weights="cross"),),
        Maps((3,)),
        equations=CROSS,
    ),
    Case(
        "weighted-subsampling/published",
        (WeightedSubsampling(2),),
        Maps((1, 5, 4)),
        batch=1,
        equations=SINGLE,
        given={"theta": [0.5, -1], "x": [[POOL]], "v": [[[[1, 2], [3, 4]]]]},
        published={
            "y": [5.5, 2, 9.5, -4.5],
            "gradient": [60, 10],
            "dx": [0.5, 0.5, 1, 1, 0.5, 0.5, 1, 1, 1.5, 1.5, 2, 2, 1.5, 1.5, 2, 2, 0, 0, 0, 0],
        },
    ),
)
