"""The dialect of kernels/prelude.h: its lanes, its conversions, and where errors are said to be."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn import kernels

WEIGHTED = """
/* y[block][lane] = sum over i of w[i] x[block][i][lane]: a block of LANES samples a group. */
KERNEL void weighted(GLOBAL const REAL* x, GLOBAL const REAL* w, GLOBAL REAL* y, int n)
{
    GLOBAL const REAL* block = x + GROUP_ID(0) * n * LANES;
    REALV sum = (REALV)(0);
    for (int i = 0; i < n; ++i) sum = FMA(LOADV(block, AT(i)), (REALV)(w[i]), sum);
    STOREV(sum, y + GROUP_ID(0) * LANES, AT(0));
}
"""
SUM = """
KERNEL void total(GLOBAL const REAL* x, GLOBAL WIDE* y)
{
    y[0] = SUMV(TO_WIDEV(LOADV(x, 1)));
}
"""


def test_one_source_gives_equal_bits_whether_an_item_takes_a_block_or_a_sample(runtime, compile_text, upload, download):
    blocks, n, lanes = 3, 7, 16
    rng = np.random.default_rng(0)
    x = rng.normal(size=(blocks, n, lanes)).astype("float32")
    w = rng.normal(size=n).astype("float32")
    results = []
    for v, items in ((lanes, 1), (1, lanes)):
        kernel = compile_text(runtime, WEIGHTED, V=v, LANES=lanes).kernel("weighted")
        y = runtime.zeros(blocks * lanes * 4)
        runtime.bind(kernel, (blocks,), (items,), (upload(runtime, x), upload(runtime, w), y, np.int32(n)))()
        results.append(download(runtime, y))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_allclose(results[0].reshape(blocks, lanes), np.einsum("bil,i->bl", x, w), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lanes", [1, 4, 16])
@pytest.mark.parametrize("bits", [32, 64])
def test_lanes_are_added_in_the_wide_type_at_any_alignment(runtime, compile_text, upload, download, lanes, bits):
    # In single precision the first term would swallow the others.
    x = np.array([np.nan, 2.0**24, *[1.0] * (lanes - 1)], f"float{bits}")
    y = runtime.zeros(8)
    program = compile_text(runtime, SUM, REAL_BITS=bits, WIDE_BITS=64, V=lanes)
    runtime.bind(program.kernel("total"), (1,), (1,), (upload(runtime, x), y))()
    assert download(runtime, y, "float64").tolist() == [2.0**24 + lanes - 1]


def test_a_product_and_a_sum_are_not_contracted_unless_written_so(runtime, compile_text, upload, download):
    text = """
    KERNEL void both(GLOBAL const REAL* x, GLOBAL REAL* y)
    {
        y[0] = x[0] * x[1] + x[2];
        y[1] = FMA(x[0], x[1], x[2]);
    }
    """
    tiny = np.float32(2.0**-12)
    x = np.array([1 + tiny, 1 + tiny, -(1 + 2 * tiny)], "float32")
    y = runtime.zeros(8)
    runtime.bind(compile_text(runtime, text).kernel("both"), (1,), (1,), (upload(runtime, x), y))()
    assert download(runtime, y).tolist() == [0.0, float(tiny) ** 2]


def test_included_files_are_put_in_place_once_and_lines_keep_their_numbers():
    text = kernels.source("probe.cl")
    assert '#include "' not in text
    lines = text.splitlines()
    original = (kernels.files("gcnn.kernels") / "probe.cl").read_text().splitlines()
    start = max(i for i, line in enumerate(lines) if line.startswith("#line") and line.endswith('"probe.cl"'))
    first = int(lines[start].split()[1])
    assert lines[start + 1 :] == original[first - 1 :]


def test_a_kernel_file_that_is_not_there_is_an_error():
    with pytest.raises(FileNotFoundError):
        kernels.source("missing.cl")
