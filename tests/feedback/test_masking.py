import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback import masking
from feedback.masking import mask_personal_data
from tests.support.paths import ROOT
from tests.support.personal_forms import KINDS, forms_of, forms_that_stay, kept_texts, table
from tests.support.time_limit import time_limit
from tests.support.tweets import PATHOLOGICAL, megabyte_of

MAX_CHARACTERS = 1000  # of a text or a comment
# What hypothesis puts together: everything that has a meaning for a mask, and what joins and separates it.
PARTS = st.sampled_from(
    [
        *"0|12|345|06 12 34 56 78|+33|4111 1111 1111 1111|FR76|nl91 abna 0417 1643 00|X7K2PQ|booking|PNR|n°".split("|"),
        *"bob|smith|example|org|de|it|It|www.|http://|hxxp:|//|localhost|::1|1.2.3.4|u/|ext.|at|dot|(at)".split("|"),
        *"@|＠|.|。|[.]|-|–|/|:|?|#|=|&|&#64;|&#64|&amp;|＆|%40|%|;|,|'|’|\"|(|)|[|]|<|>|<url>|€|x|é|_|+|*".split("|"),
        *(" ", "  ", "\n", "|", "\u0301", "\u0338", "\u200b", "\ufe0f", "\u20e3", "\u3164", "①", "❶", "٣", "\ud800"),
        *("2026-11-29", "10:30", "1,234,567", "2019-2020", "12.50", "3-0, 2-1", "ABC", " and ", "→", "«", "bookings"),
    ]
)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ask @alice_b about it", "ask <mention> about it"),
        ("see https://example.org/u/alice?id=1 now", "see <url> now"),
        ("WWW.example.org!", "<url>"),
        ("mail alice.b+x@mail.example.org, please", "mail <email>, please"),
        ("call +33 1 23 45 67 89 or (555) 010-9999", "call <number> or <number>"),
        ("flight AF1234 at 10:30, gate 12, 2 hours late", "flight AF1234 at 10:30, gate 12, 2 hours late"),
        ("paid 1,000,000 in 2009", "paid 1,000,000 in 2009"),
        ("card 4111111111111111, example.org/alice or bit.ly/x1", "card <number>, <url> or <url>"),
        ("bob&#64;example.org ＠bob", "<email> <mention>"),
        ("", ""),
    ],
)
def test_masks_personal_data(text: str, masked: str) -> None:
    assert mask_personal_data(text) == masked


@pytest.mark.parametrize("kind", KINDS)
def test_masks_every_form_of_personal_data(kind: str) -> None:
    assert forms_that_stay(forms_of(kind)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_masks_a_form_within_a_sentence(kind: str) -> None:
    forms = [f"Please call, ⟦{form}⟧ today" for form in forms_of(kind)[:200] if "⟦" not in form]
    assert forms_that_stay(forms) == []


@pytest.mark.parametrize("text", kept_texts())
def test_keeps_what_identifies_nobody(text: str) -> None:
    assert mask_personal_data(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call me at 06 12 34 56 78, 2 times, before 10:30!", "call me at <number>, 2 times, before 10:30!"),
        ("on 29/11/2026 10:30 06 12 34 56 78", "on 29/11/2026 10:30 <number>"),
        ("(call 06 12 34 56 78)", "(call <number>)"),
        ("(06 12 34 56 78) or @bob, please.", "(<number>) or <mention>, please."),
        ("IBAN FR76 3000 6000 0112 3456 7890 189 OK?", "IBAN <number> OK?"),
        ("at 10 nl91 abna 0417 1643 00 is mine", "at 10 <number> is mine"),
        ("1234567\u0338 bob@[192.0.2.1]\u0338", "<number> <email>"),  # NFC would make one character of ">" and U+0338
        ("write to <bob@example.org>.", "write to <<email>>."),
        ("read example.org. Then example.com, too", "read <url>. Then <url>, too"),
        ("meet me at example.org, at 10.30 at the latest", "meet me at <url>, at 10.30 at the latest"),
        ("at 10.30 at example.org", "at 10.30 at <url>"),
        ("booking AB 12345 7/8", "booking <number> 7/8"),
        ("hi " + "/u/bob" * 12, "hi <mention>"),
        ("bookings X7K2PQ, ABC123 and AF1234 at 10:30", "bookings <number>, <number> and AF1234 at 10:30"),
        ("tickets 12345 and 12346 and 250 EUR", "tickets <number> and <number> and 250 EUR"),
        ("my PNR is X7K 2PQ I am late", "my PNR is <number> I am late"),
        ("bag ID UA6016053916 can you look", "bag ID <number> can you look"),
        ("client 12345678 EUR 50", "client <number> EUR 50"),
        ("NL91/ABNA/0417/1643/00, please", "<number>, please"),
        ("my booking reference is X7K2PQ, my flight AF1234", "my booking reference is <number>, my flight AF1234"),
    ],
)
def test_masks_no_more_than_what_is_personal(text: str, masked: str) -> None:
    assert mask_personal_data(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "1 234 567 passengers",
        "12 14 16 18",
        "1000-1500",
        "booking AF1234",
        "@ noon",
        "so.it was",
        "21-19 18-21",
        "261/2004",
        "BA 2490 2491 2492",
        "112-108 99-98",
        "UK 250000",
        "20261129",
        "order 10 000 items",
        "PNR: please",
        "booking reference: london",
    ],
)
def test_masks_what_may_be_personal(text: str) -> None:
    assert "<" in mask_personal_data(text)


