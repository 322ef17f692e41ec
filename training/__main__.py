"""`python -m training VERB`: the offline half, from tweets to a model folder that the functions serve.

VERB --help says more about each.
"""

import argparse
import os
from collections.abc import Sequence
from importlib import import_module

VERBS = {
    "prepare": "a file of labelled tweets becomes a clean, split data set",
    "train": "fit a model family, calibrate it, measure it, keep it in MLflow",
    "tune": "search a family's settings with Optuna, in as many processes as you like",
    "export": "a trained run becomes a model folder in the registry, if it passes the gates",
    "promote": "the challenger takes its place in models/, if it is not worse than what is there",
    "evaluate": "measure a model folder on any labelled file, by kind of text and in its behaviour",
    "calibrate": "a model folder whose probabilities and thresholds hold for your own texts",
    "compare": "write docs/models.md: every exported run, measured the same way",
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
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow writes an installation id when it is imported
    module = import_module(f"training.commands.{chosen.verb}")  # now, since MLflow takes seconds to load
    verb = argparse.ArgumentParser(f"{parser.prog} {chosen.verb}", description=module.__doc__, formatter_class=plain)
    module.add_arguments(verb)
    module.run(verb.parse_args(chosen.arguments))


if __name__ == "__main__":
    main()
