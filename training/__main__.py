"""`python -m training VERB`: the offline half, from tweets to a model folder that the functions serve."""

import argparse

from . import export, prepare, train

VERBS = {"prepare": prepare, "train": train, "export": export}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, module in VERBS.items():
        summary = (module.__doc__ or "").partition("\n")[0].partition(": ")[2]
        verb = verbs.add_parser(
            name, help=summary, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add_arguments(verb)
        verb.set_defaults(verb=module.run)
    arguments = parser.parse_args()
    arguments.verb(arguments)


main()
