"""Bars for tests: real ones of the bundled sample, small ones by hand."""

from pathlib import Path

import numpy as np
import pandas as pd

from apps.market.kernel.columns import Columns
from apps.market.providers.sample import SampleProvider

FOLDER = Path(__file__).parents[2] / "data" / "sample"
SAMPLE = SampleProvider(str(FOLDER))
DAY = 86_400_000_000
MONDAY = 1_704_067_200_000_000  # 2024-01-01


def sample_table(name):
    """Read a file of the sample with pandas, another reader than the lab's."""
    return pd.read_parquet(FOLDER / f"{name}.parquet")


def columns(close, *, step=DAY, start=MONDAY):
    """Bars that open at the close before and stay within the two."""
    close = np.asarray(close, np.float64)
    opened = np.concatenate([close[:1], close[:-1]])
    return Columns(
        start + step * np.arange(len(close), dtype=np.int64),
        opened,
        np.maximum(opened, close),
        np.minimum(opened, close),
        close,
        np.full(len(close), 100.0),
    )
