"""Max pooling (Hedberg 2015, Eqs. 98-100, Table 7)."""

from gcnn.conformance.case import Case
from gcnn.conformance.cases.weighted_subsampling import POOL
from gcnn.layers import MaxPooling
from gcnn.maps import Maps

EQUATIONS = ("H98", "H99", "H100", "HT7")
NAN = float("nan")

CASES = (
    Case("max-pooling/plain", (MaxPooling(2),), Maps((3, 6, 4)), draw="distinct", equations=EQUATIONS),
    Case(
        "max-pooling/remainder", (MaxPooling((3, 2)),), Maps((2, 7, 9)), draw="distinct", batch=5, equations=EQUATIONS
    ),
    Case("max-pooling/many", (MaxPooling(2),), Maps((7, 13, 12)), draw="distinct", batch=17, equations=EQUATIONS),
    Case(
        "max-pooling/ties", (MaxPooling(2),), Maps((3, 7, 6)), draw="ties", batch=4, smooth=False, equations=EQUATIONS
    ),
    Case(
        "max-pooling/nan-wins",
        (MaxPooling(2),),
        Maps((2, 4, 4)),
        draw="nan",
        batch=2,
        smooth=False,
        equations=EQUATIONS,
    ),
    Case(
        "max-pooling/nan-ties",
        (MaxPooling(2),),
        Maps((2, 2, 3)),
        batch=2,
        smooth=False,
        equations=EQUATIONS,
        given={
            "x": [
                [[[1, NAN, 8], [NAN, 9, NAN]], [[2, 5, 8], [3, NAN, 8]]],
                [[[1, 7, NAN], [2, 3, 8]], [[NAN, 5, 8], [NAN, NAN, 8]]],
            ]
        },
    ),
    Case("max-pooling/dimensions/1", (MaxPooling(3),), Maps((2, 10)), draw="distinct", equations=EQUATIONS),
    Case(
        "max-pooling/dimensions/3", (MaxPooling((2, 1, 2)),), Maps((1, 4, 3, 5)), draw="distinct", equations=EQUATIONS
    ),
    Case(
        "max-pooling/maps-of-differing-sizes",
        (MaxPooling(2),),
        Maps([(7, 4), (4, 6)]),
        draw="distinct",
        equations=EQUATIONS,
    ),
    Case(
        "max-pooling/coordinates",
        (MaxPooling(2),),
        Maps([[(0, 0), (0, 1), (1, 0), (1, 1), (4, 5)], (5, 4)]),
        draw="distinct",
        equations=EQUATIONS,
    ),
    Case(
        "max-pooling/published",
        (MaxPooling(2),),
        Maps((1, 5, 4)),
        batch=1,
        draw="ties",
        equations=EQUATIONS,
        given={"x": [[POOL]], "v": [[[[1, 2], [3, 4]]]]},
        published={"y": [5, 2, 7, -1], "dx": [0, 1, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]},
    ),
)
