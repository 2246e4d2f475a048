"""Benchmarks: the same work on several backends, and in PyTorch, in one process."""

from gcnn.bench.works import WORKS, Comparison, bound, compare

__all__ = ["WORKS", "Comparison", "bound", "compare"]
