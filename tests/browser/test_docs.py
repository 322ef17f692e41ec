"""/api/docs in a browser: every operation is there, and can be tried."""

from collections.abc import Callable
from itertools import product

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visit
from tests.browser.screens import FONTS, SCREENS, overflowing
from tests.browser.visitor import Visitor
from tests.support.app import FUNCTION_KEY, App


def opened(visitor: Visitor, path: str) -> Locator:
    """Return an operation, unfolded."""
    operation = visitor.page.locator(".opblock").filter(has=visitor.page.locator(f'[data-path="{path}"]'))
    operation.locator(".opblock-summary-control").click()
    return operation


def answer(operation: Locator) -> Locator:
    """Press Execute; return the status and body of the response."""
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table tbody")


def test_operations_can_be_executed_with_a_key(visit: Visit, site_with_key: App) -> None:
    visitor = visit(address=str(site_with_key.http.base_url))
    page = visitor.page
    page.goto("/api/docs")
    tried = opened(visitor, "/api/predict")
    expect(answer(tried)).to_contain_text("401")
    visitor.errors.expect_only("POST /api/predict: 401")
    page.get_by_role("button", name="Authorize").click()
    form = page.locator("form").filter(has_text="functionKey")
    form.locator("input").fill(FUNCTION_KEY)
    form.get_by_role("button", name="Apply").click()
    form.get_by_role("button", name="Close").click()
    expect(answer(tried)).to_contain_text('"label": "positive"')
    key = {"x-functions-key": FUNCTION_KEY}
    (prediction,) = site_with_key.http.post("/api/predict", json={"text": "fine"}, headers=key).json()["predictions"]
    erased = opened(visitor, "/api/feedback/{prediction_id}")
    erased.locator("[data-param-name=prediction_id] input").fill(prediction["prediction_id"])
    expect(answer(erased)).to_contain_text("204")


def test_an_example_can_be_selected(visit: Visit) -> None:
    visitor = visit()
    visitor.page.goto("/api/docs")
    predict = opened(visitor, "/api/predict")
    predict.locator(".examples-select-element").first.select_option("Which words decided")
    expect(answer(predict)).to_contain_text('"explanation"')


def test_shows_every_operation_and_every_error(visit: Visit, site: App) -> None:
    visitor = visit(color_scheme="dark")
    visitor.page.goto("/api/docs")
    operations = [path for path, item in site.http.get("/api/openapi.json").json()["paths"].items() for _ in item]
    shown = visitor.page.locator(".opblock-summary-path")
    expect(shown).to_have_count(len(operations))
    assert sorted(shown.all_text_contents()) == sorted(operations)
    table = visitor.page.get_by_role("table")
    expect(table).to_be_hidden()
    visitor.page.get_by_text("Errors", exact=True).click()
    expect(table.get_by_role("row").filter(has_text="receipt-expired")).to_contain_text("Predict again")
    expect(visitor.page.locator("html")).to_have_class("dark-mode")


def click_each(buttons: Locator) -> None:
    buttons.evaluate_all("(buttons) => buttons.forEach((button) => button.click())")


def unfold_errors(visitor: Visitor) -> None:
    visitor.page.get_by_text("Errors", exact=True).click()
    expect(visitor.page.get_by_role("table")).to_be_visible()


def unfold_operations(visitor: Visitor) -> None:
    """Unfold every operation, one of them with a response."""
    click_each(visitor.page.locator(".opblock-summary-control"))
    expect(answer(visitor.page.locator(".opblock").first)).to_contain_text("200")


def unfold_schemas(visitor: Visitor) -> None:
    unfold_operations(visitor)
    click_each(visitor.page.get_by_role("tab", name="Schema"))
    expect(visitor.page.locator(".model-box").first).to_be_visible()


def unfold_components(visitor: Visitor) -> None:
    visitor.page.locator("section.models button").first.click()
    closed = visitor.page.get_by_role("button", name="Expand all")
    while closed.count():  # opened ones contain further closed ones
        click_each(closed)
    expect(visitor.page.get_by_text("dataset_sha256").last).to_be_visible()


def ask_for_the_key(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Authorize").click()
    expect(visitor.page.locator(".auth-container").first).to_be_visible()


@pytest.mark.parametrize(
    "unfold", [unfold_errors, unfold_operations, unfold_schemas, unfold_components, ask_for_the_key]
)
def test_nothing_is_wider_than_the_screen(visit: Visit, unfold: Callable[[Visitor], None]) -> None:
    """In any font. Swagger UI sets its own text sizes, which only zoom changes."""
    visitor = visit()
    visitor.page.goto("/api/docs")
    unfold(visitor)
    for screen, font in product(SCREENS, FONTS):
        assert overflowing(visitor.page, SCREENS[screen], font) == [], (screen, font)
