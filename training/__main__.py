"""`python -m training VERB`: make models, from labelled tweets to a model folder that the app serves.

VERB --help explains each verb.
"""

import argparse
import os
from collections.abc import Sequence
from importlib import import_module

VERBS = {
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
}


def main(arguments: Sequence[str] | None = None) -> None:
    summaries = "\n".join(f"  {verb:9} {summary}" for verb, summary in VERBS.items())
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m training", description=__doc__, epilog=summaries, formatter_class=plain)
    parser.add_argument("verb", choices=VERBS, metavar="VERB")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow writes an installation id when imported
    module = import_module(f"training.commands.{chosen.verb}")  # imported here: MLflow takes seconds to load
    verb = argparse.ArgumentParser(f"{parser.prog} {chosen.verb}", description=module.__doc__, formatter_class=plain)
    module.add_arguments(verb)
    module.run(verb.parse_args(chosen.arguments))


if __name__ == "__main__":
    main()
