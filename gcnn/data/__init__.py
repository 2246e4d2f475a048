"""Data sets by name or from files, how to hold samples back from training, and how to prepare and vary them."""

from gcnn.data.augmentation import Shift
from gcnn.data.dataset import DATASETS, Dataset, open_dataset
from gcnn.data.digits import load_digits
from gcnn.data.idx import read_idx, write_idx
from gcnn.data.preparation import Preparation
from gcnn.data.samples import ArraySamples, Samples
from gcnn.data.splitting import split

__all__ = [
    "DATASETS",
    "ArraySamples",
    "Dataset",
    "Preparation",
    "Samples",
    "Shift",
    "load_digits",
    "open_dataset",
    "read_idx",
    "split",
    "write_idx",
]
