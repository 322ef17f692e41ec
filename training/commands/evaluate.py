"""`evaluate`: measure a model folder on any labelled file: overall, by slice, and with behavioural tests.

Reads parquet or CSV with `text` and `label` (words, 0 and 1, or 0 and 4; --labels explains others), or the format of
Sentiment140. Neutral texts are left out. Accuracy and AUC have 95% bootstrap intervals. Metrics that the texts do not
define are left out, such as the AUC of one class.

    python -m training evaluate models/lite tweets.csv --out lite.json
    python -m training evaluate models/lite stars.csv --labels 'negative=1|2,neutral=3,positive=4|5'
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from sentiment.errors import ModelError
from sentiment.model import Model
from training.data import labels, readers
from training.data.json_files import write_json
from training.evaluation.evaluation import Evaluation, evaluate
from training.reports import tables
from training.reports.tables import Table, to_rich

console = Console(width=None if sys.stdout.isatty() else 120)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder")
    parser.add_argument("data", type=Path, metavar="DATA", help="a labelled file")
    labels.add_option(parser)
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write every metric to a file, too")


def run(arguments: argparse.Namespace) -> None:
    if arguments.out and arguments.out.is_dir():
        raise SystemExit(f"--out {arguments.out}: is a folder")
    rows, skipped = readers.read_labelled(arguments.data, arguments.labels)
    try:
        evaluation = evaluate(Model.load(arguments.model), rows)
    except ModelError as error:
        raise SystemExit(str(error)) from error
    show(evaluation)
    for reason, number in skipped.items():
        console.print(f"left out: {number:,} rows, {reason}")
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(arguments.out, evaluation)


def show(evaluation: Evaluation) -> None:
    """Print an evaluation as tables."""
    overall = evaluation.overall
    console.print(
        f"{evaluation.model} {evaluation.version} on {overall.n:,} texts, {overall.positive:.0%} positive "
        f"(sha256 {evaluation.dataset_sha256:.16}…)"
    )
    console.print(to_rich(_overall(evaluation), "Overall, with 95% intervals"))
    console.print(to_rich(tables.slices_table(evaluation.slices, show_empty=True), "By kind of text"))
    behaviour = tables.behaviour_table(evaluation.behaviour, signed=True)
    examples = (result.example or "" for result in evaluation.behaviour)
    console.print(to_rich(behaviour.with_column("the first that failed", examples), "Behaviour"))


def _overall(evaluation: Evaluation) -> Table:
    overall = evaluation.overall
    rows = [[tables.label(name), tables.format_estimate(overall, name)] for name in overall.values]
    if best := evaluation.best_threshold:
        where = f"at {best.lowest:.2f} to {best.highest:.2f}, each found on other texts of the file"
        rows.append(["accuracy, best threshold", f"{best.accuracy:.4f} {where}"])
    return Table(["metric", "value"], rows)
