"""Synthetic English tweets to measure with."""

import random

# Six slots with eight phrases each: 8⁶ tweets of about 20 tokens.
_SLOTS = (
    (
        "@airparis",
        "@nordicrail hello ,",
        "so #cityhotel",
        "dear @brightbank",
        "omg",
        "well ,",
        "hey @coffeehouse",
        "ok",
    ),
    (
        "the crew on my flight to Oslo",
        "the new app on my old phone",
        "your whole team at the front desk",
        "that big breakfast in the lobby",
        "the delivery I waited for all week",
        "the seat by the window of the train",
        "my second order of the same shoes",
        "the lady who answered my call",
    ),
    (
        "was really lovely",
        "was not good at all",
        "made my whole day",
        "is broken once again",
        "felt so wonderful",
        "was just awful today",
        "never fails to please",
        "got cancelled without notice",
    ),
    (
        "and I will come back soon",
        "and nobody could tell me why",
        "but the wait was far too long",
        "just as I had hoped",
        "for the third time this month",
        "though I had expected less",
        "even on a rainy Monday",
        "and my kids agree",
    ),
    ("!!", "...", ", thank you", ", no thanks", "#travel", "?!", ", honestly", "."),
    (":)", ":(", "http://example.org/p", "😀", "<3", "-_-", "xx", "lol"),
)


def tweets(n: int) -> list[str]:
    """Return n tweets, the same ones every time."""
    choose = random.Random(0)  # noqa: S311
    return [" ".join(choose.choice(slot) for slot in _SLOTS) for _ in range(n)]
