"""`tune`: search the settings of a family that are most precise on validation. The test split is not used.

Optuna (Akiba et al., 2019) suggests the settings: at random at first, then near the best so far, with a tree-structured
Parzen estimator (Bergstra et al., 2011). A training that reports its progress is pruned when it does worse than the
median of the others at the same step (Golovin et al., "Google Vizier", 2017).

All processes, on any machine, that name the same --storage and --study share one study: each takes the next trial until
there are --trials of them in all. The same command continues a study that was stopped. If the process of a trial
crashes, the trial is run again with the same settings. --set KEY=VALUE fixes a setting and takes it out of the search.
"""

import argparse
import re
from pathlib import Path

from rich.console import Console

from training.data.dataset import DATA, describe
from training.families import FAMILIES, load_family
from training.families.settings import configure
from training.registry import mlflow_tracking
from training.tuning import trial_queue
from training.tuning.study import StudyConfig, get_or_create_study, load_data
from training.tuning.summary import train_command
from training.tuning.worker import run_study

console = Console(stderr=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", choices=FAMILIES, required=True)
    parser.add_argument("--trials", type=int, required=True, metavar="N", help="of all processes together")
    parser.add_argument("--data", type=Path, default=DATA, help="the output of `prepare` (default: %(default)s)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting to take out of the search"
    )
    parser.add_argument("--texts", type=int, metavar="N", help="train on the first N texts of the split only")
    parser.add_argument("--study", metavar="NAME", help="the name of the study (default: the family)")
    parser.add_argument("--storage", metavar="FILE|URL", help="a journal file or a database for the study")
    parser.add_argument("--processes", type=int, default=1, metavar="P", help="to start here (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=20, help="of the sampler (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    config = parse_config(arguments)
    data = load_data(config)
    for line in describe(config.data).unused():
        console.print(line)
    with mlflow_tracking.connected():
        study = get_or_create_study(config, data)
        uninterrupted = run_study(config, study, arguments.processes)
    completed = trial_queue.completed_trials(study)
    if completed:
        console.print(f"{study.best_value:.4f} of trial {study.best_trial.number} is the best:")
        print(train_command(config, study.best_trial.user_attrs["settings"]))
    if (finished := trial_queue.count_finished(study)) < config.n_trials:
        progress = f"{finished} of {config.n_trials} trials are finished; the same command continues"
        if not uninterrupted:
            raise SystemExit(progress)
        console.print(progress)  # another machine works on the rest
    elif not completed:
        raise SystemExit("no trial could be trained")


def parse_config(arguments: argparse.Namespace) -> StudyConfig:
    """Return the StudyConfig of a command line, after checking it. Raises SystemExit with one line."""
    name = arguments.study or arguments.family
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise SystemExit(f"--study {name}: must be letters, digits, dots and dashes")
    for option in ("trials", "processes"):
        if (number := getattr(arguments, option)) < 1:
            raise SystemExit(f"--{option} {number}: must be at least 1")
    configure(load_family(arguments.family).Configuration, arguments.set)
    return StudyConfig(
        name=name,
        family=arguments.family,
        data=arguments.data,
        texts=arguments.texts,
        fixed=tuple(arguments.set),
        storage=arguments.storage or str(mlflow_tracking.HOME / "studies" / f"{name}.log"),
        n_trials=arguments.trials,
        seed=arguments.seed,
    )
