"""What labels mean: certain, named with --labels, or refused."""

import argparse
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.paths import ROOT
from training.commands import calibrate, evaluate, prepare
from training.data import labels, readers
from training.data.labels import CLASSES, UnclearLabels, key_of, parse, resolve

TWITTER = '"{target}","1","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","somebody","{text}"\n'
FORMATS = ("parquet", "csv", "sentiment140")


def write(path: Path, values: list[object], form: str) -> Path:
    """Write a labelled file of this form; each row has a text of its own."""
    texts = [f"text number {n}" for n in range(len(values))]
    file = path / f"tweets.{'parquet' if form == 'parquet' else 'csv'}"
    if form == "parquet":
        pq.write_table(pa.table({"text": texts, "label": pa.array(values)}), file)
    elif form == "csv":
        pd.DataFrame({"text": texts, "label": pd.Series(values, dtype=object)}).to_csv(file, index=False)
    else:
        rows = zip(texts, values, strict=True)
        file.write_text("".join(TWITTER.format(target=value, text=text) for text, value in rows), "latin-1")
    return file


def refusal(path: Path, named: str | None = None) -> str:
    with pytest.raises(UnclearLabels) as raised:
        readers.read_classes(path, parse(named) if named else None)
    line = str(raised.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    return line.removeprefix(f"{path}: ")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("values", "listed", "example"),
    [
        ([0, 2, 4, 4], "0 (1 row), 2 (1 row) and 4 (2 rows)", "negative=0,neutral=2,positive=4"),
        ([-1, 0, 1], "-1 (1 row), 0 (1 row) and 1 (1 row)", "negative=-1,neutral=0,positive=1"),
        ([1, -1], "-1 (1 row) and 1 (1 row)", "negative=-1,positive=1"),
        ([0, 1, 2], "0 (1 row), 1 (1 row) and 2 (1 row)", "negative=0,neutral=1,positive=2"),
        ([5, 4, 3, 2, 1], "1 (1 row), 2 (1 row), 3 (", "negative=1|2,neutral=3,positive=4|5"),
        ([1, 5, 5], "1 (1 row) and 5 (2 rows)", "negative=1,positive=5"),
        ([7, 0], "0 (1 row) and 7 (1 row)", "negative=…,neutral=…,positive=…"),
        ([0.5, 0.0], "0 (1 row) and 0.5 (1 row)", "negative=…,neutral=…,positive=…"),
    ],
)
def test_refuses_numbers_that_may_mean_several_things(
    values: list[object], listed: str, example: str, form: str, tmp_path: Path
) -> None:
    line = refusal(write(tmp_path, values, form))
    assert f"may mean several things: {listed}" in line and line.endswith(f", for example --labels {example}")


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("values", [[0, 0], [1, 1], [4]])
def test_refuses_one_number_alone(values: list[object], form: str, tmp_path: Path) -> None:
    """One is positive beside 0, neutral between 0 and 2, the worst of five stars."""
    assert "may mean several things" in refusal(write(tmp_path, values, form))


@given(st.sets(st.integers(-10, 10), min_size=1, max_size=8))
def test_no_set_of_numbers_but_two_is_accepted(values: set[int]) -> None:
    found = Counter({str(value): 1 for value in values})
    if values in ({0, 1}, {0, 4}):
        assert resolve(found, None).keys() == found.keys()
    else:
        with pytest.raises(UnclearLabels):
            resolve(found, None)


@given(st.sets(st.sampled_from(range(-1, 6)), min_size=1))
def test_a_complete_example_is_accepted_as_the_option(values: set[int]) -> None:
    found = Counter({str(value): 1 for value in values})
    example = labels._example(found)
    if "…" not in example:
        assert resolve(found, parse(example)).keys() == found.keys()


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([0, 1], ["negative", "positive"]),
        ([0.0, 1.0], ["negative", "positive"]),
        (["0", "1.0", " 01 ", "-0"], ["negative", "positive", "positive", "negative"]),
        (["0", "4"], ["negative", "positive"]),
        ([False, True], ["negative", "positive"]),
        (["true", "FALSE"], ["positive", "negative"]),
        (["Positive", " negative", "NEUTRAL"], ["positive", "negative", "neutral"]),
        (["positive"], ["positive"]),
    ],
)
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_reads_labels_that_are_certain(values: list[object], classes: list[str], form: str, tmp_path: Path) -> None:
    rows, skipped = readers.read_classes(write(tmp_path, values, form))
    assert rows.label.tolist() == classes and rows.label.dtype == labels.CLASS_TYPE and not skipped


