"""`calibrate`: copy a model folder and calibrate it for your own texts.

A model learned from its training texts how many are positive, and how sure it can be of one. Your texts may differ. A
thousand labelled texts are too few to train on, but enough to correct that: the graph stays, the calibration and the
thresholds are fitted anew. The texts must be a random sample of those the model will score: not balanced, not selected,
not trained on. The gain is measured by cross-fitting: no text is scored by a calibration that was fitted on it. If the
model is not better with 95% confidence (paired bootstrap of the Brier score), nothing is written.

    python -m training calibrate models/champion yours.csv --out models/yours
"""

import argparse
import os
import shlex
from pathlib import Path

from rich.console import Console

from sentiment.errors import ModelError
from training.data import cleaning, labels
from training.evaluation.calibration import UnsuitableTexts
from training.registry.model_folder import check_name
from training.registry.recalibration import RecalibratedModel, load_source, recalibrate
from training.reports import model_card, tables
from training.reports.tables import Table, to_rich

console = Console()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder")
    parser.add_argument("data", type=Path, metavar="DATA", help="a labelled file: a random sample of your texts")
    labels.add_option(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the model folder to write; its name becomes the model's",
    )


def run(arguments: argparse.Namespace) -> None:
    out = arguments.out
    if os.path.lexists(out):
        raise SystemExit(f"--out {out} already exists; nothing is overwritten")
    check_name("--out", out.name)
    try:
        source = load_source(arguments.model)
        rows, skipped = cleaning.read_distinct(arguments.data, arguments.labels)
        for reason, number in skipped.items():
            console.print(f"left out: {number:,} rows, {reason}")
        recalibrated = recalibrate(source, rows, out)
    except UnsuitableTexts as error:
        raise SystemExit(f"{arguments.data}: {error}; nothing is written") from error
    except (ModelError, OSError) as error:
        raise SystemExit(str(error)) from error
    show(recalibrated)
    console.print(f"serve it: MODEL={shlex.quote(str(out.absolute()))} make serve", soft_wrap=True, markup=False)


def show(recalibrated: RecalibratedModel) -> None:
    """Print the metrics before and after, and the new thresholds."""
    manifest, (before, after) = recalibrated
    rows = [
        [tables.label(name), tables.format_estimate(before, name), tables.format_estimate(after, name)]
        for name in model_card.CALIBRATED
    ]
    head = [f"{before.n:,} texts, {before.positive:.0%} positive", "as it is", "calibrated"]
    console.print(to_rich(Table(head, rows)))
    thresholds = model_card.describe_thresholds(manifest.thresholds)
    console.print(f"{manifest.name} {manifest.version}: {thresholds}", soft_wrap=True)
