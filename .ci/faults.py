"""Faults to plant in kernels, and what Oclgrind must say of them: proof that its silence means something."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """What is planted, and what must come of it.

    Attributes:
        right, wrong: text of a kernel, and what takes its place.
        case: where it shows.
        said: by the simulator.
        variant: in which it shows.
    """

    right: str
    wrong: str
    case: str
    said: str
    variant: str = "scalars"


FAULTS = {
    "a sum begins before all threads have written": Fault(
        "scratch[LOCAL_ID(0)] = v;\n    BARRIER();",
        "scratch[LOCAL_ID(0)] = v;",
        "radial-basis/plain-beta",
        "data race at local memory",
    ),
    "the next sum begins before all threads have read": Fault(
        "const WIDE sum = scratch[0];\n    BARRIER();",
        "const WIDE sum = scratch[0];",
        "radial-basis/plain-beta",
        "data race at local memory",
    ),
    "a tile is read before all of it is there": Fault(
        "            }\n            BARRIER();\n            if (used) {",
        "            }\n            if (used) {",
        "convolution/plain",
        "data race at local memory",
        "planes",
    ),
    "a tile is replaced before all have read it": Fault(
        "            BARRIER();\n            for (int n = LOCAL_ID(1)",
        "            for (int n = LOCAL_ID(1)",
        "convolution/plain",
        "data race at local memory",
        "planes",
    ),
    "a barrier that some threads pass by": Fault(
        "if (LOCAL_ID(0) < reach) scratch[LOCAL_ID(0)] += scratch[LOCAL_ID(0) + reach];\n        BARRIER();",
        "if (LOCAL_ID(0) < reach) { scratch[LOCAL_ID(0)] += scratch[LOCAL_ID(0) + reach]; BARRIER(); }",
        "radial-basis/plain-beta",
        "divergence detected (barrier)",
    ),
    "a thread leaves its place in shared memory as it was": Fault(
        "scratch[LOCAL_ID(0)] = v;",
        "if (LOCAL_ID(0) > 0) scratch[LOCAL_ID(0)] = v;",
        "radial-basis/plain-beta",
        "ninitialized",
    ),
    "shared memory for one thread only": Fault(
        "SHARED WIDE name[LANES]", "SHARED WIDE name[1]", "radial-basis/plain-beta", "at local memory"
    ),
    "all threads write the same sum": Fault(
        "if (FIRST_LANE == 0 && input0 == 0) PUT(",
        "if (input0 == 0) PUT(",
        "radial-basis/plain-beta",
        "data race at global memory",
    ),
    "groups share a row": Fault(
        "#define FIRST_ROW (GROUP_ID(0) * ROWS_TILE)",
        "#define FIRST_ROW (GROUP_ID(0) * (ROWS_TILE - 1))",
        "max-pooling/remainder",
        "data race at global memory",
        "vectors",
    ),
    "a write beyond the border": Fault(
        "#define IN_MAP(z, y, x) ", "#define IN_MAP(z, y, x) 1 ||", "max-pooling/remainder", "Invalid write", "vectors"
    ),
    "a read beyond the border": Fault(
        "((x) >= 0 && (x) < (size))", "(1)", "convolution/together/padding-one-axis", "Invalid read", "vectors"
    ),
    "a sum that begins with anything": Fault(
        "REALV sum[TILE];\n    for (int j = 0; j < TILE; ++j) sum[j] = (REALV)(0);",
        "REALV sum[TILE];",
        "radial-basis/plain-beta",
        "ninitialized",
        "vectors",
    ),
    "a partial sum that nobody writes": Fault(
        "if (LOCAL_ID(0) == 0) (target) = shared[0]",
        "if (LOCAL_ID(0) == 0 && GROUP_ID(0) > 0) (target) = shared[0]",
        "core/vectors",
        "ninitialized",
    ),
}
