"""Runs: a training with everything that belongs to it, in a folder that explains itself."""

from gcnn.runs.experiment import Experiment
from gcnn.runs.folder import RunFolder
from gcnn.runs.settings import METHODS, SCHEDULES, Settings

__all__ = ["METHODS", "SCHEDULES", "Experiment", "RunFolder", "Settings"]
