"""Backends that are wrong on purpose, one mistake each. The suite is worth what it catches of these.

They are the NumPy oracle with one method changed; `MUTANTS` lists them, docs/conformance.md which case caught which.
"""

from gcnn.conformance.mutants import functions, layers, losses, plans, pooling, updates
from gcnn.conformance.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *layers.MUTANTS,
    *pooling.MUTANTS,
    *functions.MUTANTS,
    *losses.MUTANTS,
    *plans.MUTANTS,
    *updates.MUTANTS,
)

__all__ = ["MUTANTS", "Mutant"]
