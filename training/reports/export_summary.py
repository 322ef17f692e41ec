"""What an export measures: MLflow keeps it, the model card shows it."""

from typing import NamedTuple

import msgspec
import pandas as pd

from sentiment.manifest import Manifest
from training.evaluation.estimates import Estimates
from training.evaluation.evaluation import Evaluation


class ExportCheck(msgspec.Struct, frozen=True):
    """An exported model compared with the trained model it was made from, on the same texts."""

    texts: int
    label_changes: int = msgspec.field(name="flips")  # without those within rounding error of 0.5
    largest_difference: float  # in probability
    bytes: int  # of all files
    latency_ms: float = msgspec.field(name="milliseconds")  # see evaluation.latency


class ExportSummary(NamedTuple):
    manifest: Manifest  # of the shipped model, with its metrics
    about: str  # the data
    reference: ExportCheck
    shipped: ExportCheck
    trained: Estimates  # on test, in the framework of the family
    evaluation: Evaluation  # of the shipped model, on test
    predictions: pd.DataFrame  # of the shipped model, on test: label and probability