def test_a_file_of_sentiment140_may_have_one_target(tmp_path: Path) -> None:
    assert readers.read_classes(write(tmp_path, [4, 4], "sentiment140")).rows.label.tolist() == ["positive"] * 2
    assert "0 (1 row) and 1 (1 row)" in refusal(write(tmp_path, [0, 1], "sentiment140"))


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("values", "listed"),
    [
        (["pos", "neg", "neg"], "neg (2 rows) and pos (1 row)"),
        (["positive", "negative", "mixed"], "mixed (1 row), negative (1 row) and positive (1 row)"),
        (["negative", "1", "0"], "0 (1 row), 1 (1 row) and negative (1 row)"),
        (["good\nday", "bad"], r"bad (1 row) and 'good\nday' (1 row)"),
        (["x" * 500, "bad"], f"bad (1 row) and {'x' * 30}… (1 row)"),
        ([f"word {n:02}" for n in range(25)], "word 08 (1 row), word 09 (1 row) and 15 more;"),
    ],
)
def test_refuses_other_words(values: list[object], listed: str, form: str, tmp_path: Path) -> None:
    assert listed in refusal(write(tmp_path, values, form))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_refuses_a_column_that_has_too_many_values_to_be_labels(form: str, tmp_path: Path) -> None:
    line = refusal(write(tmp_path, [f"word {n}" for n in range(5000)], form))
    assert line.startswith("its labels have over 100 different values: word 0 (1 row), ") and len(line) < 500


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("empty", ["", "  ", "NaN"])
def test_refuses_missing_labels_with_their_row_numbers(empty: str, form: str, tmp_path: Path) -> None:
    line = refusal(write(tmp_path, ["0", "4", empty, "0", empty], form))
    assert line == "label is missing in 2 rows: 3 and 5; label every row, or remove it"
    line = refusal(write(tmp_path, ["0"] + [empty] * 2000, form))
    assert line.startswith("label is missing in 2,000 rows: 2, 3, 4, 5, 6 and 1,995 more; ")


def test_refuses_null_and_nan(tmp_path: Path) -> None:
    for kind, values in ((pa.float64(), [0.0, 1.0, None]), (pa.string(), ["0", "1", None])):
        table = pa.table({"text": ["a", "b", "c"], "label": pa.array(values, kind)})
        pq.write_table(table, tmp_path / "tweets.parquet")
        assert refusal(tmp_path / "tweets.parquet").startswith("label is missing in 1 row: 3;")
    pd.DataFrame({"text": ["a", "b"], "label": [0.0, float("nan")]}).to_parquet(tmp_path / "tweets.parquet")
    assert refusal(tmp_path / "tweets.parquet").startswith("label is missing in 1 row: 2;")


def test_a_row_without_a_text_needs_no_label(tmp_path: Path) -> None:
    (tmp_path / "tweets.csv").write_text("text,label\ngood,1\nbad,0\n,\n , 7\n")
    rows, skipped = readers.read_classes(tmp_path / "tweets.csv")
    assert rows.label.tolist() == ["positive", "negative"] and skipped == {"empty text": 2}


@pytest.mark.parametrize("form", FORMATS)
def test_named_values_have_the_classes_they_are_given(form: str, tmp_path: Path) -> None:
    path = write(tmp_path, [2, 1, 0, -1, -2], form)
    rows, _ = readers.read_classes(path, parse("negative=-1|-2,neutral=0.0,Positive=1|2"))
    assert rows.label.tolist() == ["positive", "positive", "neutral", "negative", "negative"]
    two, skipped = readers.read_labelled(path, parse("positive=-1|-2,neutral=0,negative=1|2"))
    assert two.label.tolist() == [0, 0, 1, 1] and two.label.dtype == "int8"
    assert skipped == {"neutral: the model has two classes": 1}


