"""The interface of the library's members; defined in the kernel so that other apps may use it."""

from apps.strategies.kernel.interface import (
    Component,
    Features,
    Floats,
    Parameter,
    Params,
    Spec,
    Strategy,
    View,
    check_bars,
    check_inputs,
    check_panel,
    check_params,
)

__all__ = [
    "Component",
    "Features",
    "Floats",
    "Parameter",
    "Params",
    "Spec",
    "Strategy",
    "View",
    "check_bars",
    "check_inputs",
    "check_panel",
    "check_params",
]
