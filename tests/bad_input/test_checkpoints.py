"""Checkpoints: damaged, foreign, forged, and places where none can be; model, optimizer and file stay as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

import gcnn
from gcnn import Checkpoint, EarlyStopping
from gcnn.checkpoint import Snapshot, read_checkpoint, write_checkpoint
from gcnn.errors import CheckpointError, DataError, FormatError
from gcnn.optimizers import Momentum

X = np.linspace(-1, 1, 12).reshape(6, 2)
LABELS = np.array([0, 1, 0, 1, 1, 0])


def fit(model, path, optimizer=None, epochs=2, resume=True, **more):
    optimizer = Momentum(0.1) if optimizer is None else optimizer
    arguments = {"callbacks": [EarlyStopping(9, "loss")], "checkpoint": Checkpoint(path, resume=resume)} | more
    return gcnn.train(model, (X, LABELS), optimizer, epochs, **arguments)


@pytest.fixture
def saved(network, tmp_path):
    path = tmp_path / "checkpoint"
    fit(network.bind("numpy", dtype="float64", batch=4), path, epochs=1)
    return path


@pytest.fixture
def refused(model, saved, refuses):
    """`refused(FormatError, "text", change=...)`: going on from the changed checkpoint is refused, and nothing has changed."""

    def refused(kind, *texts, **change):
        write_checkpoint(saved, read_checkpoint(saved)._replace(**change))
        before, optimizer = saved.read_bytes(), Momentum(0.1)
        with refuses(kind, str(saved), *texts):
            fit(model, saved, optimizer)
        assert optimizer.lr == 0.1
        assert saved.read_bytes() == before
        assert [p.name for p in saved.parent.iterdir()] == [saved.name]

    return refused


def document_with(saved, **change):
    return read_checkpoint(saved).document | change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": 3}, "cannot have done 3 steps"),
        ({"count": -1}, "cannot have done -1 steps"),
        ({"count": True}, "'count' must be int"),
        ({"count": 2.0}, "'count' must be int"),
        ({"count": 10**400}, "cannot have done 1000"),
        ({"batches": 1}, "cannot have done 2 steps, 1 of them"),
        ({"batches": 3, "count": 5}, "cannot have done 5 steps, 3 of them"),
        ({"batches": -1, "count": 1}, "cannot have done 1 steps, -1 of them"),
        ({"made_for": None}, "'made_for' must be dict"),
        ({"batches": 2, "count": 4, "loss": 1}, "'loss' must be float"),
        ({"seconds": None}, "'seconds' must be float"),
        ({"stopped": "no"}, "'stopped' must be bool"),
        ({"generator": {"bit_generator": "MT19937", "state": {}}}, "state of the random generator"),
        ({"generator": {"bit_generator": "PCG64"}}, "state of the random generator"),
        ({"epoch_start": {"bit_generator": "PCG64", "state": {"state": 2**128, "inc": 1}}}, "random generator"),
        ({"epoch_start": {"bit_generator": "PCG64", "state": {"state": "1", "inc": 1}}}, "random generator"),
        ({"callbacks": {}}, "'callbacks' must be list"),
        ({"callbacks": []}, "states of 1 callbacks"),
        ({"callbacks": [[]]}, "states of 1 callbacks"),
        ({"callbacks": [{"best": 1.0}]}, "'best_epoch' is missing"),
        ({"callbacks": [{"best": None, "best_epoch": 0}]}, "best parameters are missing or damaged"),
        ({"settings": {}}, "'lr' is missing"),
        ({"settings": {"lr": 0.0, "momentum": 0.9}}, "cannot have set lr to 0.0"),
        ({"settings": {"lr": float("nan"), "momentum": 0.9}}, "cannot have set lr to nan"),
        ({"settings": {"lr": True, "momentum": 0.9}}, "'lr' must be float"),
        ({"settings": {"lr": {"schedule": "Step", "lr": 0.1}, "momentum": 0.9}}, "cannot have set lr"),
        ({"history": {}}, "'loss' is missing"),
        ({"history": {"loss": [1.0], "validation_loss": [], "accuracy": [], "seconds": []}}, "0 entries of seconds"),
        ({"history": {"loss": ["1"], "validation_loss": [], "accuracy": [], "seconds": [1.0]}}, "must be numbers"),
        ({"history": {"loss": [True], "validation_loss": [], "accuracy": [], "seconds": [1.0]}}, "must be numbers"),
        ({"history": {"loss": [], "validation_loss": [], "accuracy": [], "seconds": []}}, "cannot have done 2 steps"),
    ],
)
def test_no_field_may_be_missing_of_another_kind_or_impossible(change, said, refused, saved):
    refused(FormatError, said, document=document_with(saved, **change))


@pytest.mark.parametrize("name", ["OptimizerError", "ABC", "Schedule", "dataclass", "pi", "", None, {}])
def test_a_schedule_by_another_name_is_nothing_that_is_called(name, refused, saved):
    settings = {"lr": {"schedule": name, "lr": 0.1}, "momentum": 0.9}
    kind = FormatError if name == "Schedule" else CheckpointError
    refused(kind, document=document_with(saved, settings=settings))


@pytest.mark.parametrize(
    "change",
    [
        {"theta": np.zeros(16)},
        {"theta": np.zeros((17, 1))},
        {"theta": np.zeros(17, "float32")},
        {"theta": np.full(17, np.inf)},
        {"theta": None},
        {"slot.step": np.full(17, np.nan)},
        {"slot.step": None},
        {"slot.more": np.zeros(17)},
        {"callback.0.theta": None},
        {"callback.0.theta": np.full(17, np.nan)},
        {"other": np.zeros(1)},
    ],
)
def test_no_array_may_be_missing_additional_of_another_kind_or_not_finite(change, model, saved):
    tensors = read_checkpoint(saved).tensors
    changed = {name: array for name, array in (tensors | change).items() if array is not None}
    write_checkpoint(saved, read_checkpoint(saved)._replace(tensors=changed))
    before = saved.read_bytes()
    with pytest.raises((CheckpointError, FormatError), match=str(saved)):
        fit(model, saved)
    assert saved.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "gcnn-network", "version": 99}', "\0"])
def test_a_network_that_is_none_is_refused(text, refused):
    refused(FormatError, network=text)


@pytest.mark.parametrize("made_for", [{}, {"batch": 4}, {"batch": 5}])
def test_a_checkpoint_that_does_not_say_what_it_was_made_for_is_of_another_training(made_for, refused, saved):
    refused(CheckpointError, "another training", "seed: None then", document=document_with(saved, made_for=made_for))


def test_a_file_cut_short_anywhere_is_refused_and_stays(model, saved, refuses):
    whole = saved.read_bytes()
    for length in [0, 1, 8, 100, len(whole) // 2, len(whole) - 8, len(whole) - 1]:
        saved.write_bytes(whole[:length])
        with refuses(FormatError, str(saved), "not a whole safetensors file"):
            fit(model, saved)
        assert saved.read_bytes() == whole[:length]


def test_no_flipped_bit_of_the_header_gives_anything_but_a_training_or_an_error_that_says_so(network, saved):
    """Data are not checked, so a flipped bit of a number is another number; what describes them is."""
    whole = saved.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    refused = 0
    for position in range(0, header, 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0x01 << position % 7
        saved.write_bytes(damaged)
        try:
            fit(network.bind("numpy", dtype="float64", batch=4), saved)
        except (FormatError, CheckpointError) as error:
            assert str(saved) in str(error)  # noqa: PT017  # errors and trainings are both right
            assert saved.read_bytes() == damaged
            refused += 1
    assert refused > header / 7 / 2


def replaced(value, path, new):
    """A JSON value with another one at a place in it."""
    if not path:
        return new
    changed = value.copy()
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


def places(value, path=()):
    """All places in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


