"""How large an error may be: a running error analysis of a whole program, layer by layer.

Every value carries a bound on its error. A sum of n products may be off by C (n + k) u Σ|a b|, where u is the unit roundoff of
the dtype under test and Σ|a b| is the same operator on absolute values; errors that come in are carried through. The
result bounds any order of summation and any sensible evaluation of the activations, and nothing a mistake would make.
"""

from gcnn.conformance.allowance.propagate import Reference, evaluate

__all__ = ["Reference", "evaluate"]
