"""All cases, a file for each layer and level. Ids are stable: reports, expected failures and documents refer to them."""

from gcnn.conformance.case import Case
from gcnn.conformance.cases import (
    activation,
    convolution,
    dense,
    feature_map,
    flatten,
    losses,
    max_pooling,
    networks,
    radial_basis,
    updates,
    vanilla_subsampling,
    weighted_subsampling,
)

CASES: tuple[Case, ...] = (
    *dense.CASES,
    *convolution.CASES,
    *weighted_subsampling.CASES,
    *max_pooling.CASES,
    *vanilla_subsampling.CASES,
    *radial_basis.CASES,
    *feature_map.CASES,
    *flatten.CASES,
    *activation.CASES,
    *losses.CASES,
    *updates.CASES,
    *networks.CASES,
)

__all__ = ["CASES"]