@pytest.mark.parametrize("new", [None, -1, 1e300, "x", [], {}, True, 10**30], ids=repr)
def test_no_value_put_anywhere_into_the_document_gives_anything_but_a_training_or_an_error_that_says_so(
    new, network, saved
):
    snapshot, tried = read_checkpoint(saved), 0
    for place in list(places(snapshot.document))[1:]:
        write_checkpoint(saved, snapshot._replace(document=replaced(snapshot.document, place, new)))
        try:
            fit(network.bind("numpy", dtype="float64", batch=4), saved)
        except (FormatError, CheckpointError) as error:
            assert str(saved) in str(error)  # noqa: PT017  # errors and trainings are both right
        tried += 1
    assert tried > 30


def test_a_model_a_foreign_file_and_a_later_version_are_no_checkpoints(model, tmp_path, refuses):
    path = tmp_path / "file"
    metadata = {"format": "gcnn-checkpoint", "network": model.network.to_json(), "notes": "{}", "training": "{}"}
    model.save(path)
    with refuses(FormatError, str(path), "not a gcnn checkpoint"):
        fit(model, path)
    path.write_bytes(save({"theta": np.zeros(17)}))
    with refuses(FormatError, str(path), "not a gcnn checkpoint"):
        fit(model, path)
    path.write_bytes(save({"theta": np.zeros(17)}, metadata | {"version": "2"}))
    with refuses(FormatError, str(path), "version '2'", "Upgrade gcnn"):
        fit(model, path)
    path.write_bytes(save({"theta": np.zeros(17)}, metadata | {"version": "1", "training": "[" * 100_000}))
    with refuses(FormatError, str(path), "not a JSON document"):
        fit(model, path)
    path.write_bytes(save({"theta": np.zeros(17)}, metadata | {"version": "1"}))
    with refuses(FormatError, str(path), "'made_for' is missing"):
        fit(model, path)


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_is_no_checkpoint_and_is_told_with_the_remedy(model, tmp_path, refuses, resume):
    with refuses(CheckpointError, str(tmp_path), "is a folder", "give the name of a file in it"):
        fit(model, tmp_path, resume=resume)


