"""`train`: fit one model family on the prepared data, calibrate it and evaluate it on validation, in an MLflow run.

The test split is not used: `export` measures on it once, when everything has been chosen. `--set` gives the settings of
the family's Configuration in training/families/: --set C=1 --set max_ngram=2 --set text.stop_words=true, and several
values for a tuple: --set 'C=[0.5,1,2]'. `--set help` lists them with their defaults.

A training that was stopped continues where it was when the same command is run again.

With --teacher FILE, a file of the training texts that `score` wrote, the family learns the teacher's probabilities
instead of the labels (Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015).
"""

import argparse
from pathlib import Path

from rich.console import Console

from training.data.dataset import DATA, describe, load_training_splits
from training.data.teacher import load_targets
from training.families import FAMILIES, Untrainable, load_family
from training.families.settings import configure
from training.registry import mlflow_tracking, training_run
from training.registry.training_run import Training

console = Console(stderr=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", choices=FAMILIES, required=True)
    parser.add_argument("--data", type=Path, default=DATA, help="the output of `prepare` (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; help lists them")
    parser.add_argument("--run-name", help="the name in `compare` (default: the family and what is set)")
    parser.add_argument("--texts", type=int, metavar="N", help="train on the first N texts of the split only")
    parser.add_argument("--teacher", type=Path, metavar="FILE", help="the training texts with a teacher's probability")


def run(arguments: argparse.Namespace) -> None:
    configuration = configure(load_family(arguments.family).Configuration, arguments.set)
    data = load_training_splits(arguments.data, arguments.texts)
    target = load_targets(data["train"], arguments.teacher)
    description = describe(arguments.data)
    for line in description.unused():
        console.print(line)
    name = arguments.run_name or " ".join([arguments.family, *arguments.set])
    training = Training(arguments.family, configuration, data, target)
    with mlflow_tracking.connected():
        try:
            finished = training_run.train(training, name, description.sources, teacher=str(arguments.teacher or ""))
        except Untrainable as error:
            raise SystemExit(f"--set {error}") from error
    console.print(finished.trained.validation.values)
    print(finished.run_id)
