"""Vanilla sub-sampling (Hedberg 2015, Eqs. 101-103, Table 8)."""

from gcnn.conformance.case import Case
from gcnn.conformance.cases.weighted_subsampling import POOL
from gcnn.layers import VanillaSubsampling
from gcnn.maps import Maps

EQUATIONS = ("H101", "H102", "H103", "HT8")

CASES = (
    Case("vanilla-subsampling/plain", (VanillaSubsampling(2),), Maps((3, 6, 4)), equations=EQUATIONS),
    Case("vanilla-subsampling/remainder", (VanillaSubsampling((3, 2)),), Maps((2, 7, 9)), batch=5, equations=EQUATIONS),
    Case("vanilla-subsampling/step-beyond-the-image", (VanillaSubsampling(9),), Maps((2, 4, 3)), equations=EQUATIONS),
    Case("vanilla-subsampling/dimensions/1", (VanillaSubsampling(3),), Maps((2, 11)), equations=EQUATIONS),
    Case("vanilla-subsampling/dimensions/3", (VanillaSubsampling(2),), Maps((2, 3, 4, 5)), equations=EQUATIONS),
    Case(
        "vanilla-subsampling/maps-of-differing-sizes",
        (VanillaSubsampling(2),),
        Maps([(7, 4), (4, 6)]),
        equations=EQUATIONS,
    ),
    Case(
        "vanilla-subsampling/coordinates",
        (VanillaSubsampling(2),),
        Maps([[(0, 0), (0, 1), (1, 0), (2, 2), (5, 5)], (4, 4)]),
        equations=EQUATIONS,
    ),
    Case(
        "vanilla-subsampling/published",
        (VanillaSubsampling(2),),
        Maps((1, 5, 4)),
        batch=1,
        equations=EQUATIONS,
        given={"x": [[POOL]], "v": [[[[1, 2], [3, 4], [5, 6]]]]},
        published={"y": [1, 2, 7, -1, 9, 6], "dx": [1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0, 5, 0, 6, 0]},
    ),
)
