"""The journal of a study whose last line a killed process left unfinished."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from training.tuning.study import StudyConfig, open_study


def config_of(storage: Path) -> StudyConfig:
    return StudyConfig(
        name="study", family="logreg", data=Path(), texts=None, fixed=(), storage=str(storage), n_trials=1, seed=20
    )


def open_journal(path: Path) -> optuna.Study:
    return open_study(config_of(path))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return a journal with two trials; the last record completes the second."""
    path = tmp_path / "study.log"
    study = open_journal(path)
    for value in (1.0, 2.0):
        study.tell(study.ask(), value)
    return path


def states(path: Path) -> list[TrialState]:
    return [trial.state for trial in open_journal(path).trials]


def test_continues_a_study_whose_last_record_ends_anywhere(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    *whole, last = journal.read_bytes().splitlines(keepends=True)
    before = b"".join(whole)
    for cut in range(1, len(last)):
        journal.write_bytes(before + last[:cut])
        assert states(journal) == [TrialState.COMPLETE, TrialState.RUNNING]
        study = open_journal(journal)
        study.tell(1, 3.0)
        assert states(journal) == [TrialState.COMPLETE] * 2 and study.best_value == 3.0
        assert journal.read_bytes().startswith(before)
        printed = capsys.readouterr().err.split()
        assert " ".join(printed).endswith("dropped its last line, which a killed process left unfinished")
    journal.write_bytes(before + last)
    assert states(journal) == [TrialState.COMPLETE] * 2 and not capsys.readouterr().err


@pytest.mark.parametrize(
    "unfinished", [b'{"op_code":6,"wor', b'{"op_code":6,"wor\n', b"\0" * 40, b"\n", b"[" * 100_000]
)
def test_a_process_that_is_killed_leaves_the_study_to_the_others(journal: Path, unfinished: bytes) -> None:
    other = open_journal(journal)
    with journal.open("ab") as file:
        file.write(unfinished)
    other.tell(other.ask(), 3.0)
    assert states(journal) == [TrialState.COMPLETE] * 3
    other.tell(other.ask(), 4.0)
    assert states(journal) == [TrialState.COMPLETE] * 4


def test_first_record_may_be_unfinished(tmp_path: Path) -> None:
    for cut in range(12):
        (tmp_path / "new.log").write_bytes(b'{"op_code":0,'[:cut])
        assert states(tmp_path / "new.log") == []


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"text,label\ngood,1\nbad", "not a journal of Optuna"),
        (b"{}", "not a journal of Optuna"),
        (b"\0" * 99, "not a journal of Optuna"),
        (b'{"op_code":0,"wor\n{"op_code":0}\n', "Invalid control character"),
        (b'{"op_code":99,"worker_id":"a"}\n', ""),
        (b'{"op_code":0}\n', "study_name"),
        (b'{"op_code":' + b"[" * 100_000 + b'\n{"op_code":0}\n', "recursion"),
        (b'{"op_code":"0"}\n', ""),
    ],
)
def test_refuses_a_damaged_journal_in_one_line_and_does_not_change_it(
    content: bytes, line: str, tmp_path: Path
) -> None:
    path = tmp_path / "study.log"
    path.write_bytes(content)
    with pytest.raises(SystemExit, match=rf"--storage: .*study\.log: cannot be read: .*{line}") as raised:
        open_journal(path)
    assert "\n" not in str(raised.value) and path.read_bytes() == content
