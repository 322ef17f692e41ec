"""`score`: a parquet or CSV file with a column `text` becomes the same file with three columns more.

probability (of being read as positive), predicted (positive or negative) and decision (publish, review or hold). Every
other column is carried through as it is and the rows keep their order. `label` is left alone: it is what people said.

Every row needs a text. The first that has none is named and nothing is written: a file in which a row is missing, or
has a score that nobody computed, cannot be trusted row by row.

    python -m training score tweets.parquet scored.parquet
    python -m training score tweets.csv scored.csv --model models/lite --engine spark --master spark://host:7077
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import batched
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from sentiment.errors import ModelError
from sentiment.manifest import Thresholds, read_champion
from sentiment.model import Model, Scores
from sentiment.verdict import verdict
from training.data.chunked_files import FORMATS, Added, File
from training.scoring.predict import BATCH, joined

MODELS = Path("models")
ADDED = pa.schema({"probability": pa.float64(), "predicted": pa.string(), "decision": pa.string()})

console = Console(stderr=True)

# Batches of texts become the scores of each, in order. Every engine is given the same batches: the last bits of a
# float32 sum depend on how far it is padded, and so on the longest text of the batch.
type Engine = Callable[[Iterable[Sequence[str]]], Iterator[Scores]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", type=Path, help="a .parquet file, or a .csv file with a header, UTF-8")
    parser.add_argument("out", metavar="OUT", type=Path, help="the file to write, of the same type")
    parser.add_argument("--model", type=Path, help="a model folder (default: the champion of models/)")
    parser.add_argument("--engine", choices=("local", "spark"), default="local")
    parser.add_argument("--master", default="local[*]", help="where Spark runs (default: %(default)s, all cores here)")


def run(arguments: argparse.Namespace) -> None:
    try:
        folder = arguments.model or MODELS / read_champion(MODELS)
        model = Model.load(folder)
    except ModelError as error:
        raise SystemExit(str(error)) from error
    engine = _spark(folder, arguments.master) if arguments.engine == "spark" else local(model)
    rows = score(arguments.source, arguments.out, engine, model.manifest.thresholds)
    about = model.manifest
    console.print(
        f"{arguments.out}: {rows:,} rows, scored by {about.name} {about.version}", markup=False, soft_wrap=True
    )


def score(source: Path, out: Path, engine: AbstractContextManager[Engine], thresholds: Thresholds) -> int:
    """Score `source` into `out`; the number of rows. `out` is what it was, or complete: never half a file.

    Memory: a chunk of rows and a batch of texts, whatever the size of the file. It is read twice, since a text that is
    missing in the last row should be found in the first second, before an engine is started. Raises SystemExit with
    one line.
    """
    file = _open(source, out)
    rows = _check(file, source)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f"{out.name}.part")
    try:
        with engine as scores_of, file.writer(unfinished, ADDED) as write, _progress() as progress:
            task = progress.add_task("score", total=rows)
            for chunk in file.chunks():
                scores = []
                texts = file.values(chunk, "text")
                for batch in scores_of(batched(texts, BATCH, strict=False)):
                    progress.advance(task, len(batch.probability))
                    scores.append(batch)
                write(chunk, _columns(texts, scores, thresholds))
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return rows


def local(model: Model) -> AbstractContextManager[Engine]:
    """One batch after the other, here, on one core."""
    return nullcontext(lambda batches: map(model.score, batches))


def _spark(folder: Path, master: str) -> AbstractContextManager[Engine]:
    from . import spark  # only now: it is no small library

    return spark.engine(folder, master)


def _open(source: Path, out: Path) -> File[Any]:
    if source.suffix not in FORMATS:
        raise SystemExit(f"{source}: must be one of {', '.join(FORMATS)}")
    if out.suffix != source.suffix or out.is_dir():
        raise SystemExit(f"{out}: must be a file of the same type, {source.suffix}")
    if not source.is_file():
        raise SystemExit(f"{source}: there is no such file")
    return FORMATS[source.suffix](source)


def _check(file: File[Any], source: Path) -> int:
    """The number of rows, each of which has a text. Raises SystemExit and says where there is none."""
    if file.columns.count("text") != 1:
        raise SystemExit(f"{source}: must have one column text; it has {', '.join(file.columns) or 'none at all'}")
    if taken := [name for name in ADDED.names if name in file.columns]:
        raise SystemExit(f"{source}: already has a column {', '.join(taken)}, which `score` would write: rename it")
    row = 0
    for text in (text for chunk in file.chunks() for text in file.values(chunk, "text")):
        row += 1
        if not isinstance(text, str):
            raise SystemExit(f"{source}: row {row}: text is {'missing' if text is None else 'not a string'}")
        if not text.strip():
            raise SystemExit(f"{source}: row {row}: text is empty")
    return row


def _columns(texts: Sequence[str], scores: list[Scores], thresholds: Thresholds) -> Added:
    probability, _, unknown = joined(scores)
    verdicts = [
        verdict(text, p, u, thresholds)
        for text, p, u in zip(texts, probability.tolist(), unknown.tolist(), strict=True)
    ]
    return {
        "probability": probability.tolist(),
        "predicted": [v.label for v in verdicts],
        "decision": [v.decision for v in verdicts],
    }


def _progress() -> Progress:
    return Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console)
