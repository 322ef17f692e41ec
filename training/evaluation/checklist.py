"""Behavioural tests of a model, on sentences written for the purpose. They do not depend on a data set.

Three kinds, after Ribeiro, Wu, Guestrin and Singh, "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList",
2020. Invariance: replacing a word without sentiment must not change the label. Directional expectation: adding a word
with sentiment must move the probability in its direction. Minimum functionality: simple sentences, obvious labels.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from sentiment.verdict import Label

from .metrics import Floats

type Predict = Callable[[Sequence[str]], Floats]  # n texts -> [n]: P(positive)
type Kind = Literal["invariance", "direction", "minimum"]
type Direction = Literal["lower", "higher"]


class CheckResult(msgspec.Struct, frozen=True):
    """The result of one test. An invariance case is one sentence with all its fillings."""

    name: str
    kind: Kind
    cases: int
    failures: int  # cases
    change: float | None  # mean |Δp| of an invariance, mean Δp of a direction; None for a minimum
    example: str | None  # the first text that failed


# --- invariance: templates, and the words to fill in -----------------------------------------------------------------

INVARIANCE_TEMPLATES: dict[str, tuple[list[str], list[str]]] = {
    "other names": (
        [
            "{} at the gate was so kind, thank you",
            "{} found my bag within an hour, wonderful",
            "thanks to {} we made our connection",
            "{} greeted us with a smile, what a great start",
            "so lucky to have {} as our captain",
            "{} on board was rude to everyone",
            "{} hung up on me twice, terrible service",
            "I asked {} for help and got nothing but excuses",
            "{} lost my ticket and blamed me for it",
            "I am furious with {} at the counter",
        ],
        ["Anna", "Mohamed", "Chloe", "Kenji", "Fatima", "Brandon", "Ngozi", "Svetlana"],
    ),
    "other mentions": (
        [
            "{} thank you for the lovely flight",
            "{} your crew was fantastic today",
            "best service ever, well done {}",
            "{} you made our honeymoon perfect",
            "happy to fly with {} again",
            "{} you lost my luggage again",
            "{} two hours on hold and nobody answers",
            "never flying with {} again",
            "{} this is a disgrace",
            "{} my seat is broken and filthy",
        ],
        ["@airparis", "@blue_wings", "@SkyNorth", "@j0hn_d", "@TravelDesk24", "@the_real_ana"],
    ),
    "other cities": (
        [
            "what a smooth flight to {}",
            "so happy to be back in {}",
            "loved every minute of our trip to {}",
            "the view over {} was amazing",
            "{} was a wonderful surprise, thank you",
            "our flight to {} was cancelled without a word",
            "stuck in {} for nine hours, this is awful",
            "my suitcase never arrived in {}",
            "worst night ever at the airport of {}",
            "sick of waiting in {}",
        ],
        ["Paris", "Lagos", "Denver", "Osaka", "Mumbai", "Lima", "Oslo", "Cairo"],
    ),
    "other flight numbers": (
        [
            "great crew on {}",
            "{} landed early, perfect",
            "the breakfast on {} was delicious",
            "thank you {} for a lovely evening",
            "{} was the most comfortable flight of my life",
            "{} is delayed again, so annoying",
            "worst seat I ever had, {}",
            "{} left without us and nobody cares",
            "the toilets on {} were disgusting",
            "{} is cancelled and I am in tears",
        ],
        ["AF1234", "BW 77", "flight 302", "SN4051", "flight 9", "XZ818"],
    ),
    "other links": (
        [
            "our new lounge is beautiful {}",
            "so proud of this team {}",
            "we love these photos {}",
            "thank you all for a fantastic year {}",
            "a beautiful sunrise from the cockpit {}",
            "what a horrible night at the airport {}",
            "this is how they treat your bags {}",
            "I am so disappointed {}",
            "shame on you {}",
            "still no refund, this is ridiculous {}",
        ],
        ["http://example.org/a", "https://example.com/news?id=7", "www.example.net", "https://t.co/Ab3dE5fG"],
    ),
}

# --- directional expectation: a sentence, and the same sentence with a word added ------------------------------------

SUBJECTS = ["crew was", "food was", "seat was", "new app is", "lounge was", "check-in was", "captain was", "staff is"]
PRAISES = ["friendly", "great", "good", "comfortable", "nice", "wonderful"]
NEUTRAL_SENTENCES = [
    "I am flying to Rome this morning",
    "our gate is number 14",
    "they changed my seat",
    "the new uniform",
    "we board at noon",
    "lunch is served at twelve",
    "I called the hotline",
    "the app has a new version",
    "my bag is on the belt",
    "this is my first time with this airline",
]

DIRECTIONAL_EXPECTATIONS: dict[str, tuple[Direction, list[tuple[str, str]]]] = {
    "praise is negated": (
        "lower",
        [(f"the {subject} {praise}", f"the {subject} not {praise}") for subject in SUBJECTS for praise in PRAISES],
    ),
    '"I love it" is added': ("higher", [(text, f"{text}, I love it") for text in NEUTRAL_SENTENCES]),
    '"thank you so much" is added': ("higher", [(text, f"{text}, thank you so much") for text in NEUTRAL_SENTENCES]),
    '"terrible" is added': ("lower", [(text, f"{text}, terrible") for text in NEUTRAL_SENTENCES]),
    '"worst airline ever" is added': ("lower", [(text, f"{text}, worst airline ever") for text in NEUTRAL_SENTENCES]),
}

# --- minimum functionality: sentences by their label -----------------------------------------------------------------

MINIMUM_FUNCTIONALITY: dict[str, dict[Label, list[str]]] = {
    "short and clear": {
        "positive": [
            "I love this airline",
            "what a great flight",
            "thank you, you made my day",
            "the crew was amazing",
            "best trip of my life",
            "we had a wonderful time",
            "so happy with the service",
            "excellent food on board",
            "the staff was kind and helpful",
            "a perfect landing, well done",
        ],
        "negative": [
            "I hate this airline",
            "what a horrible flight",
            "you ruined my holiday",
            "the crew was rude",
            "worst trip of my life",
            "we had an awful time",
            "so disappointed with the service",
            "disgusting food on board",
            "the staff was rude and useless",
            "they lost my bag, I am so angry",
        ],
    },
    "negated": {
        "positive": [
            "no delay, no queue, I am impressed",
            "not bad at all",
            "I have nothing to complain about",
            "never had a problem with them",
            "you can't go wrong with this crew",
            "I couldn't be happier",
        ],
        "negative": [
            "the crew was not friendly",
            "this is not good",
            "I don't like the new seats",
            "it isn't fun to wait here",
            "I will never fly with you again",
            "that was not a nice flight",
        ],
    },
    "emoji": {
        "positive": ["our flight today ❤️", "this airline 😍", "the new lounge 👍", "boarding now 😊", "the crew 🥰👏"],
        "negative": ["our flight today 😡", "this airline 🤬", "the new lounge 👎", "boarding now 😢", "the crew 😠💔"],
    },
    "elongated": {
        "positive": ["sooo good", "I looove this crew", "thank youuuu", "the food was amaziiing", "yaaay we landed"],
        "negative": ["sooo bad", "I haaate waiting", "this is awfullll", "worst flight everrrr", "nooo not again"],
    },
    "misspelt": {
        "positive": [
            "teh crew was awsome",
            "i lvoe this airline",
            "graet flight thnks",
            "verry freindly staff",
            "wonderfull service, thx",
        ],
        "negative": [
            "teh crew was horible",
            "i haet this airline",
            "terible flight, so anoying",
            "verry rude staf",
            "disapointed agian, worst servise",
        ],
    },
}


def run_checklist(predict: Predict) -> list[CheckResult]:
    """Run every test on a model: 200 cases, 558 texts."""
    return [
        *(_invariance(predict, name, *case) for name, case in INVARIANCE_TEMPLATES.items()),
        *(_directional(predict, name, *case) for name, case in DIRECTIONAL_EXPECTATIONS.items()),
        *(_minimum(predict, name, sentences) for name, sentences in MINIMUM_FUNCTIONALITY.items()),
    ]


def _invariance(predict: Predict, name: str, templates: list[str], fillings: list[str]) -> CheckResult:
    texts = [template.format(filling) for template in templates for filling in fillings]
    probability = predict(texts).reshape(len(templates), len(fillings))
    positive = probability >= 0.5
    wrong = positive != positive[:, :1]
    return CheckResult(
        name=name,
        kind="invariance",
        cases=len(templates),
        failures=int(wrong.any(axis=1).sum()),
        change=float(np.abs(probability[:, 1:] - probability[:, :1]).mean()),
        example=_first(texts, wrong.ravel()),
    )


def _directional(predict: Predict, name: str, direction: Direction, pairs: list[tuple[str, str]]) -> CheckResult:
    before, after = [text for text, _ in pairs], [text for _, text in pairs]
    change = predict(after) - predict(before)
    wrong = change >= 0 if direction == "lower" else change <= 0
    return CheckResult(
        name=f"{name}: {direction}",
        kind="direction",
        cases=len(pairs),
        failures=int(wrong.sum()),
        change=float(change.mean()),
        example=_first(after, wrong),
    )


def _minimum(predict: Predict, name: str, sentences: dict[Label, list[str]]) -> CheckResult:
    labelled = [(text, label == "positive") for label, texts in sentences.items() for text in texts]
    texts = [text for text, _ in labelled]
    wrong = (predict(texts) >= 0.5) != np.array([positive for _, positive in labelled])
    return CheckResult(
        name=name,
        kind="minimum",
        cases=len(texts),
        failures=int(wrong.sum()),
        change=None,
        example=_first(texts, wrong),
    )


def _first(texts: Sequence[str], wrong: NDArray[np.bool_]) -> str | None:
    return next((text for text, failed in zip(texts, wrong, strict=True) if failed), None)
