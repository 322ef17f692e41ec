"""Several sources with a weight each: the file that names them, and the data set that is made from them."""

import argparse
import hashlib
import json
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import mlflow
import msgspec
import pandas as pd
import pytest

from tests.support.dataframes import invented
from tests.support.paths import ROOT
from training.commands import prepare as command
from training.data import dataset, preparation
from training.data.cleaning import content
from training.data.dataset import COLUMNS, SPLITS, describe, load_rows, load_splits
from training.data.labels import CLASS_TYPE, CLASSES
from training.data.preparation import Options, Report, prepare
from training.data.profile import PLOTS, Profile
from training.data.sources import load_sources
from training.reports import model_card

PEOPLE = {"language": "en", "licence": "CC0", "labelled_by": "people", "classes": 3, "weight": 2.0, "holdout": 0.2}
EMOTICONS = {"language": "en", "licence": "research", "labelled_by": "emoticons", "classes": 2, "weight": 0.5}


def letters(number: int) -> str:
    """Return a word that no other number has."""
    syllables = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu"]
    return "".join(syllables[int(digit)] for digit in str(number))


def texts(n: int, topic: str) -> pd.DataFrame:
    """Return n distinct texts, a third of each class."""
    labels = list(islice(cycle(CLASSES), n))
    return pd.DataFrame({"text": [f"{topic} {letters(i)}" for i in range(n)], "label": labels})


