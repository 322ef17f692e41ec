"""What a data set looks like: how long its texts are, what languages they are in, how many say the same.

The language of a text is the one whose dictionary has most of its words, where that is half of them at least and no
other has as many: what is typed in a hurry is in no dictionary.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from simplemma import is_known

from sentiment.text import TextSpec

CLASSES = {0: "negative", 1: "positive"}
LANGUAGES = ("en", "es", "fr", "de", "pt", "it", "nl", "id")
UNKNOWN = "unknown"
SAMPLE = 5_000  # texts whose language is looked at
QUANTILES = {"least": 0.0, "5%": 0.05, "25%": 0.25, "median": 0.5, "75%": 0.75, "95%": 0.95, "99%": 0.99, "most": 1.0}
PLOTS = ("lengths", "classes", "languages")
SIZE = (5, 4)  # inches


class NearDuplicates(msgspec.Struct):
    """Texts that differ in nothing but mentions, links, digits, punctuation, case or elongation."""

    texts: int  # that have such a twin
    contents: int  # that they share
    contradictory: int  # contents that carry both labels


class Survey(msgspec.Struct):
    tokens: dict[str, dict[str, int]]  # class -> quantile -> tokens of a text
    near_duplicates: NearDuplicates
    languages: dict[str, float]  # language -> share, by at most SAMPLE texts


def survey(rows: pd.DataFrame) -> Survey:
    """Of at least one text: columns text, label, content (what near-duplicates share), tokens (how many)."""
    return Survey(lengths(rows), near_duplicates(rows), languages(sample(rows.text)))


def lengths(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Quantiles of the number of tokens, by class."""
    return {
        name: {quantile: int(np.quantile(part, q, method="lower")) for quantile, q in QUANTILES.items()}
        for label, name in CLASSES.items()
        if len(part := rows.tokens[rows.label == label].to_numpy())
    }


def near_duplicates(rows: pd.DataFrame) -> NearDuplicates:
    repeated = rows[rows.duplicated("content", keep=False)]
    labels = repeated.groupby("content").label.nunique()
    return NearDuplicates(len(repeated), len(labels), int((labels > 1).sum()))


def sample(texts: pd.Series) -> list[str]:
    """SAMPLE of the texts at most, evenly spread: the order of a file may mean something."""
    return list(texts.iloc[np.linspace(0, len(texts) - 1, min(SAMPLE, len(texts)), dtype=int)])


def languages(texts: Sequence[str]) -> dict[str, float]:
    """The share of each language among at least one text, the most frequent first."""
    spec = TextSpec()
    words = [[token for token in spec.tokens(text) if token.isalpha()] for text in texts]
    vocabulary = sorted({word for text in words for word in text})
    known = {language: {word for word in vocabulary if is_known(word, language)} for language in LANGUAGES}
    counts = Counter(_language(text, known) for text in words)
    return {language: round(count / len(texts), 4) for language, count in counts.most_common()}


def _language(words: Sequence[str], known: Mapping[str, set[str]]) -> str:
    hits = sorted(
        ((sum(word in theirs for word in words), language) for language, theirs in known.items()), reverse=True
    )
    (most, language), (second, _) = hits[:2]
    return language if most > second and most >= len(words) / 2 else UNKNOWN


def draw(rows: pd.DataFrame, surveyed: Survey, folder: Path) -> None:
    """Write PLOTS as PNG; `rows` as for `survey`, and column split."""
    figures = plot_lengths(rows), plot_classes(rows), plot_languages(surveyed)
    for name, figure in zip(PLOTS, figures, strict=True):
        figure.savefig(folder / f"{name}.png")


def plot_lengths(rows: pd.DataFrame) -> Figure:
    figure, axes = _figure("tokens of a text", "share of the class")
    longest = int(rows.tokens.quantile(0.999)) + 1
    for label, name in CLASSES.items():
        part = rows.tokens[rows.label == label].clip(upper=longest)
        axes.hist(part, list(np.arange(longest + 2) - 0.5), density=True, histtype="step", label=name)
    axes.legend(fontsize="small")
    return figure


def plot_classes(rows: pd.DataFrame) -> Figure:
    """How many texts of each class every split has; on a logarithmic axis, since one split is most of them."""
    figure, axes = _figure("", "texts")
    splits = [split for split in ("train", "validation", "test") if (rows.split == split).any()]
    for place, (label, name) in zip((-0.2, 0.2), CLASSES.items(), strict=True):
        counts = [int(((rows.split == split) & (rows.label == label)).sum()) for split in splits]
        bars = axes.bar(np.arange(len(splits)) + place, counts, 0.4, label=name)
        axes.bar_label(bars, fmt="{:,.0f}", fontsize="x-small")
    axes.set_xticks(np.arange(len(splits)), splits)
    axes.set_yscale("log")
    axes.set_ylim(bottom=1)
    axes.legend(fontsize="small")
    return figure


def plot_languages(surveyed: Survey) -> Figure:
    figure, axes = _figure("share of the texts", "")
    names = list(surveyed.languages)[::-1]
    bars = axes.barh(names, [surveyed.languages[name] for name in names])
    axes.bar_label(bars, fmt="{:.1%}", fontsize="x-small", padding=2)
    axes.set_xlim(0, 1.1)
    return figure


def _figure(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(SIZE, layout="constrained")
    axes = figure.add_subplot(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    return figure, axes
