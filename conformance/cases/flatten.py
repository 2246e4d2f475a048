"""Flatten (delmas, Eqs. 41-42)."""

from gcnn.conformance.case import Case
from gcnn.layers import Flatten
from gcnn.maps import Maps

COUNTED = [[[[float(100 * i + 10 * j + k) for k in range(4)] for j in range(3)] for i in range(2)]]

CASES = (
    Case("flatten/images", (Flatten(),), Maps((3, 4, 5)), equations=("D41", "D42")),
    Case("flatten/maps-of-differing-sizes", (Flatten(),), Maps([(2, 3), (4, 1)]), equations=("D41",)),
    Case(
        "flatten/published",
        (Flatten(),),
        Maps((2, 3, 4)),
        batch=1,
        equations=("D41", "D42"),
        given={"x": COUNTED},
        published={"y": [100 * i + 10 * j + k for i in range(2) for j in range(3) for k in range(4)]},
    ),
)