def test_a_folder_that_is_not_there_is_told_before_the_first_step(model, tmp_path):
    path, steps = tmp_path / "nowhere" / "checkpoint", []
    with pytest.raises(FileNotFoundError, match=rf"{path.parent} must be a folder that you may write to"):
        fit(model, path, progress=lambda batches, epoch: steps.append(epoch) or batches)
    assert steps == []


@pytest.mark.parametrize("checkpoint", [5, True, b"checkpoint", ["checkpoint"], {"path": "checkpoint"}])
def test_what_is_no_path_is_refused(model, refuses, checkpoint):
    with refuses(DataError, "must be a path or a gcnn.Checkpoint", repr(checkpoint)):
        gcnn.train(model, (X, LABELS), checkpoint=checkpoint)
    with refuses(DataError, "Checkpoint: path must name a file", repr(checkpoint)):
        Checkpoint(checkpoint)


@pytest.mark.parametrize("path", ["", None])
def test_an_empty_path_names_no_file(refuses, path):
    with refuses(DataError, "path must name a file"):
        Checkpoint(path)


@pytest.mark.parametrize("seconds", [-1, float("nan"), "1", None, 1j])
def test_a_time_that_is_none_is_refused(refuses, seconds):
    with refuses(DataError, "seconds must be a number of at least 0", repr(seconds)):
        Checkpoint("checkpoint", seconds)


@pytest.mark.parametrize("resume", ["no", 1, None])
def test_going_on_is_asked_for_by_true_or_false(refuses, resume):
    with refuses(DataError, "resume must be True or False", repr(resume)):
        Checkpoint("checkpoint", resume=resume)


def test_notes_that_json_has_not_are_refused_before_the_first_step(model, tmp_path, refuses):
    model.notes = {"classes": {"a", "b"}}
    with refuses(DataError, "model.notes cannot be saved", "set"):
        fit(model, tmp_path / "checkpoint")
    with refuses(DataError, "model.notes cannot be saved"):
        model.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_complex_model_is_refused_before_the_first_step(network, tmp_path, refuses):
    with refuses(DataError, "complex128 is for derivatives only"):
        fit(network.bind("numpy", dtype="complex128"), tmp_path / "checkpoint")
    assert list(tmp_path.iterdir()) == []


def test_numbers_come_back_from_json_as_they_went_there(tmp_path):
    path = tmp_path / "checkpoint"
    numbers = [0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, float("inf"), 1 / 3, float(np.nextafter(1, 2))]
    write_checkpoint(path, Snapshot("", {}, {}, {"numbers": numbers, "state": 2**128 - 1}))
    document = read_checkpoint(path).document
    assert [value.hex() for value in document["numbers"]] == [value.hex() for value in numbers]
    assert document["state"] == 2**128 - 1
    assert json.dumps(document["numbers"][1]) == "-0.0"


def test_a_pathlib_path_and_its_text_name_the_same_checkpoint(network, saved):
    fit(network.bind("numpy", dtype="float64", batch=4), str(saved))
    assert read_checkpoint(Path(saved)).document["count"] == 4
