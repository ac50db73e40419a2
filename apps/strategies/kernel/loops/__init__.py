"""Compiled loops of alpha expressions: arrays and scalars only. Import this inside functions.

Each fills the rows ``low`` to ``high`` of ``out`` and no others, and what it puts there depends on
nothing but the inputs: rows can be dealt out to any number of threads with the same bytes.
"""

from apps.strategies.kernel.loops.associations import (
    correlation_2d,
    covariance_2d,
    rank_correlation_2d,
)
from apps.strategies.kernel.loops.merits import middled_2d, rank_ic_2d
from apps.strategies.kernel.loops.programs import program_1d
from apps.strategies.kernel.loops.rows import (
    demean_2d,
    group_mean_2d,
    group_rank_2d,
    keys_2d,
    rank_rows_2d,
    ranks_2d,
    scale_2d,
    truncate_2d,
    zscore_2d,
)
from apps.strategies.kernel.loops.windows import (
    argmax_2d,
    argmin_2d,
    decay_linear_2d,
    max_2d,
    min_2d,
    product_2d,
    rank_2d,
    std_2d,
    sum_2d,
)

__all__ = [
    "argmax_2d",
    "argmin_2d",
    "correlation_2d",
    "covariance_2d",
    "decay_linear_2d",
    "demean_2d",
    "group_mean_2d",
    "group_rank_2d",
    "keys_2d",
    "max_2d",
    "middled_2d",
    "min_2d",
    "product_2d",
    "program_1d",
    "rank_2d",
    "rank_correlation_2d",
    "rank_ic_2d",
    "rank_rows_2d",
    "ranks_2d",
    "scale_2d",
    "std_2d",
    "sum_2d",
    "truncate_2d",
    "zscore_2d",
]
