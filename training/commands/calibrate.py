"""`calibrate`: a copy of a model folder whose probabilities and thresholds hold for your own texts.

A model learnt how many texts are positive, and how sure it may be of one, from the texts it was made with; among yours
it may be otherwise. A thousand of yours with labels are too few to train on, but enough to set that right: the graph
stays, the calibration and the thresholds are fitted anew. They must be a random sample of what it is to judge: neither
balanced, nor picked, nor trained on. What that is worth is measured by cross-fitting, so that no text is judged by what
was fitted on it; where it is not better with 95% confidence (paired bootstrap of the Brier score), nothing is written.

    python -m training calibrate models/champion yours.csv --out models/yours
"""

import argparse
import os
import shlex
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import KFold

from sentiment.errors import ModelError
from sentiment.manifest import Manifest, Metrics
from sentiment.model import Model
from training.data import readers
from training.data.dataset import dataset_sha256
from training.evaluation import bootstrap, metrics
from training.evaluation.evaluation import Measured
from training.evaluation.metrics import Decided, Floats, Labels
from training.registry.model_folder import calibrate_manifest, check_name, write_manifest
from training.reports import model_card
from training.scoring.predict import predict

from . import prepare

FEWEST, IN_ALL = 50, 200  # texts of each label, and of both: chance must be no drift from what was calibrated on
FOLDS = 5

console = Console()


class CrossFitted(NamedTuple):
    """What a model, calibrated on others of the texts, says of each: [texts]."""

    probability: Floats
    publish: Decided
    hold: Decided


class Calibrated(NamedTuple):
    manifest: Manifest
    was: Measured
    will_be: Measured  # cross-fitted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder")
    parser.add_argument("data", type=Path, metavar="DATA", help="a labelled file: a random sample of your texts")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="what to write, named as the model")


def run(arguments: argparse.Namespace) -> None:
    source, out = arguments.model, arguments.out
    if os.path.lexists(out):
        raise SystemExit(f"--out {out}: is there already; nothing is overwritten")
    check_name("--out", out.name)
    try:
        model = Model.load(source)
        old, rows = model_card.read(source), read(arguments.data)
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as scratch:
            calibrated = calibrate(model, rows, out.name)
            built = Path(scratch) / out.name
            built.mkdir()
            for name in calibrated.manifest.files:
                shutil.copy(source / name, built)
            write_manifest(built, calibrated.manifest)
            (built / model_card.CARD).write_text(model_card.render_calibrated(model.manifest, *calibrated, old))
            built.rename(out)
    except (ModelError, OSError) as error:
        raise SystemExit(str(error)) from error
    show(calibrated)
    console.print(f"serve it: MODEL={shlex.quote(str(out.absolute()))} make serve", soft_wrap=True, markup=False)


def read(path: Path) -> pd.DataFrame:
    """The texts of a labelled file, each content once: a copy is no evidence. Raises SystemExit if they are too few."""
    left_out: Counter[str] = Counter()
    rows = readers.read(path, left_out)
    rows = prepare.resolve(rows.assign(content=rows.text.map(prepare.content), split="validation"), left_out)
    for reason, number in left_out.items():
        console.print(f"left out: {number:,} rows, {reason}")
    positive = int(rows.label.sum())
    if min(positive, len(rows) - positive) < FEWEST or len(rows) < IN_ALL:
        raise SystemExit(
            f"{path}: {len(rows) - positive} negative and {positive} positive texts; needed are {FEWEST} of each and "
            f"{IN_ALL} in all"
        )
    return rows


def calibrate(model: Model, rows: pd.DataFrame, name: str) -> Calibrated:
    """What a model becomes if it is calibrated on labelled texts, and given another name.

    Raises SystemExit where these texts do not show that it would be better.
    """
    labels, scores = rows.label.to_numpy(), predict(model, rows.text.tolist())
    if metrics.calibrate(labels, scores.logit).slope <= 0:
        raise SystemExit("the model does not tell these texts apart; are the labels the right way round?")
    fitted = cross_fit(labels, scores.logit)
    low, high = bootstrap.difference(bootstrap.brier, labels, fitted.probability, scores.probability)
    if high >= 0:
        raise SystemExit(
            f"these {len(rows):,} texts do not show that it would be better: its Brier score differs by {low:+.4f} to "
            f"{high:+.4f}; nothing is written"
        )
    was = metrics.evaluate(labels, scores.probability, model.manifest.thresholds)
    will_be = metrics.quality(labels, fitted.probability) | metrics.decisions(labels, fitted.publish, fitted.hold)
    manifest = calibrate_manifest(msgspec.structs.replace(model.manifest, name=name), rows, scores)
    measured = {"validation": Metrics(len(rows), dataset_sha256(rows), will_be)}
    manifest = msgspec.structs.replace(manifest, metrics=measured)
    share = float(labels.mean())
    return Calibrated(manifest, *(Measured(len(rows), share, values, {}) for values in (was, will_be)))


def cross_fit(labels: Labels, logit: Floats) -> CrossFitted:
    """Each fold by what is fitted on the others. Of texts enough that each label is on both sides."""
    fitted = CrossFitted(np.empty(len(labels)), *np.zeros((2, len(labels)), bool))
    for others, fold in KFold(FOLDS, shuffle=True, random_state=0).split(labels):
        probability = metrics.probability(logit, metrics.calibrate(labels[others], logit[others]))
        thresholds = metrics.choose_thresholds(labels[others], probability[others])
        fitted.probability[fold] = probability[fold]
        fitted.publish[fold] = probability[fold] >= thresholds.publish
        fitted.hold[fold] = probability[fold] <= thresholds.hold
    return fitted


def show(calibrated: Calibrated) -> None:
    """Print what changes, and from where on it decides."""
    manifest, was, will_be = calibrated
    title = f"{was.n:,} texts, {was.positive:.0%} positive"
    table = Table(title, "as it is", "calibrated")
    for name in model_card.CALIBRATED:
        table.add_row(name.replace("_", " "), model_card.figure(was, name), model_card.figure(will_be, name))
    console.print(table)
    console.print(f"{manifest.name} {manifest.version}: {model_card.decided(manifest.thresholds)}", soft_wrap=True)