@given(st.text(max_size=50), st.sampled_from(["@bob", "bob@example.org", "http://bob.example", "+33123456789"]))
def test_masks_personal_data_inside_any_text(around: str, personal: str) -> None:
    assert personal not in mask_personal_data(f"{around} {personal} {around}")


@given(st.one_of(st.text(), st.lists(PARTS, max_size=30).map("".join)))
def test_masking_is_idempotent(text: str) -> None:
    assert mask_personal_data(mask_personal_data(text)) == mask_personal_data(text)


@pytest.mark.parametrize("part", PATHOLOGICAL)
def test_masking_takes_linear_time(part: str) -> None:
    """A third of a megabyte takes a second. Quadratic work would take minutes."""
    with time_limit(seconds=30):
        mask_personal_data(megabyte_of(part)[:300_000])


@given(st.lists(PARTS, min_size=1, max_size=4).map("".join))
def test_longest_text_of_any_repetition_takes_a_moment(part: str) -> None:
    with time_limit(seconds=5):
        mask_personal_data((part * MAX_CHARACTERS)[:MAX_CHARACTERS])


@pytest.mark.parametrize(
    "text",
    [
        "&" + "#38" * 333,
        "&" + "amp;" * 249,
        "&" + "#38;" * 249,
        "&" + "#65286;" * 142,
        "&" + "commat" * 166,
        "%" + "25" * 498 + "40",
        "&" + "#38" * 150 + " " + "\ufdfa" * 549,
        "&" + "#38" * 150 + " " + "㍿" * 549,
        "㍿" * 1000,
        "/u/bob" * 166,
        "1234567/u/bob/" * 71,
        "06 12 34 56 78 @bob " * 50,
    ],
)
def test_work_is_bounded_whatever_the_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unescape, handled = masking._unescape, []
    monkeypatch.setattr(masking, "_unescape", lambda text: handled.append(len(text)) or unescape(text))
    mask_personal_data(text)
    assert len(handled) <= 12
    assert sum(handled) <= 25 * MAX_CHARACTERS


@given(st.lists(PARTS, min_size=1, max_size=6).map("".join))
def test_no_repetition_takes_many_rounds(part: str) -> None:
    assert mask_personal_data((part * MAX_CHARACTERS)[:MAX_CHARACTERS]) != "<masked>"


def test_no_character_becomes_more_than_four() -> None:
    long = [c for c in map(chr, range(0x110000)) if len(unicodedata.normalize("NFKC", c)) > 4]
    assert "\ufdfa" in long
    assert [c for c in long if len(masking._unescape(c)) > 4] == []


@pytest.mark.parametrize("personal", ["@bob", "bob@example.org", "06 12 34 56 78"])
def test_text_that_is_escaped_again_and_again_is_masked_as_a_whole(personal: str) -> None:
    assert mask_personal_data(f"{personal} &{'#38' * 20}#64bob") == "<masked>"


@pytest.mark.parametrize("joined", range(1, 20))
def test_text_whose_masks_reveal_ever_more_is_masked_as_a_whole(joined: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text that we know does; here each mask reveals one letter."""
    monkeypatch.setattr("feedback.personal_numbers.mask_numbers", lambda text: text.replace("x", "", 1))
    assert mask_personal_data("a " + "x" * joined) == ("a " if joined < 8 else "<masked>")


def test_libraries_of_numbers_are_imported_with_the_first_text_to_store() -> None:
    code = """
import sys, feedback.record
loaded = lambda: ("phonenumbers" in sys.modules, "stdnum" in sys.modules)
before = loaded()
feedback.record.mask_personal_data("a")
print(before, loaded())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(False, False) (True, True)"


def test_privacy_page_has_the_measured_table() -> None:
    assert "\n".join(table()) in (ROOT / "docs/privacy.md").read_text()
