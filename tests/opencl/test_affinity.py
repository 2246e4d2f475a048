from __future__ import annotations

import os

import pytest

from gcnn.backends.opencl import affinity


@pytest.mark.usefixtures("alone")
class TestSetAffinity:
    def test_a_process_with_the_machine_to_itself_asks_for_pinning(self):
        affinity.set_affinity()
        assert os.environ["POCL_AFFINITY"] == "1"

    @pytest.mark.parametrize("name", affinity._WORKERS)
    def test_a_worker_of_a_launcher_does_not(self, monkeypatch, name):
        monkeypatch.setenv(name, "0")
        affinity.set_affinity()
        assert "POCL_AFFINITY" not in os.environ

    def test_it_can_be_switched_off(self, monkeypatch):
        monkeypatch.setenv("GCNN_AFFINITY", "0")
        affinity.set_affinity()
        assert "POCL_AFFINITY" not in os.environ

    def test_the_users_own_setting_stays(self, monkeypatch):
        monkeypatch.setenv("POCL_AFFINITY", "0")
        affinity.set_affinity()
        assert os.environ["POCL_AFFINITY"] == "0"

    def test_a_process_confined_to_some_cores_does_not(self, monkeypatch):
        monkeypatch.setattr(os, "cpu_count", lambda: len(os.sched_getaffinity(0)) + 1)
        affinity.set_affinity()
        assert "POCL_AFFINITY" not in os.environ

    @pytest.mark.parametrize(
        ("quota", "pins"), [("max 100000", True), ("{all} 100000", True), ("150000 100000", False)]
    )
    def test_a_container_that_gets_less_time_than_all_cores_have_does_not(self, monkeypatch, tmp_path, quota, pins):
        monkeypatch.setattr(os, "cpu_count", lambda: 2)
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
        monkeypatch.setattr(affinity, "QUOTA", tmp_path / "cpu.max")
        affinity.QUOTA.write_text(quota.format(all=2 * 100000) + "\n")
        affinity.set_affinity()
        assert ("POCL_AFFINITY" in os.environ) == pins

    def test_what_a_pinned_process_starts_is_not_pinned_to_the_same_cores(self, monkeypatch):
        affinity.set_affinity()
        monkeypatch.setenv(affinity._SET_BY, "1")
        affinity.set_affinity()
        assert "POCL_AFFINITY" not in os.environ


def test_workers_of_multiprocessing_and_joblib_do_not_own_the_machine(run_python):
    script = """
        import concurrent.futures, multiprocessing, os
        from gcnn.backends.opencl.affinity import owns_machine
        os.cpu_count = lambda: len(os.sched_getaffinity(0))
        assert owns_machine({})
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            print(pool.submit(owns_machine, {}).result())
    """
    done = run_python(script)
    assert done.stdout == "False\n", done.stderr
