"""`prepare`: turn a file of labelled tweets into a clean, split data set. Every row that is skipped is counted.

Reads parquet or CSV with `text` and `label`, or the format of Sentiment140 (no header, six quoted columns, latin-1,
target 0 or 4). Labels are words (negative, neutral, positive), 0 and 1, or 0 and 4. Other labels may mean several
things and are refused, unless --labels says what each means, such as negative=0,neutral=1,positive=2.

Writes train.parquet, validation.parquet, test.parquet and, for people, report.json and plots into one folder. They
replace an earlier data set in one step: a killed `prepare` leaves that one. MLflow gets the report, the plots and the
digests of the texts, too.

The split depends on the content of a text alone. Texts that differ only in mentions, links, digits, punctuation, case
or elongation have the same content, so near-duplicates stay in one split. Validation and test keep one text of each
content. --sample keeps the split and the proportion of each split and class; which texts it takes depends on --seed.

A .toml file names several sources, each with its columns, labels, language, licence and weight; training/sources.toml
is an example, and training/data/sources.py explains every field. What --exclude names, and what that file names as
evaluation, is in no split, nor are near-duplicates of it. Neutral texts are kept, for models of three classes.
"""

import argparse
from pathlib import Path

import msgspec
from rich.console import Console

from training.data import labels, profile, sentiment140
from training.data.dataset import DATA, REPORT, load_rows
from training.data.preparation import Options, Report, prepare

DEFAULTS = Options()

console = Console(stderr=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    formats = "parquet or CSV with text and label, a CSV of Sentiment140, or a .toml file that names several"
    source.add_argument("source", nargs="?", type=Path, help=formats)
    source.add_argument("--download", action="store_true", help=f"download {sentiment140.ARCHIVE_URL} first")
    labels.add_option(parser)
    parser.add_argument("--out", type=Path, default=DATA, help="the folder to write (default: %(default)s)")
    parser.add_argument(
        "--exclude",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="texts for evaluation: drop them and their near-duplicates",
    )
    parser.add_argument("--about", metavar="TEXT", help="the text about the data in model cards: origin, licence, bias")
    parser.add_argument(
        "--holdout", type=float, default=DEFAULTS.holdout, help="share of validation, and of test (%(default)s)"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="keep N texts in all (default: every one)")
    parser.add_argument("--seed", type=int, default=DEFAULTS.seed, help="of the sample (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    if arguments.download:
        console.print(f"downloading {sentiment140.ARCHIVE_URL}")
        source = sentiment140.download(arguments.out)
    else:
        source = arguments.source
    options = Options(
        holdout=arguments.holdout,
        sample=arguments.sample,
        seed=arguments.seed,
        about=arguments.about,
        labels=arguments.labels,
        exclude=tuple(arguments.exclude),
    )
    report = prepare(source, arguments.out, options)
    console.print_json(msgspec.json.encode(report).decode())
    _log_to_mlflow(report, options, arguments.out)


def _log_to_mlflow(report: Report, options: Options, folder: Path) -> None:
    import mlflow  # takes seconds to import: a wrong argument should be reported before that

    from training.registry import mlflow_tracking

    settings = {"holdout": options.holdout, "sample": options.sample, "seed": options.seed}
    with mlflow_tracking.connected(), mlflow.start_run(run_name="prepare"):
        mlflow.log_params(settings | {"source": report.source, "sha256": report.sha256})
        mlflow_tracking.log_sources(report.sources)
        mlflow.log_metrics({"rows": report.rows} | {f"texts_{split}": n for split, n in report.splits.items()})
        mlflow.log_artifact(str(folder / REPORT))
        for plot in profile.PLOTS:
            mlflow.log_artifact(str(folder / f"{plot}.png"), "plots")
        for split, rows in load_rows(folder).items():
            if len(rows):
                mlflow_tracking.log_dataset(split, rows)
