"""The interface of the library's members; defined in the kernel so that other apps may use it."""

from apps.strategies.kernel.interface import (
    Features,
    Floats,
    Parameter,
    Params,
    Spec,
    Strategy,
    View,
    check_params,
)

__all__ = [
    "Features",
    "Floats",
    "Parameter",
    "Params",
    "Spec",
    "Strategy",
    "View",
    "check_params",
]
