"""Write the tiny model that the tests of serving use:  python -m tests.parity.tiny_model

It is checked in, so that those tests need none of the libraries that models are trained with. Run this when the format
of model folders changes; tests/parity/test_tiny_model.py fails until then.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tests.support.dataframes import invented
from tests.support.paths import TINY_MODEL
from training.data.dataset import SPLITS, Split
from training.families import RunContext
from training.families.fit import Trained, fit
from training.families.linear import logreg
from training.registry import build


def synthetic_splits() -> dict[Split, pd.DataFrame]:
    """Return a thousand synthetic tweets for each split."""
    return {split: invented(1000, seed) for seed, split in enumerate(SPLITS)}


def train(data: Mapping[Split, pd.DataFrame], folder: Path) -> Trained:
    """Fit logistic regression on `data`, in an instant. `folder` is the run's working folder."""
    context = RunContext(folder, lambda step, figures: None)
    configuration = logreg.Configuration(min_df=1, keep=300)
    return fit("logreg", configuration, data, data["train"].label.to_numpy(np.float32), context)[0]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        trained = train(synthetic_splits(), Path(folder))
    shutil.rmtree(TINY_MODEL, ignore_errors=True)
    build.write(trained, "tiny", "run", TINY_MODEL, compact=True)


if __name__ == "__main__":
    main()
