"""Profile a data set: lengths, classes, languages and near-duplicates of its texts.

The language of a text is the one whose dictionary knows most of its words. It must know at least half of them, and more
than any other dictionary does; otherwise the language is unknown.
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

from .dataset import SPLITS
from .labels import CLASSES

LANGUAGES = ("en", "es", "fr", "de", "pt", "it", "nl", "id")
UNKNOWN = "unknown"
MAX_LANGUAGE_SAMPLE = 5_000  # texts whose language is detected
QUANTILES = {"least": 0.0, "5%": 0.05, "25%": 0.25, "median": 0.5, "75%": 0.75, "95%": 0.95, "99%": 0.99, "most": 1.0}
PLOTS = ("lengths", "classes", "languages")
FIGURE_SIZE_INCHES = (5, 4)


class NearDuplicates(msgspec.Struct):
    """Texts that differ only in mentions, links, digits, punctuation, case or elongation."""

    texts: int  # that have a near-duplicate
    contents: int  # that these texts share
    contradictory: int  # contents with several labels


class Profile(msgspec.Struct):
    tokens: dict[str, dict[str, int]]  # class -> quantile -> tokens of a text
    near_duplicates: NearDuplicates
    languages: dict[str, float]  # language -> share, of at most MAX_LANGUAGE_SAMPLE texts


def profile_texts(rows: pd.DataFrame) -> Profile:
    """Profile at least one text. Needs the columns text, label, content and tokens (how many)."""
    return Profile(lengths(rows), near_duplicates(rows), languages(sample(rows.text)))


def lengths(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return quantiles of the number of tokens, by class."""
    return {
        name: {quantile: int(np.quantile(part, q, method="lower")) for quantile, q in QUANTILES.items()}
        for name in CLASSES
        if len(part := rows.tokens[rows.label == name].to_numpy())
    }


def near_duplicates(rows: pd.DataFrame) -> NearDuplicates:
    repeated = rows[rows.duplicated("content", keep=False)]
    labels = repeated.groupby("content").label.nunique()
    return NearDuplicates(len(repeated), len(labels), int((labels > 1).sum()))


def sample(texts: pd.Series) -> list[str]:
    """Return at most MAX_LANGUAGE_SAMPLE texts, evenly spread: a file may be sorted."""
    return list(texts.iloc[np.linspace(0, len(texts) - 1, min(MAX_LANGUAGE_SAMPLE, len(texts)), dtype=int)])


def languages(texts: Sequence[str]) -> dict[str, float]:
    """Return the share of each language in at least one text, most frequent first."""
    spec = TextSpec()
    words = [[token for token in spec.tokens(text) if token.isalpha()] for text in texts]
    vocabulary = sorted({word for text in words for word in text})
    known = {language: {word for word in vocabulary if is_known(word, language)} for language in LANGUAGES}
    counts = Counter(_language(text, known) for text in words)
    return {language: round(count / len(texts), 4) for language, count in counts.most_common()}


def _language(words: Sequence[str], known: Mapping[str, set[str]]) -> str:
    hits = sorted(
        ((sum(word in vocabulary for word in words), language) for language, vocabulary in known.items()),
        reverse=True,
    )
    (most, language), (second, _) = hits[:2]
    return language if most > second and most >= len(words) / 2 else UNKNOWN


def save_plots(rows: pd.DataFrame, profile: Profile, folder: Path) -> None:
    """Write PLOTS as PNG. Needs the columns of `profile_texts`, and split."""
    figures = plot_lengths(rows), plot_classes(rows), plot_languages(profile)
    for name, figure in zip(PLOTS, figures, strict=True):
        figure.savefig(folder / f"{name}.png")


def plot_lengths(rows: pd.DataFrame) -> Figure:
    figure, axes = _figure("tokens of a text", "share of the class")
    last_bin = int(rows.tokens.quantile(0.999)) + 1
    for name in _classes(rows):
        part = rows.tokens[rows.label == name].clip(upper=last_bin)
        axes.hist(part, list(np.arange(last_bin + 2) - 0.5), density=True, histtype="step", label=name)
    axes.legend(fontsize="small")
    return figure


def plot_classes(rows: pd.DataFrame) -> Figure:
    """Plot the number of texts by split and class, on a logarithmic axis: train is far larger than the others."""
    figure, axes = _figure("", "texts")
    splits = [split for split in SPLITS if (rows.split == split).any()]
    names = _classes(rows)
    width = 0.8 / len(names)
    for position, name in enumerate(names):
        counts = [int(((rows.split == split) & (rows.label == name)).sum()) for split in splits]
        offset = (position - (len(names) - 1) / 2) * width
        bars = axes.bar(np.arange(len(splits)) + offset, counts, width, label=name)
        axes.bar_label(bars, fmt="{:,.0f}", fontsize="x-small")
    axes.set_xticks(np.arange(len(splits)), splits)
    axes.set_yscale("log")
    axes.set_ylim(bottom=1)
    axes.legend(fontsize="small")
    return figure


def _classes(rows: pd.DataFrame) -> list[str]:
    return [name for name in CLASSES if (rows.label == name).any()]


def plot_languages(profile: Profile) -> Figure:
    figure, axes = _figure("share of the texts", "")
    names = list(profile.languages)[::-1]
    bars = axes.barh(names, [profile.languages[name] for name in names])
    axes.bar_label(bars, fmt="{:.1%}", fontsize="x-small", padding=2)
    axes.set_xlim(0, 1.1)
    return figure


def _figure(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(FIGURE_SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    return figure, axes
