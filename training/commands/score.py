"""`score`: add predictions to a parquet or CSV file with a column `text`.

Three columns are added: probability (that readers see the text as positive), predicted (positive or negative) and
decision (publish, review or hold). Every other column and the order of the rows stay as they are. `label` is not used
and not changed: it is the label that people gave.

Every row needs a text. If a row has none, `score` names the first such row and writes nothing: a file with missing
rows or made-up scores cannot be trusted row by row.

    python -m training score tweets.parquet scored.parquet
    python -m training score tweets.csv scored.csv --model models/lite --engine spark --master spark://host:7077
"""

import argparse
from contextlib import AbstractContextManager
from pathlib import Path

from rich.console import Console

from sentiment.errors import ModelError
from sentiment.manifest import read_champion
from sentiment.model import Model
from training.scoring.engine import Engine, local_engine
from training.scoring.predict import MODELS
from training.scoring.score_file import score_file

console = Console(stderr=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", type=Path, help="a .parquet file, or a .csv file with a header, UTF-8")
    parser.add_argument("out", metavar="OUT", type=Path, help="the file to write, of the same type")
    parser.add_argument("--model", type=Path, help="a model folder (default: the champion of models/)")
    parser.add_argument("--engine", choices=("local", "spark"), default="local")
    parser.add_argument("--master", default="local[*]", help="Spark's master (default: %(default)s, all cores here)")


def run(arguments: argparse.Namespace) -> None:
    try:
        folder = arguments.model or MODELS / read_champion(MODELS)
        model = Model.load(folder)
    except ModelError as error:
        raise SystemExit(str(error)) from error
    engine = _spark_engine(folder, arguments.master) if arguments.engine == "spark" else local_engine(model)
    rows = score_file(arguments.source, arguments.out, engine, model.manifest.thresholds)
    name, version = model.manifest.name, model.manifest.version
    console.print(f"{arguments.out}: {rows:,} rows, scored by {name} {version}", markup=False, soft_wrap=True)


def _spark_engine(folder: Path, master: str) -> AbstractContextManager[Engine]:
    # Imported lazily: PySpark takes seconds to load, and the local engine works without it.
    from training.scoring.spark import spark_engine

    return spark_engine(folder, master)
