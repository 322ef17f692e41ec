"""Create or join an Optuna study: its storage, the data it is for, and its MLflow run."""

import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import optuna
import pandas as pd
from mlflow.exceptions import MlflowException
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from training.data.dataset import Split, dataset_sha256, describe, load_training_splits
from training.data.errors import one_line
from training.registry import mlflow_tracking

from .journal import open_journal

# Processes that set up an empty database at once collide: on the tables, on the version table, on its row.
MAX_TABLE_COLLISIONS = 3
CREATION_TIMEOUT_SECONDS = 60  # after that, the process that created the study is considered dead

# What Optuna raises for a database or a journal that is missing or damaged.
STORAGE_ERRORS = (
    SQLAlchemyError,
    ImportError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AssertionError,
    RecursionError,  # [[[[…
)

type Data = Mapping[Split, pd.DataFrame]


class StudyConfig(NamedTuple):
    """What every process of a study must know."""

    name: str
    family: str
    data: Path
    texts: int | None  # train on the first ones only; None: on all
    fixed: tuple[str, ...]  # settings that are not searched, KEY=VALUE
    storage: str  # a journal file, or the URL of a database
    n_trials: int  # of all processes together
    seed: int


def load_data(config: StudyConfig) -> Data:
    """Load train and validation. Raises SystemExit with one line."""
    return load_training_splits(config.data, config.texts)


def get_or_create_study(config: StudyConfig, data: Data) -> optuna.Study:
    """Return the study with its MLflow run. Raises SystemExit if it was created for other data or fixed settings."""
    study = _create_or_join(config)
    subject: dict[str, Any] = {split: dataset_sha256(rows) for split, rows in data.items()}
    subject |= {"family": config.family, "--set": sorted(config.fixed)}
    for name, value in study.user_attrs.get("subject", {}).items():
        if subject[name] != value:
            raise SystemExit(f"--study {config.name}: was created with another {name}; choose a new name")
    if "run" not in study.user_attrs:
        with mlflow.start_run(run_name=f"tune {config.name}") as parent:
            mlflow.log_params({"family": config.family, "set": shlex.join(config.fixed), "texts": len(data["train"])})
            mlflow_tracking.log_sources(describe(config.data).sources)
            for split, rows in data.items():
                mlflow_tracking.log_dataset(split, rows)
        study.set_user_attr("subject", subject)
        study.set_user_attr("run", parent.info.run_id)  # every process nests the runs of its trials in this one
    try:
        mlflow.get_run(study.user_attrs["run"])
    except MlflowException as error:
        if not mlflow_tracking.is_missing(error):
            raise
        raise SystemExit(f"--study {config.name}: its run is not in this MLflow; choose a new name") from error
    return study


def _create_or_join(config: StudyConfig) -> optuna.Study:
    """Create the study, or join it and wait until the process that created it has stored its MLflow run."""
    try:
        return open_study(config, create=True)
    except DuplicatedStudyError:
        study = open_study(config)
    deadline = time.monotonic() + CREATION_TIMEOUT_SECONDS
    while "run" not in study.user_attrs and time.monotonic() < deadline:
        time.sleep(0.1)
    return study


def open_study(config: StudyConfig, *, create: bool = False) -> optuna.Study:
    """Open the study in its storage; with `create`, raise DuplicatedStudyError if it exists.

    Raises SystemExit with one line. The line does not name the URL, which may contain a password.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # No pruning before the third report: until then the learning rate still rises.
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
    try:
        return optuna.create_study(
            study_name=config.name,
            storage=_open_storage(config.storage),
            direction="maximize",
            pruner=pruner,
            load_if_exists=not create,
        )
    except STORAGE_ERRORS as error:
        missing = f" ({error.__cause__})" if isinstance(error, ImportError) and error.__cause__ else ""
        where = "" if "://" in config.storage else f"{config.storage}: cannot be read: "
        raise SystemExit(f"--storage: {where}{one_line(error)}{missing}") from error


def _open_storage(storage: str) -> BaseStorage:
    if "://" in storage:
        return _open_database(storage)
    return JournalStorage(open_journal(Path(storage)))


def _open_database(url: str) -> RDBStorage:
    """Open the database; create Optuna's tables if it is empty, and try again if another process does so meanwhile.

    NullPool: a training takes longer than databases keep idle connections open.
    """
    for _ in range(MAX_TABLE_COLLISIONS):
        with suppress(IntegrityError, ProgrammingError):
            return RDBStorage(url, engine_kwargs={"poolclass": NullPool})
    return RDBStorage(url, engine_kwargs={"poolclass": NullPool})
