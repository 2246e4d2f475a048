"""The two walks of CONTRIBUTING.md, run as a reader would type them: their own assertions are what the text claims."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("walk", ["Walk: add a layer", "Walk: write a backend"])
def test_the_blocks_of_a_walk_do_in_order_what_the_text_says(walk, python_blocks, run_python):
    program = python_blocks("CONTRIBUTING.md", walk)
    assert program.count("assert ") >= 4
    done = run_python("-c", program)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_refusal_in_a_walk_really_happens(python_blocks, run_python):
    # The blocks show refusals with try and except: each must be reached, or the text would claim nothing.
    for walk in ("Walk: add a layer", "Walk: write a backend"):
        program = python_blocks("CONTRIBUTING.md", walk)
        counted = re.sub(r"^except gcnn.Unsupported as error:\n", r"\g<0>    print('refused')\n", program, flags=re.M)
        done = run_python("-c", counted)
        assert done.stdout.count("refused\n") == program.count("except ") > 0


@pytest.mark.parametrize("folder", ["gcnn/layers", "backends/numpy", "conformance/cases"])
def test_the_row_of_a_layer_is_complete_for_the_layers_that_are_there(folder):
    layers = {path.name for path in (ROOT / "backends" / "numpy").glob("*.py")} & {
        path.name for path in (ROOT / "gcnn" / "layers").glob("*.py")
    }
    assert {"convolution.py", "dense.py", "max_pooling.py"} < layers
    shared = {"__init__.py", "windows.py"}
    assert [name for name in sorted(layers - shared) if not (ROOT / folder / name).is_file()] == []
