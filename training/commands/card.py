"""`card`: print the model card of a model folder. `export` and `calibrate` write it there."""

import argparse
from pathlib import Path

from training.reports import model_card


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder")


def run(arguments: argparse.Namespace) -> None:
    print(model_card.read(arguments.model), end="")
