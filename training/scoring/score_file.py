"""Score a parquet or CSV file, chunk by chunk, and write it again with the predictions beside every text."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import batched
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from sentiment.manifest import Thresholds
from sentiment.model import Scores
from sentiment.verdict import verdict
from training.data.chunked_files import FORMATS, AddedColumns, File
from training.scoring.engine import Engine
from training.scoring.predict import BATCH_SIZE, concatenate_scores

ADDED_COLUMNS = pa.schema({"probability": pa.float64(), "predicted": pa.string(), "decision": pa.string()})


def score_file(source: Path, out: Path, engine: AbstractContextManager[Engine], thresholds: Thresholds) -> int:
    """Score `source` into `out` and return the number of rows.

    `out` appears when it is complete; if anything fails, it stays as it was. Memory holds one chunk of rows and one
    batch of texts, whatever the size of the file. The file is read twice: a missing text in the last row is reported
    within seconds, before an engine starts. Raises SystemExit with one line.
    """
    file = _open(source, out)
    rows = _count_valid_rows(file, source)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f"{out.name}.part")
    try:
        with engine as score, file.writer(unfinished, ADDED_COLUMNS) as write, _progress_bar() as progress:
            task = progress.add_task("score", total=rows)
            for chunk in file.chunks():
                texts = file.values(chunk, "text")
                scores = []
                for batch in score(batched(texts, BATCH_SIZE, strict=False)):
                    progress.advance(task, len(batch.probability))
                    scores.append(batch)
                write(chunk, _to_columns(texts, concatenate_scores(scores), thresholds))
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return rows


def _open(source: Path, out: Path) -> File[Any]:
    if source.suffix not in FORMATS:
        raise SystemExit(f"{source}: must be one of {', '.join(FORMATS)}")
    if out.suffix != source.suffix or out.is_dir():
        raise SystemExit(f"{out}: must be a file of the same type, {source.suffix}")
    if not source.is_file():
        raise SystemExit(f"{source}: there is no such file")
    return FORMATS[source.suffix](source)


def _count_valid_rows(file: File[Any], source: Path) -> int:
    """Return the number of rows. Raises SystemExit at the first row without a text."""
    if file.columns.count("text") != 1:
        raise SystemExit(
            f"{source}: must have one column text; it has {', '.join(file.columns)[:200] or 'none at all'}"
        )
    if taken := [name for name in ADDED_COLUMNS.names if name in file.columns]:
        raise SystemExit(f"{source}: already has a column {', '.join(taken)}, which `score` would write: rename it")
    row = 0
    for text in (text for chunk in file.chunks(["text"]) for text in file.values(chunk, "text")):
        row += 1
        if not isinstance(text, str):
            raise SystemExit(f"{source}: row {row}: text is {'missing' if text is None else 'not a string'}")
        if not text.strip():
            raise SystemExit(f"{source}: row {row}: text is empty")
    return row


def _to_columns(texts: Sequence[str], scores: Scores, thresholds: Thresholds) -> AddedColumns:
    verdicts = [
        verdict(text, probability, unknown, thresholds)
        for text, probability, unknown in zip(
            texts, scores.probability.tolist(), scores.unknown_share.tolist(), strict=True
        )
    ]
    return {
        "probability": scores.probability.tolist(),
        "predicted": [v.label for v in verdicts],
        "decision": [v.decision for v in verdicts],
    }


def _progress_bar() -> Progress:
    return Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=Console(stderr=True))
