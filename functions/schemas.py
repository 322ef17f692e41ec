"""Types that several triggers use in their requests and responses. A type of one trigger stays with its handler."""

from typing import Annotated

from msgspec import Meta, Struct

MAX_TEXTS = 64  # in a call
MAX_TEXT_CHARACTERS = 1000  # code points
# Scorings in a call with `explain`, of a tweet or a window. At 12 ms, which the longest tweet takes, these are 2.3 s of
# a whole core and 9 s of the quarter of a core that an instance has by default: less than the time limit.
EXPLAIN_BUDGET = 192

type Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_TEXT_CHARACTERS,
        pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
        description="The text that you are about to publish. The model reads links, mentions, hashtags and emoji.",
        examples=["I love this company the experience was great !"],
    ),
]


class ModelName(Struct, frozen=True):
    name: str
    version: str
