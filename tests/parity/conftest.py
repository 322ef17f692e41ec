"""A logistic regression, trained on synthetic tweets in less than a second."""

import pandas as pd
import pytest

from tests.parity import tiny_model
from training.data.dataset import Split
from training.families.fit import Trained


@pytest.fixture(scope="session")
def data() -> dict[Split, pd.DataFrame]:
    return tiny_model.synthetic_splits()


@pytest.fixture(scope="session")
def trained(data: dict[Split, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return tiny_model.train(data, tmp_path_factory.mktemp("context"))
