"""Synthetic tweets, texts of odd Unicode, and texts that are slow to match."""

import random

_SUBJECTS = [
    "the crew",
    "my flight",
    "this airline",
    "the food on board",
    "our trip",
    "the new app",
    "check-in",
    "the seat",
]
_GOOD = ["was great", "is lovely", "made my day", "was so good !", "is the best", "never fails", "felt wonderful"]
_BAD = [
    "was awful",
    "is broken again",
    "ruined my day",
    "was not good",
    "is the worst",
    "got cancelled",
    "felt terrible",
]
_AROUND = ["@airparis {}", "{} http://example.org/x", "{} !!", "well , {}", "{} #travel", "omg {}", "{} today", "{}"]
_PARTS = [
    *" |\t|\n|\u00a0|\u2028|\x00|\u200b|\ufeff|\u202e|é|e\u0301|İ|ß|中文|ไทย|각|ᄀ|ﬁ|Ω|🙂|👍🏽|👨‍👩‍👧|’|_|0|1e9".split(
        "|"
    ),
    *"love HATE soooo not n't &amp; &#8203; &lt;3 #GoTeam @x http://a.b/c www.q :-) ): !!! ... <url> <b>".split(),
    "a" * 50,
]

# Repeated many times, each of these would make a careless regular expression take quadratic time.
PATHOLOGICAL = "a|<a|a-|&amp;|:|#aB|'a|^_|@|www.|(-|a.co|&#|é|😀|\u0301|\u0301\u0327|\ud800".split("|")


def invented(n: int, seed: int = 0) -> list[tuple[str, int]]:
    """Return n tweets with their labels: 1 for positive, 0 for negative."""
    choose = random.Random(seed)
    labels = [choose.randint(0, 1) for _ in range(n)]
    texts = [
        choose.choice(_AROUND).format(f"{choose.choice(_SUBJECTS)} {choose.choice(_GOOD if label else _BAD)}")
        for label in labels
    ]
    return list(zip(texts, labels, strict=True))


def hostile(n: int, seed: int = 0) -> list[str]:
    """Return n texts of odd Unicode, entities, links, emoji and random code points."""
    choose = random.Random(seed)
    texts = []
    for _ in range(n):
        parts = [choose.choice(_PARTS) for _ in range(choose.randint(0, 20))]
        parts += [chr(choose.choice([choose.randrange(0xD800), choose.randrange(0xE000, 0x110000)])) for _ in range(3)]
        choose.shuffle(parts)
        texts.append("".join(parts))
    return texts


def megabyte_of(part: str) -> str:
    """Return `part`, repeated until the text has a megabyte in UTF-8."""
    return part * (2**20 // len(part.encode("utf-8", "surrogatepass")))
