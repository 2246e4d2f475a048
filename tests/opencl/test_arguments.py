from __future__ import annotations

import numpy as np

from gcnn import kernels
from gcnn.backends.accelerated.arguments import Parameter, parameters


def test_parameters_are_read_from_the_declaration():
    text = """
    KERNEL void other(int n) {}
    KERNEL void some( /* first, */ GLOBAL const REAL* RESTRICT x, INDEX x0, // where
        REAL a, GLOBAL WIDE *sum, GLOBAL unsigned char* table, int n)
    """
    found = parameters(text, "some", {"REAL_BITS": 32, "WIDE_BITS": 64})
    assert found == (
        Parameter("x", None),
        Parameter("x0", np.dtype("int64")),
        Parameter("a", np.dtype("float32")),
        Parameter("sum", None),
        Parameter("table", None),
        Parameter("n", np.dtype("int32")),
    )
    assert parameters(text, "other", {}) == (Parameter("n", np.dtype("int32")),)


def test_reals_have_the_bits_that_the_defines_say():
    text = "KERNEL void f(REAL a, WIDE b)"
    assert [p.dtype for p in parameters(text, "f", {"REAL_BITS": 64}) or ()] == ["float64", "float64"]
    assert [p.dtype for p in parameters(text, "f", {"REAL_BITS": 32}) or ()] == ["float32", "float32"]


def test_a_declaration_in_another_dialect_is_left_to_the_driver():
    assert parameters("__kernel void f(int n)", "f", {}) is None
    assert parameters("KERNEL void f(size_t n)", "f", {}) is None


def test_every_kernel_of_the_package_is_understood():
    names = ["scale", "axpy", "partial_dot", "partial_amax", "finish_dot", "finish_amax"]
    counts = {name: len(parameters(kernels.source("vectors.cl"), name, {}) or ()) for name in names}
    assert counts == dict(zip(names, [4, 6, 6, 4, 3, 3], strict=True))
