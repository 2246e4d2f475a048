"""Radial basis layers (Hedberg 2015, Eqs. 46-55)."""

from gcnn.conformance.case import Case
from gcnn.layers import Dense, RadialBasis
from gcnn.maps import Maps

EQUATIONS = ("H46", "H50", "H51", "H52", "H53", "H54")
CENTRE = {"theta": [1.0, -1.0, 0.5], "x": [[2.0, 1.0]], "v": [[1.0]]}

CASES = (
    Case("radial-basis/power-1", (RadialBasis(4),), Maps((5,)), equations=EQUATIONS),
    Case("radial-basis/power-2", (RadialBasis(4, power=2),), Maps((5,)), equations=EQUATIONS),
    Case(
        "radial-basis/plain-beta",
        (RadialBasis(3, beta="plain"),),
        Maps((4,)),
        batch=5,
        given={"theta": [0.3, -0.2, 0.5, 1, -1, 0.4, 0.9, -0.6, 0.1, 0.7, -0.8, 0.2, 0.5, 1.5, 0.25]},
        equations=EQUATIONS,
    ),
    Case("radial-basis/many", (RadialBasis(33, power=2),), Maps((67,)), batch=17, equations=EQUATIONS),
    Case("radial-basis/images", (RadialBasis(3),), Maps((2, 3, 2)), equations=EQUATIONS),
    Case(
        "radial-basis/far-from-the-origin",
        (RadialBasis(2, power=2),),
        Maps((3,)),
        draw="offset",
        given={"theta": [100, 99, 101, 100.5, 100, 99.5, -1, -0.5]},
        equations=EQUATIONS,
    ),
    Case(
        "radial-basis/at-its-centre",
        (RadialBasis(1, beta="plain"),),
        Maps((2,)),
        batch=1,
        smooth=False,
        equations=EQUATIONS,
        given={"theta": [1.0, -1.0, 0.5], "x": [[1.0, -1.0]], "v": [[1.0]]},
        published={"y": [1], "dx": [0, 0], "gradient": [0, 0, 0]},
    ),
    Case(
        "radial-basis/linear-output",
        (RadialBasis(4, power=2), Dense(2, table=[[1, 0, 1, 1], [0, 1, 1, 0]], bias=False)),
        Maps((3,)),
        equations=("H55",),
    ),
    Case(
        "radial-basis/published/power-1",
        (RadialBasis(1, beta="plain"),),
        Maps((2,)),
        batch=1,
        digits=12,
        equations=EQUATIONS,
        given=CENTRE,
        published={
            "y": [0.3269218953517579],
            "dx": [-0.073101958134, -0.146203916268],
            "gradient": [0.073101958134, 0.146203916268, -0.7310195813396032],
        },
    ),
    Case(
        "radial-basis/published/power-2",
        (RadialBasis(1, power=2, beta="plain"),),
        Maps((2,)),
        batch=1,
        digits=12,
        equations=EQUATIONS,
        given=CENTRE,
        published={
            "y": [0.0820849986238988],
            "dx": [-0.082084998624, -0.164169997248],
            "gradient": [0.082084998624, 0.164169997248, -0.4104249931194939],
        },
    ),
)
