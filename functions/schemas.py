"""Types that several triggers use in their requests and responses. A type of one trigger stays with its handler."""

from typing import Annotated

from msgspec import Meta, Struct

type Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=1000,
        pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
        description="The text that you are about to publish. The model reads links, mentions, hashtags and emoji.",
        examples=["I love this company the experience was great !"],
    ),
]


class ModelName(Struct, frozen=True):
    name: str
    version: str
