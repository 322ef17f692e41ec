"""`calibrate`: a copy of a model folder whose probabilities and thresholds hold for your own texts.

A model learnt how many texts are positive, and how sure it may be of one, from the texts it was made with; among yours
it may be otherwise. Hundreds of yours with labels are too few to train on, but enough to set that right: the graph
stays, the calibration and the thresholds are fitted anew. What that is worth is measured by cross-fitting, so that no
text is judged by what was fitted on it. Where it is worth nothing, nothing is written.

    python -m training calibrate models/champion yours.csv --out models/yours
"""

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import StratifiedKFold

from sentiment.errors import ModelError
from sentiment.manifest import Manifest
from sentiment.model import Model

from . import card, labelled, metrics
from .export import check_name, settle, write_manifest
from .metrics import Floats, Labels
from .score import predict

FEWEST = 50  # texts of each label
FOLDS = 5

console = Console()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help=f"a labelled file, {FEWEST} texts of each label at least"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="a new model folder, named as the model"
    )


def run(arguments: argparse.Namespace) -> None:
    check_name("--out", arguments.out.name)
    if arguments.out.exists():
        raise SystemExit(f"--out {arguments.out}: is there already; nothing is overwritten")
    left_out: Counter[str] = Counter()
    rows = labelled.read(arguments.data, left_out)
    for reason, number in left_out.items():
        console.print(f"left out: {number:,} rows, {reason}")
    for value, label in enumerate(("negative", "positive")):
        if (number := int((rows.label == value).sum())) < FEWEST:
            raise SystemExit(f"{arguments.data}: {number} texts are {label}; {FEWEST} of each are needed")
    try:
        model = Model.load(arguments.model)
    except ModelError as error:
        raise SystemExit(str(error)) from error
    calibrate(model, arguments.model, rows, arguments.out)
    console.print(f"serve it: MODEL={arguments.out.absolute()} make serve", soft_wrap=True, markup=False)


def calibrate(model: Model, source: Path, rows: pd.DataFrame, out: Path) -> Manifest:
    """Write `source`, the folder of `model`, to `out`, calibrated for labelled texts; all of it, or nothing.

    Raises SystemExit where these texts say that it would be no better.
    """
    labels, scores = rows.label.to_numpy(), predict(model, rows.text.tolist())
    was = metrics.evaluate(labels, scores.probability, model.manifest.thresholds)
    if metrics.calibrate(labels, scores.logit).slope <= 0:
        raise SystemExit(f"{source} is rather wrong than right about these texts; are the labels the right way round?")
    will_be = cross_fitted(labels, scores.logit)
    show(was, will_be)
    if will_be["brier"] >= was["brier"]:
        raise SystemExit(f"{source} is as well calibrated for these texts as it can be; nothing is written")
    old = card.read(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        built = Path(scratch) / out.name
        shutil.copytree(source, built)
        write_manifest(built, msgspec.structs.replace(model.manifest, name=out.name))
        manifest = settle(built, rows, scores)
        (built / card.CARD).write_text(card.render_calibrated(model.manifest, manifest, was, will_be, old))
        built.rename(out)
    for decision in metrics.never(manifest.thresholds):
        reason = f"{len(rows):,} texts are too few, or too hard, to be {metrics.PRECISION:.0%} right with confidence"
        console.print(f"it never says {decision}: {reason}", soft_wrap=True)
    return manifest


def cross_fitted(labels: Labels, logit: Floats) -> dict[str, float]:
    """What to expect of further texts: the figures that calibration changes, each text judged by what others say.

    Of at least FOLDS texts of each label.
    """
    probability = np.empty(len(labels))
    publish, hold = np.zeros((2, len(labels)), bool)
    for others, fold in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(logit, labels):
        calibrated = metrics.probability(logit, metrics.calibrate(labels[others], logit[others]))
        thresholds = metrics.choose_thresholds(labels[others], calibrated[others])
        probability[fold] = calibrated[fold]
        publish[fold], hold[fold] = calibrated[fold] >= thresholds.publish, calibrated[fold] <= thresholds.hold
    return metrics.quality(labels, probability) | metrics.decisions(labels, publish, hold)


def show(was: Mapping[str, float], will_be: Mapping[str, float]) -> None:
    """Print both, side by side."""
    table = Table("on your texts", "as it is", "calibrated")
    for name in card.CALIBRATED:
        table.add_row(name.replace("_", " "), *(f"{v[name]:.4f}" if name in v else "-" for v in (was, will_be)))
    console.print(table)
