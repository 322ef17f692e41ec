"""`prepare` and `promote`, killed at every step in the file system: what is left is the old or the new."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from sentiment import manifest
from sentiment.errors import ModelError
from sentiment.model import Model
from tests.support.dataframes import invented, write_data_set
from tests.support.killed import KILLED, Action, forkserver, killed_at_every_step
from tests.support.paths import TINY_MODEL
from training.data import replacement
from training.data.dataset import FILES, REPORT, SPLITS, load_splits
from training.data.json_files import write_json
from training.data.preparation import Options, prepare
from training.data.replacement import locked, replacing, replacing_together
from training.registry import promotion

NAMES = [*FILES.values(), REPORT]


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    return forkserver("tests.training.test_killed_commands")


def write_set(folder: Path, seed: int) -> None:
    """Replace a data set, as `prepare` does."""
    with replacing_together(folder, NAMES, "prepare") as new:
        write_data_set(new, **data_set(seed))


def data_set(seed: int) -> dict[str, pd.DataFrame]:
    return {split: invented(20, seed * len(SPLITS) + i) for i, split in enumerate(SPLITS)}


def is_set(splits: dict[str, pd.DataFrame], seed: int) -> bool:
    return all(splits[split].text.tolist() == rows.text.tolist() for split, rows in data_set(seed).items())


def read_files(folder: Path) -> dict[str, pd.DataFrame]:
    return {split: pd.read_parquet(folder / f"{split}.parquet") for split in SPLITS}


def written_by_this_version(folder: Path) -> None:
    write_set(folder, seed=1)


def written_by_an_earlier_version(folder: Path) -> None:
    write_data_set(folder, **data_set(1))


def copied(folder: Path) -> None:
    """Copy a data set as `cp -rL` does: files in the place of links."""
    write_set(folder.with_name("original"), seed=1)
    shutil.copytree(folder.with_name("original"), folder)


@pytest.mark.parametrize("write_old", [written_by_this_version, written_by_an_earlier_version, copied])
def test_killed_replacement_leaves_the_old_data_set_or_the_new(
    write_old: Callable[[Path], None], tmp_path: Path, processes: ForkServerContext
) -> None:
    folder, found = tmp_path / "data", []

    def reset() -> None:
        for path in tmp_path.iterdir():
            shutil.rmtree(path)
        write_old(folder)
        (folder / "notes.txt").write_text("mine")
        (folder / ".prepared-by-me").mkdir()

    for _ in killed_at_every_step(processes, write_set, folder, 2, before=reset):
        found.append(is_set(load_splits(folder), seed=2))
        for splits in (load_splits(folder), read_files(folder)):  # as commands read it, and as people do
            assert is_set(splits, seed=2 if found[-1] else 1)
        write_set(folder, seed=3)
        assert is_set(load_splits(folder), seed=3)
        assert {p.name for p in folder.glob("[!.]*")} == {*NAMES, "notes.txt"}
        assert len(list(folder.glob(".*"))) == 3  # of me; the link, and the folder it points to
    assert found == sorted(found) and found.count(False) > 5 and found.count(True) > 2


def prepare_and_die(after: str, source: Path, out: Path) -> None:
    """Prepare a data set and end when the file `after` is written. To be run in a process of its own."""
    write = Path.replace if after == REPORT else pd.DataFrame.to_parquet

    def write_and_die(self: Any, path: Any, *arguments: Any) -> None:
        write(self, path, *arguments)
        if Path(path).name == after:
            os._exit(KILLED)

    if after == REPORT:
        Path.replace = write_and_die  # type: ignore[method-assign,assignment]
    else:
        pd.DataFrame.to_parquet = write_and_die
    prepare(source, out, Options(holdout=0.1))


@pytest.mark.parametrize("after", NAMES)
def test_killed_prepare_leaves_the_old_data_set(after: str, tmp_path: Path, processes: ForkServerContext) -> None:
    source, out = tmp_path / "tweets.parquet", tmp_path / "data"
    invented(300).to_parquet(source)
    prepare(source, out, Options(holdout=0.3))
    before = {name: (out / name).read_bytes() for name in NAMES}
    process = processes.Process(target=prepare_and_die, args=(after, source, out))
    process.start()
    process.join()
    assert process.exitcode == KILLED
    assert {name: (out / name).read_bytes() for name in NAMES} == before and load_splits(out)
    report = prepare(source, out, Options(holdout=0.1))
    assert {split: len(rows) for split, rows in load_splits(out).items()} == report.splits


def test_replacement_that_is_killed_again_and_again_loses_nothing(tmp_path: Path, processes: ForkServerContext) -> None:
    written_by_an_earlier_version(tmp_path)
    for _ in killed_at_every_step(processes, write_set, tmp_path, 2):
        splits = read_files(tmp_path)
        assert is_set(splits, seed=1) or is_set(splits, seed=2)
    assert is_set(load_splits(tmp_path), seed=2)


def test_killed_first_run_leaves_no_data_set_or_a_whole_one(tmp_path: Path, processes: ForkServerContext) -> None:
    folder, missing = tmp_path / "data", 0
    for _ in killed_at_every_step(processes, write_set, folder, 1):
        if (folder / "train.parquet").exists():
            assert is_set(load_splits(folder), seed=1)
        else:
            with pytest.raises(SystemExit, match=r"train.parquet is missing: run `python -m training prepare FILE"):
                load_splits(folder)
            missing += 1
    assert is_set(load_splits(folder), seed=1) and missing > 5


@pytest.mark.parametrize("foreign", NAMES)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_refuses_a_folder_with_files_of_two_data_sets(foreign: str, number: int, tmp_path: Path) -> None:
    for seed in (1, 2):
        write_set(tmp_path / str(seed), seed)
    start = NAMES.index(foreign)
    for i in range(number):
        name = NAMES[(start + i) % len(NAMES)]
        shutil.copy(tmp_path / "2" / name, tmp_path / "1" / name)
    with pytest.raises(SystemExit, match=r"not the texts that report.json describes; .* run `prepare` again"):
        load_splits(tmp_path / "1")
    write_set(tmp_path / "1", seed=3)
    assert is_set(load_splits(tmp_path / "1"), seed=3)


def test_failed_replacement_leaves_the_old_files(tmp_path: Path) -> None:
    write_set(tmp_path, seed=1)
    before = sorted(p.name for p in tmp_path.iterdir())
    with suppress(OSError), replacing_together(tmp_path, NAMES, "prepare") as new:
        (new / REPORT).write_text("{")
        raise OSError("no space on disk")
    assert is_set(load_splits(tmp_path), seed=1) and sorted(p.name for p in tmp_path.iterdir()) == before


def test_only_one_process_at_a_time_writes_a_folder(tmp_path: Path) -> None:
    refusal = pytest.raises(SystemExit, match="another `promote` is writing it; wait until")
    with locked(tmp_path, "promote"), refusal, locked(tmp_path, "promote"):
        pass
    with locked(tmp_path, "promote"):
        pass


def test_replaced_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text("old")
    (tmp_path / "link.json").symlink_to(path)
    with suppress(OSError), replacing(path) as new:
        new.write_text("ne")
        raise OSError("no space on disk")
    assert path.read_text() == "old"
    with replacing(tmp_path / "link.json") as new:
        new.write_text("new")
    assert path.read_text() == "new" and (tmp_path / "link.json").is_symlink()
    with replacing(Path("/dev/null")) as device:
        device.write_text("nothing")
    assert Path("/dev/null").is_char_device()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.json", "models.json"]


def write_model(folder: Path, name: str, run_id: str) -> Path:
    shutil.copytree(TINY_MODEL, folder)
    made = msgspec.structs.replace(manifest.read_manifest(folder), name=name, run_id=run_id)
    write_json(folder / manifest.MANIFEST_FILE, manifest.stamp_version(made))
    return folder


def write_models(models: Path) -> None:
    shutil.rmtree(models, ignore_errors=True)
    write_model(models / "first", "first", "old")
    (models / "registry.json").write_text('{"champion": "first"}')


def served(models: Path) -> tuple[str, str]:
    """Return name and run of the model that would be served."""
    found = Model.load(models / manifest.read_champion(models)).manifest
    return found.name, found.run_id


def promote(folder: Path, models: Path) -> bool:
    """Install a model as the command does, whatever a killed promotion left."""
    promotion.complete_interrupted(models)
    return promotion.install(folder, models)


def install_without_exchange(folder: Path, models: Path) -> None:
    """Install on a file system that cannot exchange two folders. To be run in a process of its own."""

    def refuse(one: Path, other: Path) -> None:
        raise OSError("Invalid argument")

    replacement._exchange = refuse
    promotion.install(folder, models)


@pytest.mark.parametrize("name", ["first", "second"])
def test_killed_promotion_serves_the_old_model_or_the_new(
    name: str, tmp_path: Path, processes: ForkServerContext
) -> None:
    challenger, models, found = write_model(tmp_path / "challenger", name, "new"), tmp_path / "models", []
    for _ in killed_at_every_step(
        processes, promotion.install, challenger, models, before=lambda: write_models(models)
    ):
        found.append(served(models))
        assert promote(challenger, models) and served(models) == (name, "new")
        assert not list(models.glob(".*"))
    assert set(found) == {("first", "old"), (name, "new")} and len(found) > 5


@pytest.mark.parametrize("install", [promotion.install, install_without_exchange])
def test_next_promotion_of_any_model_completes_a_killed_one(
    install: Action, tmp_path: Path, processes: ForkServerContext
) -> None:
    names, models, found = ("first", "second"), tmp_path / "models", []
    first, second = (write_model(tmp_path / name, name, "new") for name in names)
    for challenger, other in ((first, second), (second, first)):
        for _ in killed_at_every_step(processes, install, challenger, models, before=lambda: write_models(models)):
            promotion.complete_interrupted(models)
            assert not list(models.glob(".*/"))
            found.append(served(models))
            promotion.install(other, models)
            assert served(models)[1] == "new"
    assert set(found) == {("first", "old"), ("first", "new"), ("second", "new")}


def test_killed_first_promotion_serves_nothing_or_the_new(tmp_path: Path, processes: ForkServerContext) -> None:
    challenger, models = write_model(tmp_path / "challenger", "first", "new"), tmp_path / "models"
    models.mkdir()
    for _ in killed_at_every_step(processes, promote, challenger, models):
        if (models / "registry.json").exists():
            assert served(models) == ("first", "new")
    assert served(models) == ("first", "new") and not list(models.glob(".*"))


def test_restores_a_champion_whose_folder_is_gone(tmp_path: Path) -> None:
    """Earlier versions could be killed between removing the old folder and renaming the new one."""
    write_models(tmp_path / "models")
    shutil.rmtree(tmp_path / "models" / "first")
    assert promotion.load_incumbent("first", tmp_path / "models") is None
    with pytest.raises(SystemExit, match="the present model cannot be loaded: .*first"):
        promotion.load_incumbent("second", tmp_path / "models")
    assert promotion.install(write_model(tmp_path / "challenger", "first", "new"), tmp_path / "models")
    assert served(tmp_path / "models") == ("first", "new")


@pytest.mark.parametrize("name", ["../outside", "", ".hidden", "a/b"])
def test_refuses_a_model_whose_name_is_no_name(name: str, tmp_path: Path) -> None:
    challenger = write_model(tmp_path / "challenger", name, "new")
    with pytest.raises(ModelError, match=r"manifest.json: .*`\$.name`"):
        promotion.install(challenger, tmp_path / "models")
    assert [path.name for path in tmp_path.iterdir()] == ["challenger"]
