"""A stranger's backend: the example package, installed with pip and used by name alone."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest


@pytest.fixture
def run_installed(installed_example, run_python):
    """Run a program beside the installed example and return what it printed."""

    def run(program: str, **environment: str) -> str:
        done = run_python("-c", textwrap.dedent(program), path=installed_example, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_an_installed_backend_is_found_by_its_entry_point_and_not_imported_before_it_is_asked_for(run_installed):
    run_installed(
        """
        import sys, gcnn
        assert {"numpy", "plain"} <= set(gcnn.backend_names())
        assert "gcnn_plain_backend" not in sys.modules
        assert type(gcnn.get_backend("plain")).__name__ == "PlainBackend"
        """
    )


def test_the_example_is_not_known_without_its_package(run_python):
    done = run_python("-c", "import gcnn; assert 'plain' not in gcnn.backend_names()")
    assert done.returncode == 0, done.stderr


def test_auto_never_takes_a_backend_from_outside(run_installed):
    assert run_installed("import gcnn; print(gcnn.select()[0].name)") != "plain"


def test_the_example_learns_xor_with_loss_and_update_on_the_host(run_installed):
    run_installed(
        """
        import gcnn, numpy as np
        from gcnn import layers
        x, t = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
        net = gcnn.Network([layers.Dense(4, activation="tanh"), layers.Dense(1, activation="logistic")], 2,
                           loss="binary_cross_entropy")
        model = net.bind("plain", batch=4)
        gcnn.train(model, (x, t), gcnn.optimizers.Adam(lr=0.1), epochs=100)
        assert model.predict(x).tolist() == t.tolist()
        assert model.report()["on_host"] == ["loss", "update"]
        assert {entry["kernel"] for entry in model.report()["layers"]} == {"PlainDense"}
        """
    )


@pytest.mark.parametrize(("dtype", "places"), [("float32", 1e-6), ("float64", 1e-14)])
def test_the_example_agrees_with_the_oracle_on_image_inputs_and_without_biases(run_installed, dtype, places):
    # A dozen terms of size below 1 in each sum: errors stay a few units in the last place (6e-8 and 1.1e-16).
    run_installed(
        f"""
        import gcnn, numpy as np
        from gcnn import layers
        net = gcnn.Network([layers.Dense(5, activation="tanh", bias=False), layers.Dense(3, activation="logistic")],
                           (2, 3, 2), loss="mse")
        ours, oracle = net.bind("plain", dtype="{dtype}", batch=4), net.bind("numpy", dtype="float64", batch=4)
        oracle.theta = ours.theta
        rng = np.random.default_rng(0)
        x, t, v = (rng.uniform(-1, 1, shape).astype("{dtype}") for shape in ((7, 2, 3, 2), (7, 3), (7, 3)))
        for mine, right in [*zip(ours.loss_and_gradient(x, t), oracle.loss_and_gradient(x, t)),
                            *zip(ours.vjp(x, v), oracle.vjp(x, v)), (ours.forward(x), oracle.forward(x))]:
            assert np.shape(mine) == np.shape(right)
            assert np.abs(mine - right).max() < {places}
        """
    )


def test_what_the_example_lacks_is_refused_when_planned_with_layer_and_reason(run_installed):
    message = run_installed(
        """
        import gcnn
        from gcnn import layers
        net = gcnn.Network([layers.Convolution(2, 3), layers.Dense(2, activation="relu")], (1, 6, 6), loss="mse")
        try:
            net.bind("plain")
        except gcnn.Unsupported as error:
            print(error)
        """
    )
    assert "backend 'plain' declines" in message
    assert "layer 0, Convolution(2, 3): Convolution layers are not implemented" in message
    assert "layer 1, Dense(2, activation='relu'): activation 'relu' is not implemented" in message


def test_the_memory_of_the_example_refuses_to_become_an_array(run_installed):
    run_installed(
        """
        import gcnn, numpy as np
        from gcnn import layers
        plan = gcnn.Network([layers.Dense(2)], 2, loss="mse").bind("plain").plan
        try:
            np.asarray(plan.theta)
        except TypeError as error:
            assert "download" in str(error)
        else:
            raise AssertionError("device memory was read without a download")
        """
    )


BIND = "import gcnn; print(gcnn.Network([gcnn.layers.Dense(2)], 2, loss='mse').bind().backend)"


def test_the_environment_selects_an_installed_backend(run_installed):
    assert run_installed(BIND, GCNN_BACKEND="plain") == "plain"
    assert run_installed(BIND, GCNN_BACKEND="plain", GCNN_DEVICE="Plain*") == "plain"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"GCNN_BACKEND": "plian"}, "unknown backend 'plian'. Did you mean 'plain'?"),
        ({"GCNN_BACKEND": "plain", "GCNN_DEVICE": "*H100*"}, "no device matching '*H100*' (GCNN_DEVICE)"),
    ],
)
def test_a_wrong_choice_by_the_environment_is_an_error_and_nothing_takes_its_place(
    installed_example, run_python, environment, said
):
    done = run_python("-c", BIND, path=installed_example, **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert "BackendUnavailable" in done.stderr
    assert said in done.stderr


def test_the_page_about_backends_does_what_it_says(installed_example, run_python, python_blocks):
    done = run_python("-c", python_blocks("docs/backends.md"), path=installed_example)
    assert done.returncode == 0, done.stderr


def test_the_page_about_backends_lists_every_feature_that_the_oracle_claims():
    from gcnn.backends.numpy.backend import FEATURES

    page = (Path(__file__).resolve().parents[2] / "docs" / "backends.md").read_text(encoding="utf-8")
    assert [feature for feature in FEATURES if f"`{feature}`" not in page] == []


def test_the_example_passes_conformance_for_everything_that_it_claims(installed_example, run_python):
    done = run_python("-m", "gcnn.conformance", "--backend", "plain", path=installed_example)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    summary = done.stdout.replace("\n", " ")
    assert "plain conforms" in summary
    assert " 0 failed" in summary
    assert " 0 passed" not in summary
