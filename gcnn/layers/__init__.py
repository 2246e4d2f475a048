"""The layers: one frozen specification a file, with its equations at the top (Hedberg 2015, section 3; delmas)."""

from gcnn.layers.activation import Activation
from gcnn.layers.base import Layer, Parameter, layer_from_json, layer_names, register_layer
from gcnn.layers.convolution import Convolution
from gcnn.layers.dense import Dense
from gcnn.layers.feature_map import FeatureMap, register_feature_map
from gcnn.layers.flatten import Flatten
from gcnn.layers.max_pooling import MaxPooling
from gcnn.layers.radial_basis import RadialBasis, register_radial_function
from gcnn.layers.table import LENET5_C3
from gcnn.layers.vanilla_subsampling import VanillaSubsampling
from gcnn.layers.weighted_subsampling import WeightedSubsampling

__all__ = [
    "LENET5_C3",
    "Activation",
    "Convolution",
    "Dense",
    "FeatureMap",
    "Flatten",
    "Layer",
    "MaxPooling",
    "Parameter",
    "RadialBasis",
    "VanillaSubsampling",
    "WeightedSubsampling",
    "layer_from_json",
    "layer_names",
    "register_feature_map",
    "register_layer",
    "register_radial_function",
]
