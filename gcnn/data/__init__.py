"""Data sets that come with gcnn, and how to hold samples back from training."""

from gcnn.data.dataset import DATASETS, Dataset
from gcnn.data.digits import load_digits
from gcnn.data.samples import ArraySamples, Samples
from gcnn.data.splitting import split

__all__ = ["DATASETS", "ArraySamples", "Dataset", "Samples", "load_digits", "split"]
