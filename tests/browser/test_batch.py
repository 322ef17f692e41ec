"""A batch of tweets: from a list or a spreadsheet to a table and back to a spreadsheet."""

import csv
import io
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.states import FOREIGN, HOLD, PREDICT, PUBLISH, REVIEW, TOO_LONG, VERDICTS
from tests.browser.visitor import LOCALES, Language, Visitor

LETTERS = 'Thank you, dear passengers;\nwe love your "letters"\r\nand your photos'


@pytest.fixture
def visitor(visit: Visit) -> Visitor:
    """A visitor on the second tab."""
    visitor = visit()
    visitor.open()
    visitor.page.get_by_role("tab", name=visitor.words("tabs.many")).click()
    return visitor


def analyse(visitor: Visitor, *, state: str = "done") -> None:
    visitor.press("many.analyse")
    expect(visitor.batch).to_have_attribute("data-state", state)


def column(visitor: Visitor, name: str) -> list[str]:
    return visitor.batch.locator(f"tbody td.{name}").all_inner_texts()


def table(separator: str, mark: str = "", end: str = "\r\n") -> str:
    """Return a table with id, tweet and note as spreadsheets write it."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator=end)
    writer.writerows([("id", "tweet", "note"), (1, LETTERS, ""), ("", "", ""), (2, HOLD, "a;b,c")])
    return mark + file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("comma.csv", table(",").encode(), id="RFC 4180"),
        pytest.param("point-virgule.csv", table(";", "\ufeff").encode(), id="French Excel, UTF-8"),
        pytest.param("ansi.csv", table(";").encode("cp1252"), id="French Excel, Windows"),
        pytest.param("tabs.tsv", table("\t", "\ufeff").encode("utf-16le"), id="Excel's Unicode text"),
        pytest.param("unix.csv", table(",", end="\n").encode(), id="Unix"),
    ],
)
def test_reads_files_of_every_kind(visitor: Visitor, name: str, content: bytes) -> None:
    visitor.choose_file(name, content)
    with visitor.page.expect_request(f"**{PREDICT}") as sent:
        analyse(visitor)
    letters, hold = sent.value.post_data_json["texts"]
    assert (letters.replace("\r\n", "\n"), hold) == (LETTERS.replace("\r\n", "\n"), HOLD)
    assert column(visitor, "decision")[1].strip() == visitor.words("verdict.hold")


def test_column_can_be_selected(visitor: Visitor) -> None:
    visitor.choose_file("names.csv", f'1,"{HOLD}"\r\n2,"{PUBLISH}"'.encode())
    visitor.page.get_by_label(visitor.words("many.column"), exact=True).select_option(
        visitor.words("many.columnN", n=2)
    )
    with visitor.page.expect_request(f"**{PREDICT}") as sent:
        analyse(visitor)
    assert sent.value.post_data_json["texts"] == [HOLD, PUBLISH]


def test_accepts_a_dropped_file(visitor: Visitor) -> None:
    drop = """(place, text) => {
      const files = new DataTransfer();
      files.items.add(new File([text], "dropped.csv", { type: "text/csv" }));
      place.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: files }));
    }"""
    visitor.page.locator("#drop").evaluate(drop, table(","))
    expect(visitor.page.locator("#source")).to_contain_text(visitor.words("many.file", name="dropped.csv", n=2))


def test_refuses_more_than_500_tweets(visitor: Visitor) -> None:
    visitor.lines.fill("tweet\n" * 501)
    visitor.press("many.analyse")
    expect(visitor.page.locator("#lines-fault")).to_have_text(visitor.words("many.tooMany", n=501, most=500))
    assert f"POST {PREDICT}" not in visitor.calls
    visitor.lines.fill("tweet\n" * 500)
    analyse(visitor)
    assert visitor.calls.count(f"POST {PREDICT}") == 8  # 7 × 64 + 52
    assert column(visitor, "number") == [str(n + 1) for n in range(500)]


def test_table_can_be_sorted_by_every_column(visitor: Visitor) -> None:
    visitor.lines.fill("\n".join(VERDICTS.values()))
    analyse(visitor)
    heads = {name: visitor.button(f"many.{name}") for name in ("number", "tweet", "decision", "probability")}
    header = visitor.batch.get_by_role("columnheader")
    for name, direction, expected in [
        ("probability", "ascending", [HOLD, REVIEW, PUBLISH]),
        ("probability", "descending", [PUBLISH, REVIEW, HOLD]),
        ("decision", "ascending", [PUBLISH, REVIEW, HOLD]),
        ("tweet", "ascending", sorted(VERDICTS.values())),
        ("number", "ascending", list(VERDICTS.values())),
    ]:
        heads[name].click()
        assert column(visitor, "tweet") == expected
        expect(header.filter(has=heads[name])).to_have_attribute("aria-sort", direction)
        expect(visitor.batch.locator("[aria-sort]")).to_have_count(1)
        expect(heads[name]).to_be_focused()


@pytest.mark.parametrize("language", LOCALES)
def test_download_contains_no_formulas(visit: Visit, language: Language, tmp_path: Path) -> None:
    visitor = visit(language)
    visitor.open()
    visitor.page.get_by_role("tab", name=visitor.words("tabs.many")).click()
    formulas = ['=HYPERLINK("http://example.org")', "+1 for our crew", "-1 for our crew", "@crew we love you"]
    visitor.lines.fill("\n".join([*formulas, HOLD, FOREIGN]))
    analyse(visitor)
    with visitor.page.expect_download() as download:
        visitor.press("many.download")
    assert download.value.suggested_filename == visitor.words("many.file.name")
    download.value.save_as(tmp_path / "table.csv")
    content = (tmp_path / "table.csv").read_text("utf-8-sig")
    assert (tmp_path / "table.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    separator, decimal = {"en": (",", "."), "fr": (";", ",")}[language]
    rows = list(csv.DictReader(io.StringIO(content), delimiter=separator))
    assert [row["text"] for row in rows] == [*(f"'{formula}" for formula in formulas), HOLD, FOREIGN]
    assert (rows[4]["decision"], rows[4]["label"]) == ("hold", "negative")
    assert rows[5]["warnings"] == "probably_not_english"
    assert all(0 < float(row["probability"].replace(decimal, ".")) < 1 for row in rows)


def test_job_can_be_cancelled_and_resumed(visitor: Visitor) -> None:
    batches: list[int] = []
    answered = iter([True, False])  # the second call is never answered; later ones are

    def answer(route: Route) -> None:
        batches.append(len(route.request.post_data_json["texts"]))
        if next(answered, True):
            route.continue_()

    visitor.page.route(f"**{PREDICT}", answer)
    visitor.lines.fill("\n".join([PUBLISH, HOLD] * 50))
    analyse(visitor, state="running")
    progress = visitor.batch.get_by_role("progressbar")
    expect(progress).to_have_attribute("value", "64")
    visitor.press("many.cancel")
    expect(visitor.page.get_by_text(visitor.words("many.paused", done=64, n=100))).to_be_visible()
    assert len(column(visitor, "number")) == 64
    visitor.press("many.resume")
    expect(visitor.batch).to_have_attribute("data-state", "done")
    assert len(column(visitor, "number")) == 100
    assert batches == [64, 36, 36]
    visitor.errors.expect_only(f"{PREDICT}: net::ERR_ABORTED")


def test_results_survive_a_failure_and_a_reload(visitor: Visitor) -> None:
    answered = iter([True])
    visitor.page.route(
        f"**{PREDICT}", lambda route: route.continue_() if next(answered, False) else route.fulfill(status=503)
    )
    visitor.lines.fill("\n".join([PUBLISH, HOLD] * 50))
    analyse(visitor, state="problem")
    expect(visitor.batch.get_by_role("alert")).to_contain_text(visitor.words("problem.unavailable"))
    assert len(column(visitor, "number")) == 64
    visitor.mend(PREDICT)
    visitor.page.reload()
    visitor.press("many.resume")
    expect(visitor.batch).to_have_attribute("data-state", "done")
    assert len(column(visitor, "number")) == 100
    visitor.errors.expect_only(f"{PREDICT}: 503$")


def test_a_result_opens_in_the_first_tab(visitor: Visitor) -> None:
    visitor.lines.fill(f"{HOLD}\n{PUBLISH}")
    analyse(visitor)
    visitor.batch.get_by_role("button", name=PUBLISH).click()
    visitor.expect_state("verdict")
    expect(visitor.verdict).to_have_attribute("data-decision", "publish")
    expect(visitor.box).to_have_value(PUBLISH)


def test_too_long_tweet_is_marked_and_can_be_corrected(visitor: Visitor) -> None:
    visitor.lines.fill(f"{HOLD}\n{TOO_LONG * 5}\n{PUBLISH}")
    visitor.lines.press("Control+Enter")
    expect(visitor.batch).to_have_attribute("data-state", "done")
    done = f"{visitor.words('many.done', n=2)}, {visitor.words('many.skipped', n=1)}"
    expect(visitor.batch.get_by_text(done, exact=True)).to_be_visible()
    expect(visitor.page.get_by_role("status")).to_have_text(done)
    row = visitor.batch.get_by_role("row").filter(has_text=visitor.words("many.tooLong", most="1,000"))
    shown = row.locator(".clamped")
    assert shown.evaluate("(text) => text.scrollHeight > 2 * text.clientHeight")  # the first lines only
    row.get_by_role("button", name=TOO_LONG.strip()).click()
    expect(visitor.box).to_be_focused()
    assert visitor.box.input_value().startswith(TOO_LONG * 4)
    expect(visitor.page.locator("#fault")).to_be_visible()


def test_refused_file_can_be_removed(visitor: Visitor) -> None:
    visitor.choose_file("all.csv", b"We love you\r\n" * 130_000)
    expect(visitor.page.locator("#source")).to_contain_text(visitor.words("many.file", name="all.csv", n="130,000"))
    visitor.press("many.analyse")
    refused = visitor.words("many.tooMany", n="130,000", most=500)
    expect(visitor.page.locator("#lines-fault")).to_have_text(refused)
    visitor.press("many.remove")
    expect(visitor.lines).to_be_focused()
