"""A program may end while its device still computes."""

from __future__ import annotations

import pytest

SCRIPT = """
import sys
import numpy as np
import gcnn
from gcnn.layers import Dense

model = gcnn.Network([Dense(40, activation="tanh"), Dense(10)], 30, "mse").bind("opencl", sys.argv[1], batch=64)
step = gcnn.training_step(model, gcnn.optimizers.Adam(0.01))
loss = step(np.ones((64, 30), "float32"), np.ones((64, 10), "float32"))
print(loss > 0)
"""


@pytest.mark.parametrize(
    "end", ["", "model.plan._runtime.close()", "del step, model"], ids=["running", "closed", "freed"]
)
def test_a_program_ends_well_right_after_a_step(run_python, device, tmp_path, end):
    """Of which the update is compiled while the loss is there already: nothing was compiled before."""
    for turn in range(3):
        caches = {"GCNN_CACHE": str(tmp_path / f"{turn}"), "POCL_CACHE_DIR": str(tmp_path / f"{turn}-pocl")}
        done = run_python(SCRIPT + end, str(device.index), **caches)
        assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
