"""The help of the commands that use a trained model, and the order in which all commands are met."""

from __future__ import annotations

import pytest


def test_the_help_lists_the_commands_in_the_order_in_which_they_are_met(gcnn):
    listed = gcnn("--help").stdout.partition("Commands:")[2].partition("Exit status")[0]
    names = [line.split()[0] for line in listed.strip().splitlines()]
    assert names == [
        "train",
        "resume",
        "evaluate",
        "predict",
        "summary",
        "data",
        "tune",
        "bench",
        "devices",
        "conformance",
    ]


@pytest.mark.parametrize("command", ["evaluate", "predict", "data"])
def test_help_ends_with_examples_of_the_command(gcnn, command):
    result = gcnn(command, "--help")
    assert result.exit_code == 0
    examples = result.stdout.partition("Examples:\n")[2].splitlines()
    assert len(examples) >= 4
    assert all(line.startswith(f"    gcnn {command}") for line in examples)
