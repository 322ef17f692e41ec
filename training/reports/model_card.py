"""MODEL_CARD.md: what a model is for, what it was made from, how good it is, where it fails.

`card` prints the card of a model folder; `export` and `calibrate` write it there. After Mitchell et al., "Model Cards
for Model Reporting", 2019.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment.manifest import IdsCounts, Manifest, Thresholds, TokenIds, WordPieces
from training.evaluation import metrics
from training.evaluation.evaluation import Evaluation, Measured
from training.families import FAMILIES

if TYPE_CHECKING:
    from training.registry.build import Exported

CARD = "MODEL_CARD.md"
FIGURES = ("accuracy", "auc", "precision", "recall", "f1", "brier", "ece")
DECISIONS = ("publish_precision", "publish_recall", "hold_precision", "hold_recall")
CALIBRATED = ("accuracy", "precision", "recall", "brier", "ece", *DECISIONS)  # what calibration changes

_CARD = """\
# {name} {version}

Says whether a tweet will be read as positive or negative. Meant as a second opinion before publishing, in English; not
meant to judge people, to moderate what others write, or to decide anything alone.

- Family: {family}: {summary}. {reads}
- Calibrated (Platt) on the validation split; thresholds chosen there for a precision of 0.95 with 95% confidence:
  {decided}.
- {bytes:,} bytes; {milliseconds} ms for a tweet of 30 tokens on one thread of the machine that exported it.

{about}

## Measured on the test split

{n:,} texts that were never trained or tuned on; no near-duplicate of one is in the training data
(sha256 {dataset:.16}…). In brackets: 95% bootstrap intervals.

{figures}

What its decisions are worth: of what it would publish, how much is positive, and how much of all that is positive it
would publish; the same for hold and negative.

{decisions}

The float32 graph differs from the model as it was trained by {reference:.1e} in probability at most, on {texts:,}
texts; what ships, in {flips} labels.

## By kind of text

{slices}

## Behaviour

Sentences written for the purpose. Invariance: what carries no mood changes, the label must not. Direction: what carries
mood moves the probability its way. Minimum: sentences nobody could get wrong.

{behaviour}

## Limits

- It knows what its data hold. A text that is mostly unknown words is marked as such and never waved through.
- Sarcasm, quotation, and who is spoken of are beyond it. See above for what negation does to it.
- Run {run_id} in MLflow; made {created} by `python -m training export`.
"""

_CALIBRATED = """\
# {name} {version}

{source} {source_version}, calibrated for texts like these {n:,}, of which {positive:.0%} are positive
(sha256 {dataset:.16}…). Thresholds were chosen on them for a precision of 0.95 with 95% confidence:
{decided}.

{figures}

Figures of these texts; "calibrated" is cross-fitted: no text is judged by what was fitted on it. They hold where as
many are positive. Made {created} by `python -m training calibrate`.

What follows is the card of {source}. Its figures are of other texts.

---

{card}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder")


def run(arguments: argparse.Namespace) -> None:
    print(read(arguments.model), end="")


def read(folder: Path) -> str:
    """The card of a model folder. Raises SystemExit if it has none."""
    card = folder / CARD
    if not card.is_file():
        raise SystemExit(f"{card}: there is no card; `export` and `calibrate` write one")
    return card.read_text()


def render(exported: "Exported") -> str:
    """The card, as Markdown."""
    manifest, evaluation = exported.manifest, exported.evaluation
    before = Measured(evaluation.overall.n, evaluation.overall.positive, exported.trained, {})
    rows = {"as trained": before, "as shipped": evaluation.overall}
    return _CARD.format(
        name=manifest.name,
        version=manifest.version,
        family=manifest.family,
        summary=FAMILIES[manifest.family].summary,
        reads=_reads(manifest),
        about=exported.about,
        decided=decided(manifest.thresholds),
        bytes=exported.shipped.bytes,
        milliseconds=exported.shipped.milliseconds,
        n=evaluation.overall.n,
        dataset=evaluation.dataset_sha256,
        figures=_figures(rows, FIGURES),
        decisions=_figures(rows, DECISIONS),
        reference=exported.reference.largest_difference,
        texts=exported.reference.texts,
        flips=exported.shipped.flips,
        slices=_slices(evaluation),
        behaviour=_behaviour(evaluation),
        run_id=manifest.run_id,
        created=manifest.created,
    )


def render_calibrated(source: Manifest, calibrated: Manifest, was: Measured, will_be: Measured, card: str) -> str:
    """The card of a model that `calibrate` made, over that of the one it was made from."""
    return _CALIBRATED.format(
        name=calibrated.name,
        version=calibrated.version,
        source=source.name,
        source_version=source.version,
        n=will_be.n,
        positive=will_be.positive,
        dataset=calibrated.metrics["validation"].dataset_sha256,
        decided=decided(calibrated.thresholds),
        figures=_figures({"as it was": was, "calibrated": will_be}, CALIBRATED),
        created=calibrated.created,
        card=card,
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(measured: Measured, name: str) -> str:
    """A figure with its interval, as far as there are any."""
    if name not in measured.values:
        return "–"
    low, high = measured.intervals.get(name, (None, None))
    return f"{measured.values[name]:.4f}" + (f" ({low:.4f}–{high:.4f})" if low is not None else "")


def _reads(manifest: Manifest) -> str:
    match manifest.input:
        case IdsCounts(max_ngram=longest):
            return f"Reads n-grams of {longest} tokens at most, in any order."
        case TokenIds(max_length=longest):
            return f"Reads the first {longest} tokens, in order."
        case WordPieces(max_length=longest):
            return f"Reads the first {longest} pieces of words, in order."


def decided(thresholds: Thresholds) -> str:
    """From where on a model decides, in words."""
    where = {"publish": f"at {thresholds.publish:.4f} and above", "hold": f"at {thresholds.hold:.4f} and below"}
    where |= dict.fromkeys(
        metrics.unreachable_decisions(thresholds), "never (too few texts, or too hard ones, to be sure)"
    )
    return ", ".join(f"{decision} {probability}" for decision, probability in where.items())


def _figures(rows: Mapping[str, Measured], names: Sequence[str]) -> str:
    head = ["", *(name.replace("_", " ") for name in names)]
    return table(head, ([row, *(figure(measured, name) for name in names)] for row, measured in rows.items()))


def _slices(evaluation: Evaluation) -> str:
    shown = ("accuracy", "auc", "precision", "recall")
    return table(
        ["", "texts", "positive", *shown],
        (
            [name, f"{measured.n:,}", f"{measured.positive:.0%}", *(figure(measured, f) for f in shown)]
            for name, measured in evaluation.slices.items()
            if measured is not None
        ),
    )


def _behaviour(evaluation: Evaluation) -> str:
    return table(
        ["", "kind", "failed", "mean change of P(positive)"],
        (
            [
                test.name,
                test.kind,
                f"{test.failures} of {test.cases}",
                "" if test.change is None else f"{test.change:.3f}",
            ]
            for test in evaluation.behaviour
        ),
    )
