"""Feature maps (delmas, Eq. 15)."""

from gcnn.conformance.case import Case
from gcnn.layers import FeatureMap
from gcnn.maps import Maps

CASES = (
    Case("feature-map/monomials/2", (FeatureMap("monomials"),), Maps((3,)), equations=("D15",)),
    Case("feature-map/monomials/4", (FeatureMap("monomials", degree=4),), Maps((2,)), batch=5, equations=("D15",)),
    Case("feature-map/trigonometric", (FeatureMap("trigonometric", degree=3),), Maps((2, 2, 2)), equations=("D15",)),
    Case(
        "feature-map/published",
        (FeatureMap("monomials"),),
        Maps((2,)),
        batch=1,
        equations=("D15",),
        given={"x": [[2.0, 3.0]], "v": [[1, 1, 1, 1, 1]]},
        published={"y": [2, 3, 4, 6, 9], "dx": [1 + 4 + 3, 1 + 2 + 6]},
    ),
)