@pytest.mark.parametrize(("values", "named"), [(["Bad", "bad", "GOOD"], "negative=BAD,positive=good")])
def test_words_can_be_named_in_any_case(values: list[object], named: str, tmp_path: Path) -> None:
    rows, _ = readers.read_classes(write(tmp_path, values, "csv"), parse(named))
    assert rows.label.tolist() == ["negative", "negative", "positive"]


@pytest.mark.parametrize(
    ("named", "line"),
    [
        ("negative=0,positive=1", "--labels does not name 2 (1 row)"),
        ("negative=0", "--labels does not name 1 (1 row) and 2 (1 row)"),
        (
            "negative=0,neutral=1,positive=2|3|4",
            "no label is 3 or 4, which --labels names; found: 0 (1 row), ",
        ),
    ],
)
@pytest.mark.parametrize("form", FORMATS)
def test_refuses_names_that_do_not_fit_the_values(named: str, line: str, form: str, tmp_path: Path) -> None:
    assert refusal(write(tmp_path, [0, 1, 2], form), named).startswith(line)


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("", "'' is no class; write negative=…,neutral=…,positive=…"),
        ("0=negative", "'0' is no class"),
        ("neg=0,positive=1", "'neg' is no class"),
        ("negative=0;positive=1,x", "'x' is no class"),
        ("negative", "negative needs values, separated by |"),
        ("negative=0,positive=", "positive needs values, separated by |"),
        ("negative=0|,positive=1", "negative needs values"),
        ("negative=0,negative=1", "negative is there twice; separate its values by |"),
        ("negative=0,positive=0.0", "0.0 is there twice"),
    ],
)
def test_refuses_an_option_that_cannot_be_read(option: str, line: str) -> None:
    with pytest.raises(SystemExit) as raised:
        parse(option)
    assert str(raised.value).startswith(f"--labels {option}: ") and line in str(raised.value)


@given(st.dictionaries(st.sampled_from(CLASSES), st.sets(st.integers(-99, 99), min_size=1), min_size=1))
def test_option_says_what_it_was_written_from(values: dict[str, set[int]]) -> None:
    if len(set().union(*values.values())) == sum(map(len, values.values())):
        option = ",".join(f"{name}={'|'.join(map(str, numbers))}" for name, numbers in values.items())
        assert parse(option) == {str(number): name for name, numbers in values.items() for number in numbers}


@given(st.integers(-(10**15), 10**15))
def test_a_number_is_the_same_label_however_it_is_written(number: int) -> None:
    forms = {number, float(number), Decimal(number), f" {number}", f"{number}.00", f"{number:+d}", f"{number:019d}"}
    assert {key_of(form) for form in forms} == {str(number)}


VERBS = {  # what each is given before the file
    prepare: [],
    evaluate: [str(ROOT / "models" / "lite")],
    calibrate: [str(ROOT / "models" / "lite")],
}


@pytest.fixture(params=VERBS, ids=lambda verb: verb.__name__.rpartition(".")[2])
def verb(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, list[str]]:
    """Return a command that reads a labelled file, and its arguments."""
    out = {prepare: ["--out", str(tmp_path / "out")], calibrate: ["--out", str(tmp_path / "out")]}
    return request.param, [*VERBS[request.param], str(tmp_path / "tweets.csv"), *out.get(request.param, [])]


def test_every_verb_refuses_unclear_labels_and_takes_the_option(verb: tuple[Any, list[str]], tmp_path: Path) -> None:
    module, words = verb
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    write(tmp_path, [0, 1, 2], "csv")
    with pytest.raises(SystemExit, match="may mean several things: 0 .*--labels negative=0,neutral=1,positive=2"):
        module.run(parser.parse_args(words))
    with pytest.raises(SystemExit, match="--labels does not name 1 "):
        module.run(parser.parse_args([*words, "--labels", "negative=0,positive=2"]))
    assert not (tmp_path / "out").exists()
