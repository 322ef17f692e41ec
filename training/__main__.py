"""`python -m training COMMAND`: make models, from labelled tweets to a model folder that the app serves.

COMMAND --help explains each command.
"""

import argparse
import os
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "prepare": "turn a file of labelled tweets into a clean, split data set",
    "train": "fit a model family, calibrate it, evaluate it on validation, log it to MLflow",
    "tune": "search the settings of a family with Optuna, in any number of processes",
    "export": "build the model folder of a trained run, check it, register it as the challenger",
    "promote": "install the challenger in models/ if it is not worse than the model it replaces",
    "evaluate": "measure a model folder on any labelled file: overall, by slice, and with behavioural tests",
    "calibrate": "copy a model folder and fit its calibration and thresholds to your own texts",
    "compare": "write docs/models.md: every exported run, measured in the same way",
    "card": "print the card of a model folder",
    "score": "score a file of texts in bulk, here or on Spark",
    "languages": "measure how well languages are recognised, or fit the table that recognises them",
}


def main(arguments: Sequence[str] | None = None) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # else TensorFlow prints notes about the CPU when imported
    summaries = "\n".join(f"  {command:9} {summary}" for command, summary in COMMANDS.items())
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m training", description=__doc__, epilog=summaries, formatter_class=plain)
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    rest = parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    rest.required = False  # else the error for a missing COMMAND names it
    chosen = parser.parse_args(arguments)
    module = import_module(f"training.commands.{chosen.command}")  # imported here: MLflow takes seconds to load
    program = f"{parser.prog} {chosen.command}"
    command_parser = argparse.ArgumentParser(program, description=module.__doc__, formatter_class=plain)
    module.add_arguments(command_parser)
    try:
        module.run(command_parser.parse_args(chosen.arguments))
    except OSError as error:  # a disk that is full, a folder that may not be written
        raise SystemExit(f"{error.filename or program}: {error.strerror or error}") from error
    except MemoryError as error:
        raise SystemExit(f"{program}: there is not enough memory; `prepare --sample` takes fewer texts") from error


if __name__ == "__main__":
    main()
