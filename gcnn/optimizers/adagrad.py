"""AdaGrad: every parameter with a rate of its own, by the size of its gradients so far.

sum (Duchi, Hazan and Singer 2011):            a ← a + g²,              θ ← θ - α g / (sqrt(a) + ε)
mean (as delmas, Eq. 9 prints it):             a ← a + (g² - a) / n,    θ ← θ - α g / (sqrt(a) + ε)
full (delmas, the note on J Jᵀ after Eq. 10):  G ← G + g gᵀ,            θ ← θ - α (G^½ + ε I)⁻¹ g
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gcnn.backend import UpdateRule
from gcnn.errors import OptimizerError, one_of
from gcnn.maps import Array
from gcnn.optimizers.base import Optimizer
from gcnn.optimizers.settings import Fixed, Rate, Setting


class AdaGrad(Optimizer):
    """Step every parameter by its gradient over the root of the sum, or mean, of its squared gradients.

    The mean with rate α is the sum with rate α sqrt(n): its steps do not decay, so noise in the gradient never averages
    out. The full matrix costs parameters² memory and parameters³ time a step; it is the sum where G is diagonal.

    Args:
        lr: α > 0, or a schedule.
        form: "sum", the method of that name; "mean", as delmas prints it; "full", with all products of the gradient.
        eps: ε > 0, outside the root.
        common: l2, l2_centre, l2_mask, clip_norm, clip_value: see `Optimizer`.
    """

    kind = "adagrad"
    slots = ("squares",)
    form = Fixed()
    lr = Setting(open_low=True, scheduled=True)
    eps = Setting(open_low=True)

    def __init__(self, lr: Rate = 0.01, form: str = "sum", eps: float = 1e-8, **common: Any) -> None:
        if form not in ("sum", *OTHER_FORMS):
            raise OptimizerError(f"AdaGrad: {one_of('form', form, ('sum', *OTHER_FORMS))}")
        super().__init__(**common)
        self.form = form
        self.lr, self.eps = lr, eps

    def rule(self, l2_mask: Array | None = None) -> UpdateRule:
        rule = super().rule(l2_mask)
        return rule if self.form == "sum" else replace(rule, **OTHER_FORMS[self.form])

    @staticmethod
    def apply(
        theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
    ) -> None:
        squares = slots["squares"]
        squares += gradient * gradient
        theta -= hyperparameters["lr"] * gradient / (np.sqrt(squares) + hyperparameters["eps"])


def mean(
    theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
) -> None:
    """Eq. 9 of delmas with its ε: the running mean in place of the sum."""
    squares = slots["squares"]
    squares += (gradient * gradient - squares) / count
    theta -= hyperparameters["lr"] * gradient / (np.sqrt(squares) + hyperparameters["eps"])


def full(
    theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
) -> None:
    """The matrix G = Σ g gᵀ and the inverse of its root, from its eigenvalues λ and eigenvectors.

    Until the gradients span everything G is singular, and λ that should be 0 come out as ± n u λ_max. g has no part there
    but rounding, which division by ε alone would blow up; so no λ is taken to be smaller than that.
    """
    n = theta.size
    products = slots["products"].reshape(n, n)
    products += np.outer(gradient, gradient)
    if not np.isfinite(products).all():  # no root: θ is not a number, as the other methods make it
        theta += np.nan
        return
    eigenvalues, vectors = np.linalg.eigh(products)
    least = n * np.finfo(products.dtype).eps / 2 * eigenvalues.max(initial=0.0)
    roots = np.sqrt(np.maximum(eigenvalues, least))
    theta -= hyperparameters["lr"] * (vectors @ ((vectors.T @ gradient) / (roots + hyperparameters["eps"])))


OTHER_FORMS: dict[str, dict[str, Any]] = {
    "mean": {"kind": "adagrad_mean", "apply": mean},
    "full": {"kind": "adagrad_full", "slots": (), "matrices": ("products",), "apply": full},
}
"""What differs from the rule of the sum."""
