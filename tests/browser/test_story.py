"""From a tweet to a row in the table and back, in both languages, by mouse and by keyboard."""

import re
from collections.abc import Iterator

import pytest
from azure.data.tables import TableClient, TableServiceClient
from playwright.sync_api import Page, expect

from devhost.azurite import Azurite
from tests.browser.conftest import FEEDBACK_TABLE, Visit
from tests.browser.states import HOLD, REVIEW, VERDICTS
from tests.browser.visitor import LOCALES, Language

IRONIC = "Thank you @bob for two hours in a queue, what a lovely start http://example.org/queue"


@pytest.fixture
def table(azurite: Azurite) -> Iterator[TableClient]:
    """The feedback table, emptied."""
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        table = service.create_table_if_not_exists(FEEDBACK_TABLE)
        for row in table.list_entities():
            table.delete_entity(row)
        yield table


def rows(table: TableClient) -> list[dict[str, object]]:
    return [dict(row) for row in table.list_entities()]


@pytest.mark.parametrize("language", LOCALES)
def test_feedback_can_be_sent_and_erased(visit: Visit, table: TableClient, language: Language) -> None:
    visitor = visit(language)
    visitor.open()
    visitor.analyse(IRONIC)
    expect(visitor.verdict.get_by_role("heading", level=2)).to_have_text(
        re.compile("|".join(visitor.words(f"verdict.{decision}") for decision in VERDICTS))
    )
    assert "lovely" in visitor.verdict.locator("mark.positive").all_inner_texts()
    expect(visitor.verdict.get_by_role("list", name=visitor.words("words.positive"))).to_contain_text("lovely")

    visitor.press("feedback.no")
    visitor.page.get_by_label(visitor.words("feedback.comment")).fill("irony, says eve@example.org")
    visitor.page.get_by_label(visitor.words("feedback.share")).check()
    visitor.press("feedback.send")
    expect(visitor.page.get_by_role("heading", name=visitor.words("feedback.thanksWrong"))).to_be_focused()
    (row,) = rows(table)
    assert row["correct"] is False
    assert row["text"] == "Thank you <mention> for two hours in a queue, what a lovely start <url>"
    assert row["comment"] == "irony, says <email>"

    visitor.press("feedback.undo")
    expect(visitor.page.get_by_text(visitor.words("feedback.undone")).first).to_be_visible()
    assert rows(table) == []

    visitor.press("feedback.next")
    expect(visitor.box).to_be_focused()
    expect(visitor.box).to_have_value("")
    expect(visitor.page.get_by_role("list").get_by_role("button", name=IRONIC)).to_be_visible()


def test_text_is_not_sent_without_consent(visit: Visit, table: TableClient) -> None:
    visitor = visit()
    visitor.open()
    visitor.analyse(REVIEW)
    visitor.press("feedback.yes")
    expect(visitor.page.get_by_label(visitor.words("feedback.share"))).not_to_be_checked()
    with visitor.page.expect_request("**/api/feedback") as sent:
        visitor.button("feedback.send").dblclick()
    expect(visitor.page.get_by_role("heading", name=visitor.words("feedback.thanks"))).to_be_visible()
    assert sent.value.post_data_json.keys() == {"prediction_id", "correct"}
    assert visitor.calls.count("POST /api/feedback") == 1
    (row,) = rows(table)
    assert (row["correct"], row.get("text"), row.get("comment")) == (True, None, None)


def test_everything_works_by_keyboard(visit: Visit, table: TableClient) -> None:
    visitor = visit()
    visitor.open()
    page, words = visitor.page, visitor.words
    assert walk(page, 8) == [
        words("skip"),
        words("language"),
        words("tabs.one"),
        words("one.label"),
        words("one.analyse"),
        words("one.example"),
        words("foot.more"),
        "",
    ]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type(HOLD)
    page.keyboard.press("Control+Enter")
    visitor.expect_state("verdict")

    tab_to(page, words("feedback.no"))
    page.keyboard.press("Enter")
    tab_to(page, words("feedback.comment"))
    page.keyboard.type("it is an apology")
    tab_to(page, words("feedback.share"))
    page.keyboard.press("Space")
    tab_to(page, words("feedback.send"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=words("feedback.thanksWrong"))).to_be_focused()
    assert [row["text"] for row in rows(table)] == [HOLD]
    tab_to(page, words("feedback.undo"))
    page.keyboard.press("Enter")
    expect(page.locator(".undone")).to_be_focused()
    assert rows(table) == []
    tab_to(page, words("feedback.next"))
    page.keyboard.press("Enter")
    expect(visitor.box).to_be_focused()


def test_tabs_and_dialogs_take_the_usual_keys(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    page, words = visitor.page, visitor.words
    one, many = (page.get_by_role("tab", name=words(f"tabs.{name}")) for name in ("one", "many"))
    tab_to(page, words("tabs.one"))
    for key, tab, panel in [
        ("ArrowRight", many, visitor.lines),
        ("ArrowRight", one, visitor.box),
        ("End", many, visitor.lines),
        ("Home", one, visitor.box),
        ("ArrowLeft", many, visitor.lines),
    ]:
        page.keyboard.press(key)
        expect(tab).to_be_focused()
        expect(tab).to_have_attribute("aria-selected", "true")
        expect(panel).to_be_visible()
    tab_to(page, words("foot.more"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=words("privacy.title"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("link", name=words("foot.more"))).to_be_focused()


def test_privacy_dialog_can_be_closed_at_any_scroll_position(visit: Visit) -> None:
    visitor = visit(viewport={"width": 320, "height": 480})
    visitor.open("/#privacy")
    close, text = visitor.button("privacy.close"), visitor.page.locator("#privacy-text")
    expect(close).to_be_in_viewport(ratio=1)
    visitor.page.get_by_role("dialog").evaluate(
        "dialog => dialog.scrollTo(0, dialog.scrollHeight)"
    )  # scroll to the end
    expect(close).to_be_in_viewport(ratio=1)
    last, button = text.bounding_box(), close.bounding_box()
    assert last and button and last["y"] + last["height"] <= button["y"]  # nothing is below the button
    close.click()
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)


# Its name as people see it, and whether they can see that it is focused.
FOCUSED = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return ["", true];
  const shown = [focused, ...(focused.labels ?? [])];
  const name = focused.labels?.[0]?.innerText || focused.innerText || focused.ariaLabel;
  return [name, shown.some((one) => getComputedStyle(one).outlineStyle !== "none")];
}"""


def walk(page: Page, steps: int) -> list[str]:
    """Press Tab; return the names of the focused elements. Each must show its focus."""
    names = []
    for _ in range(steps):
        page.keyboard.press("Tab")
        name, visible = page.evaluate(FOCUSED)
        assert visible, f"{name!r} does not look focused"
        names.append(name)
    return names


def tab_to(page: Page, name: str) -> None:
    for _ in range(40):
        if walk(page, 1) == [name]:
            return
    raise AssertionError(f"Tab does not lead to {name!r}")