def two(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are not neutral, coded as Sentiment140's are."""
    return rows[rows.label != "neutral"].assign(label=lambda rows: rows.label.map({"negative": 0, "positive": 4}))


def toml(value: object) -> str:
    """Return a value as TOML: as JSON, but for a table."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)


def write(into: Path, *sources: dict[str, Any], **top: Any) -> Path:
    """Write a file of sources."""
    lines = [f"{key} = {toml(value)}" for key, value in top.items()]
    for source in sources:
        lines += ["[[source]]", *(f"{key} = {toml(value)}" for key, value in source.items())]
    path = into / "sources.toml"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sources: 900 texts that people labelled, and 600 with emoticons. Plots are empty, which saves a second."""

    def touch(rows: pd.DataFrame, profile: Profile, folder: Path) -> None:
        for plot in PLOTS:
            (folder / f"{plot}.png").touch()

    monkeypatch.setattr(preparation, "save_plots", touch)
    texts(900, "people").to_parquet(tmp_path / "people.parquet")
    two(texts(900, "emoticons")).to_csv(tmp_path / "emoticons.csv", index=False)
    return tmp_path


def both(folder: Path, **people: Any) -> Path:
    return write(
        folder,
        {"name": "people", "path": "people.parquet"} | PEOPLE | people,
        {"name": "emoticons", "path": "emoticons.csv"} | EMOTICONS,
    )


def prepared(folder: Path, path: Path, **options: Any) -> tuple[Report, pd.DataFrame]:
    """Prepare, and return the report and the rows of all splits with a column `split`."""
    report = prepare(path, folder / "out", Options(**{"holdout": 0.1} | options))
    splits = load_rows(folder / "out")
    return report, pd.concat([rows.assign(split=split) for split, rows in splits.items()], ignore_index=True)


def test_every_row_has_its_source_language_label_and_weight(folder: Path) -> None:
    _, rows = prepared(folder, both(folder))
    assert len(rows) == 1500 and list(rows.columns) == [*COLUMNS, "split"]
    assert rows.label.dtype == CLASS_TYPE and rows.weight.dtype == "float64" and rows.classes.dtype == "int8"
    for name, weight, classes in (("people", 2.0, 3), ("emoticons", 0.5, 2)):
        part = rows[rows.source == name]
        assert part.text.str.startswith(name).all() and set(part.language) == {"en"}
        assert set(part.weight) == {weight} and set(part.classes) == {classes}
        assert part.label.nunique() == classes
    written = pd.read_parquet(folder / "out" / "train.parquet")  # as other programs see it
    assert set(written.label) == set(CLASSES) and tuple(written.columns) == COLUMNS


def test_report_counts_texts_by_source_language_split_and_label(folder: Path) -> None:
    report, rows = prepared(folder, both(folder))
    for source in report.sources:
        for split in SPLITS:
            for label in CLASSES:
                expected = ((rows.source == source.name) & (rows.split == split) & (rows.label == label)).sum()
                assert source.texts["en"][split][label] == expected
                assert source.count([split], label) == expected
    people, emoticons = report.sources
    assert (people.licence, people.labelled_by, people.weight, people.rows) == ("CC0", "people", 2.0, 900)
    assert emoticons.sha256 == dataset.file_sha256(folder / "emoticons.csv")
    assert (
        report.rows == 1500
        and report.labels["train"]["neutral"] == ((rows.split == "train") & (rows.label == "neutral")).sum()
    )
    assert describe(folder / "out").sources == report.sources
    assert report.sha256 == dataset.file_sha256(folder / "sources.toml")


def test_each_source_is_held_out_in_its_own_proportion(folder: Path) -> None:
    texts(3000, "people").to_parquet(folder / "people.parquet")
    two(texts(4500, "emoticons")).to_csv(folder / "emoticons.csv", index=False)
    _, rows = prepared(folder, both(folder), holdout=0.05)
    for name, share in (("people", 0.2), ("emoticons", 0.05)):
        part = rows[rows.source == name]
        for label in part.label.unique():
            shares = part[part.label == label].split.value_counts(normalize=True)
            for split in ("validation", "test"):
                assert abs(shares[split] - share) < 5 * (share * (1 - share) / (part.label == label).sum()) ** 0.5


def test_a_text_of_two_sources_is_in_one_split_and_one_source(folder: Path) -> None:
    """The first source has it, and the larger of the two shares decides where it is."""
    shared = texts(900, "people")
    shared["text"] = shared.text.str.upper() + " !!!"  # near-duplicates
    pd.concat([two(shared), two(texts(900, "emoticons"))]).to_csv(folder / "emoticons.csv", index=False)
    report, rows = prepared(folder, both(folder), holdout=0.05)
    contents = rows.assign(content=rows.text.map(content)).groupby("content")
    assert (contents.split.nunique() == 1).all()
    held_out = rows[(rows.split != "train") & rows.text.str.lower().str.startswith("people")]
    assert set(held_out.source) == {"people"} and len(held_out) == pytest.approx(0.4 * 900, abs=75)
    assert report.sources[1].skipped["near-duplicate among held-out texts"] == pytest.approx(0.4 * 600, abs=60)


def test_exact_duplicates_across_sources_stay_with_the_first(folder: Path) -> None:
    two(texts(900, "people")).to_csv(folder / "emoticons.csv", index=False)
    extra = pd.DataFrame({"text": [f"more {letters(i)}" for i in range(300)], "label": [0, 4] * 150})
    pd.concat([two(texts(900, "people")), extra]).to_csv(folder / "emoticons.csv", index=False)
    report, rows = prepared(folder, both(folder))
    assert report.sources[1].skipped == {"exact duplicate": 600} and report.skipped == {"exact duplicate": 600}
    assert (rows.source == "people").sum() == 900


def test_a_text_that_sources_disagree_about_is_dropped(folder: Path) -> None:
    wrong = two(texts(900, "emoticons"))
    wrong.loc[wrong.index[:10], "text"] = [f"people {letters(i)}" for i in range(1, 900, 3)][:10]  # neutral there
    wrong.to_csv(folder / "emoticons.csv", index=False)
    report, rows = prepared(folder, both(folder))
    assert [s.skipped for s in report.sources] == [{"the same text with both labels": 10}] * 2
    assert len(rows) == 1480


@pytest.mark.parametrize("by", ["option", "file"])
def test_near_duplicates_of_an_evaluation_set_are_dropped_and_counted(by: str, folder: Path) -> None:
    never = [f"@you PEOPLE {letters(i)} http://a.b/c" for i in range(50)] + [f"emoticons, {letters(3)}!", "12:30", "?!"]
    pd.DataFrame({"text": never}).to_csv(folder / "never.csv", index=False)
    extra = pd.DataFrame({"text": [":-)", "12:30", "11:11"], "label": ["positive", "negative", "neutral"]})
    pd.concat([texts(900, "people"), extra]).to_parquet(folder / "people.parquet")
    path = both(folder)
    if by == "file":
        path.write_text(f'evaluation = ["never.csv"]\n{path.read_text()}')
    report, rows = prepared(folder, path, exclude=(folder / "never.csv",) if by == "option" else ())
    reason = "near-duplicate of a text for evaluation"
    assert [s.skipped.get(reason) for s in report.sources] == [51, 1] and report.skipped[reason] == 52
    assert {content(text) for text in rows.text}.isdisjoint({content(text) for text in never[:-2]})
    assert {":-)", "11:11"} < set(rows.text) and "12:30" not in set(rows.text)  # of texts without letters, the same one


def test_excludes_from_a_single_file_too(folder: Path) -> None:
    pd.DataFrame({"text": [f"people {letters(i)}" for i in range(100)]}).to_parquet(folder / "never.parquet")
    report, rows = prepared(folder, folder / "people.parquet", exclude=(folder / "never.parquet",))
    assert len(rows) == 800 and report.skipped == {"near-duplicate of a text for evaluation": 100}


def test_a_file_of_unlabelled_sentiment140_or_without_texts_is_read_or_refused(folder: Path) -> None:
    row = '"2","1","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","somebody","people {}"\n'
    (folder / "never.csv").write_text("".join(row.format(letters(i)) for i in range(10)))
    report, _ = prepared(folder, folder / "people.parquet", exclude=(folder / "never.csv",))
    assert report.skipped == {"near-duplicate of a text for evaluation": 10}
    (folder / "never.csv").write_text("tweet,label\npeople a,1\n")
    with pytest.raises(SystemExit, match=r"never\.csv: no text; expected a column text, or"):
        prepared(folder, folder / "people.parquet", exclude=(folder / "never.csv",))


@pytest.mark.parametrize("how", ["eval", "Eval", "folder", "link", "named"])
def test_refuses_a_source_that_is_for_evaluation(how: str, folder: Path) -> None:
    evaluation = folder / ("Eval" if how == "Eval" else "eval")
    evaluation.mkdir()
    (folder / "people.parquet").rename(evaluation / "people.parquet")
    (folder / "link.parquet").symlink_to(evaluation / "people.parquet")
    source = {"name": "people", "path": f"{evaluation.name}/people.parquet"} | PEOPLE
    match how:
        case "folder":
            path = write(folder, source | {"path": "people.parquet"}, folder="eval")
        case "link":
            path = write(folder, source | {"path": "link.parquet"})
        case "named":
            (folder / "people.parquet").write_bytes((evaluation / "people.parquet").read_bytes())
            path = write(folder, source | {"path": "people.parquet"}, evaluation=["people.parquet"])
        case _:
            path = write(folder, source)
    with pytest.raises(SystemExit, match=r"source people: .*people|link.* such files are never trained on"):
        prepare(path, folder / "out", Options())
    assert not (folder / "out").exists()


def test_columns_labels_and_languages_are_read_as_the_source_says(folder: Path) -> None:
    rows = texts(900, "people")
    stars = {"negative": 1, "neutral": 3, "positive": 5}
    rows = pd.DataFrame({"tweet": rows.text, "stars": rows.label.map(stars), "lang": ["en", "FR ", "de"] * 300})
    rows.loc[::2, "stars"] = rows.stars.replace(1, 2)
    rows["lang"] = rows.lang.sample(frac=1, random_state=0).to_numpy()
    rows.to_csv(folder / "people.csv", index=False)
    fields = {k: v for k, v in PEOPLE.items() if k != "language"} | {
        "name": "people",
        "path": "people.csv",
        "columns": {"text": "tweet", "label": "stars", "language": "lang"},
        "labels": "negative=1|2,neutral=3,positive=5",
        "languages": ["en", "fr"],
    }
    report, found = prepared(folder, write(folder, fields))
    assert set(found.language) == {"en", "fr"} == set(report.sources[0].texts)
    assert report.skipped == {"another language": 300} and report.rows == 900
    assert set(found.label) == set(CLASSES)


@pytest.mark.parametrize(("take", "number"), [({"rows": 300}, 300), ({"share": 0.5}, 450), ({"share": 1.0}, 900)])
def test_takes_a_number_or_a_share_of_the_texts_of_a_source(take: dict[str, Any], number: int, folder: Path) -> None:
    report, rows = prepared(folder, both(folder, **take))
    people = rows[rows.source == "people"]
    assert len(people) == number and (rows.source == "emoticons").sum() == 600
    assert people.label.value_counts().between(number / 3 - 3, number / 3 + 3).all()
    assert report.sources[0].skipped == ({"not in the sample": 900 - number} if number < 900 else {})


def test_sample_keeps_the_proportion_of_sources(folder: Path) -> None:
    report, rows = prepared(folder, both(folder), sample=500)
    assert len(rows) == 500 and abs((rows.source == "people").sum() - 300) < 10
    assert sum(source.skipped["not in the sample"] for source in report.sources) == 1000


def test_split_depends_on_content_and_holdout_alone(folder: Path) -> None:
    _, before = prepared(folder, both(folder))
    texts(1500, "people").sample(frac=1, random_state=1).to_parquet(folder / "people.parquet")
    _, after = prepared(folder, both(folder, weight=1.0))
    merged = before.merge(after, on="text")
    assert len(merged) == 1500 and (merged.split_x == merged.split_y).all()


def test_digest_covers_every_column(folder: Path) -> None:
    """The files of two data sets must not be mixed, even if only the weights differ."""
    prepare(both(folder), folder / "one", Options(0.1))
    prepare(both(folder, weight=3.0), folder / "two", Options(0.1))
    for name in ("train", "validation", "test"):
        (folder / "one" / f"{name}.parquet").unlink()
        (folder / "one" / f"{name}.parquet").write_bytes((folder / "two" / f"{name}.parquet").read_bytes())
    with pytest.raises(SystemExit, match=r"not the texts that report.json describes"):
        load_rows(folder / "one")


@pytest.mark.parametrize("column", COLUMNS)
def test_digest_of_a_split_changes_with_each_of_its_columns(column: str, folder: Path) -> None:
    _, rows = prepared(folder, both(folder))
    other = {"label": "neutral", "weight": 9.0, "classes": 1}.get(column, "other")
    changed = rows.astype({column: object})
    changed.loc[7, column] = other
    assert dataset.dataset_sha256(rows) != dataset.dataset_sha256(changed)


def test_models_of_two_classes_leave_out_neutral_texts(folder: Path) -> None:
    report, rows = prepared(folder, both(folder))
    splits = load_splits(folder / "out")
    for split, found in splits.items():
        expected = rows[(rows.split == split) & (rows.label != "neutral")]
        assert found.text.tolist() == expected.text.tolist() and list(found.columns) == ["text", "label"]
        assert found.label.tolist() == (expected.label == "positive").astype(int).tolist()
    trained = report.labels["train"]["neutral"] + report.labels["validation"]["neutral"]
    assert describe(folder / "out").unused() == [
        f"{trained} neutral texts are left out: the model has two classes",
        "the weights of the sources are not used: every text counts the same",
    ]


def test_a_single_file_keeps_neutral_and_knows_nothing_of_its_source(folder: Path) -> None:
    report, rows = prepared(folder, folder / "people.parquet")
    (source,) = report.sources
    assert (source.name, source.licence, source.weight, source.classes) == ("people", "unknown", 1.0, 3)
    assert set(rows.label) == set(CLASSES) and set(rows.language) == {"und"}
    report, rows = prepared(folder, folder / "emoticons.csv")
    assert report.sources[0].classes == 2 and describe(folder / "out").unused() == []


def test_a_data_set_of_two_classes_has_the_digest_it_always_had(folder: Path) -> None:
    invented(300).to_parquet(folder / "tweets.parquet")
    prepare(folder / "tweets.parquet", folder / "out", Options(0.1))
    train = load_splits(folder / "out")["train"]
    lines = "".join(f"{row.label}\t{row.text}\n" for row in train.itertuples())
    assert dataset.dataset_sha256(train) == hashlib.sha256(lines.encode()).hexdigest()


BASE = {"name": "people", "path": "people.parquet"} | PEOPLE


@pytest.mark.parametrize(
    ("sources", "top", "line"),
    [
        ([], {}, r"missing required field `source`"),
        ([BASE, BASE], {}, "source people: there are two of this name"),
        ([BASE | {"name": "a b"}], {}, r"\$\.source\[0\]\.name"),
        ([BASE | {"wieght": 2}], {}, "unknown field `wieght`"),
        ([BASE | {"columns": {"txt": "a"}}], {}, "unknown field `txt`"),
        ([BASE], {"sources": 1}, "unknown field `sources`"),
        ([{k: v for k, v in BASE.items() if k != "licence"}], {}, "missing required field `licence`"),
        ([{k: v for k, v in BASE.items() if k != "weight"}], {}, "missing required field `weight`"),
        ([BASE | {"licence": ""}], {}, r"\.licence"),
        ([BASE | {"weight": 0}], {}, r"\.weight"),
        ([BASE | {"weight": -1.0}], {}, r"\.weight"),
        ([BASE | {"classes": 4}], {}, r"\.classes"),
        ([BASE | {"labelled_by": "robots"}], {}, r"\.labelled_by"),
        ([BASE | {"labelled_by": "unknown"}], {}, "labelled_by must be people or emoticons"),
        ([BASE | {"language": "English"}], {}, r"\.language"),
        ([BASE | {"columns": {"language": "lang"}}], {}, "give either language or columns.language"),
        ([{k: v for k, v in BASE.items() if k != "language"}], {}, "give either language or columns.language"),
        ([BASE | {"rows": 5, "share": 0.5}], {}, "give either rows or share"),
        ([BASE | {"rows": 0}], {}, r"\.rows"),
        ([BASE | {"rows": 0.5}], {}, r"\.rows"),
        ([BASE | {"share": 1.5}], {}, r"\.share"),
        ([BASE | {"holdout": 0.5}], {}, r"\.holdout"),
        ([BASE | {"rows": 901}], {}, "source people: has 900 usable texts, but rows = 901"),
        ([BASE | {"classes": 2}], {}, r"people.parquet has neutral texts, but classes = 2"),
        ([BASE | {"labels": "negative=0"}], {}, "source people: .*--labels does not name negative"),
        ([BASE | {"labels": "bad=0"}], {}, "'bad' is no class"),
        ([BASE | {"languages": ["fr"]}], {}, "source people: .* has no text in fr"),
        ([BASE | {"path": "nothing.parquet"}], {}, r"nothing\.parquet: there is no such file"),
        ([BASE | {"holdout": 0.001}], {}, "validation would have . negative and . positive texts"),
        ([BASE], {"evaluation": ["nothing.csv"]}, r"nothing\.csv: there is no such file"),
        ([BASE | {"columns": {"text": "tweet"}}], {}, "must have one column tweet and one label; it has text, label"),
    ],
)
def test_refuses_a_wrong_file_of_sources_in_one_line(
    sources: list[dict[str, Any]], top: dict[str, Any], line: str, folder: Path
) -> None:
    with pytest.raises(SystemExit, match=line) as raised:
        prepare(write(folder, *sources, **top), folder / "out", Options(0.1))
    assert len(str(raised.value).splitlines()) == 1 and not (folder / "out").exists()


@pytest.mark.parametrize("bytes_", [b"\xff", b"[[source]", b"", b"source = 1", b"[[source]]\nname = 1"])
def test_refuses_a_file_that_is_no_toml_of_sources_in_one_line(bytes_: bytes, tmp_path: Path) -> None:
    (tmp_path / "sources.toml").write_bytes(bytes_)
    with pytest.raises(SystemExit, match=r"sources\.toml: ") as raised:
        load_sources(tmp_path / "sources.toml")
    assert len(str(raised.value).splitlines()) == 1
    with pytest.raises(SystemExit, match=r"nothing\.toml: No such file"):
        load_sources(tmp_path / "nothing.toml")


def test_a_wrong_language_in_a_column_is_refused(folder: Path) -> None:
    texts(900, "people").assign(lang=["en", "en", None] * 300).to_parquet(folder / "people.parquet")
    fields = {k: v for k, v in BASE.items() if k != "language"} | {"columns": {"language": "lang"}}
    with pytest.raises(SystemExit, match="'' in the column lang is not a code such as en, in 300 rows"):
        prepare(write(folder, fields), folder / "out", Options(0.1))


def test_unclear_labels_name_the_source_and_the_field(folder: Path) -> None:
    coded = texts(900, "people").assign(label=[0, 1, 2] * 300)
    coded.to_parquet(folder / "people.parquet")
    with pytest.raises(SystemExit, match=r"^source people: .*--labels negative=0,neutral=1,positive=2 .*labels = "):
        prepare(both(folder), folder / "out", Options(0.1))
    with pytest.raises(SystemExit, match="--labels: .* says for each source what its labels mean"):
        prepare(both(folder), folder / "out", Options(0.1, labels={"0": "negative"}))


def test_every_held_out_source_needs_both_classes(folder: Path) -> None:
    rare = texts(900, "people")
    rare.loc[rare.label == "negative", "label"] = "neutral"
    rare.loc[0, "label"] = "negative"
    rare.to_parquet(folder / "people.parquet")
    with pytest.raises(SystemExit, match=r"(validation|test) of people would have 0 negative and \d+ positive texts"):
        prepare(both(folder), folder / "out", Options(0.1))
    prepare(both(folder, holdout=0.0), folder / "out", Options(0.1))


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # MLflow's own
def test_mlflow_and_the_card_have_the_sources(folder: Path, runs: mlflow.MlflowClient) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args([str(both(folder)), "--out", str(folder / "out"), "--holdout", "0.1"]))
    kept = mlflow.last_active_run()
    assert kept is not None and kept.data.params["sources"] == "people x 2, emoticons x 0.5"
    logged = mlflow.artifacts.load_dict(f"runs:/{kept.info.run_id}/sources.json")
    report = describe(folder / "out")
    assert msgspec.convert(logged, list[dataset.SourceReport]) == report.sources
    people = report.sources[0]
    train = {label: people.count(dataset.TRAINING_SPLITS, label) for label in CLASSES}
    card = model_card.describe_data(report)
    assert card.startswith("Data: people, emoticons, as the table says.\n\n| source |")
    numbers = " | ".join(str(number) for number in train.values())
    assert f"| people | {numbers} | 2 | en | people | CC0 | {people.sha256[:16]}… |" in card
    assert "Neutral texts are neither trained nor measured on" in card


def test_the_projects_own_file_of_sources_can_be_read() -> None:
    named = load_sources(ROOT / "training" / "sources.toml")
    assert {source.classes for source in named.sources if source.labelled_by == "emoticons"} == {2}
    assert len(named.evaluation) == 3 and preparation.REPORT == "report.json"
