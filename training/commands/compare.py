"""`compare`: write docs/models.md: every exported run, measured on the test split in the same way.

    python -m training compare             measure the exported runs into docs/models.json, then render the document
    python -m training compare --render    render docs/models.md from docs/models.json again

If several exports have the same name, the last one counts. Text outside the marks of docs/models.md is not changed.
"""

import argparse
from pathlib import Path

import mlflow
from rich.console import Console

from training.evaluation.estimates import estimate_compared
from training.evaluation.roc import roc_points
from training.registry import mlflow_tracking
from training.reports import comparison

console = Console(stderr=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the document is (default: %(default)s)")
    parser.add_argument("--render", action="store_true", help="measure nothing")


def run(arguments: argparse.Namespace) -> None:
    if not arguments.render:
        with mlflow_tracking.connected():
            rows = [_row(run) for run in mlflow_tracking.exported_runs()]
        if not rows:
            raise SystemExit("nothing has been exported: run `train` and `export` first")
        comparison.save(rows, arguments.docs)
    models = comparison.render(arguments.docs)
    console.print(f"{arguments.docs / comparison.DOCUMENT}: {models} models", markup=False, soft_wrap=True)


def _row(run: mlflow.entities.Run) -> comparison.Row:
    """Measure a run by the predictions that `export` logged."""
    predictions = mlflow_tracking.load_predictions(run.info.run_id)
    labels, probability = predictions.label.to_numpy(), predictions.probability.to_numpy()
    return comparison.Row(
        name=run.info.run_name,
        run_id=run.info.run_id,
        family=run.data.params["family"],
        train_texts=int(run.data.params["texts"]),
        train_seconds=run.data.metrics["seconds"],
        test_texts=len(labels),
        metrics=estimate_compared(labels, probability),
        size_bytes=int(run.data.metrics["bytes"]),
        milliseconds=run.data.metrics["milliseconds"],
        roc=roc_points(labels, probability),
    )
