"""MODEL_CARD.md: what a model is for, what it was made from, how good it is, where it fails.

`export` and `calibrate` write the card into the model folder. After Mitchell et al., "Model Cards for Model Reporting",
2019.
"""

from pathlib import Path

from sentiment.manifest import IdsCounts, Manifest, Thresholds, TokenIds, WordPieces
from training.data.dataset import SPLITS, TRAINING_SPLITS, Description
from training.data.errors import refuse_damaged
from training.evaluation import calibration, metrics
from training.evaluation.calibration import CalibrationGain
from training.families import FAMILIES

from . import tables
from .export_summary import ExportSummary
from .tables import to_markdown

CARD = "MODEL_CARD.md"
DECISIONS = metrics.names(["decision"])
CARD_METRICS = [name for name in metrics.names(metrics.EVALUATED) if name not in DECISIONS]
# Calibration does not change the ranking, so not the AUC; F1 follows from precision and recall.
CALIBRATED = [name for name in metrics.names(metrics.EVALUATED) if name not in ("auc", "f1")]

_CARD = """\
# {name} {version}

Says whether a tweet will be read as positive or negative. Meant as a second opinion before publishing, in English; not
meant to judge people, to moderate what others write, or to decide anything alone.

- Family: {family}: {summary}. {input}
- Calibrated (Platt) on the validation split; thresholds chosen there for a precision of 0.95 with 95% confidence:
  {thresholds}.
- {bytes:,} bytes; {milliseconds} ms for a tweet of 30 tokens on one thread of the machine that exported it.

{about}

## Measured on the test split

{n:,} texts that were never trained or tuned on; no near-duplicate of one is in the training data
(sha256 {dataset:.16}…). In brackets: 95% bootstrap intervals.

{metrics}

Precision and recall of its decisions: of what it would publish, how much is positive, and how much of all that is
positive it would publish; the same for hold and negative.

{decisions}

The float32 graph differs from the model as it was trained by {difference:.1e} in probability at most, on {compared:,}
texts; what ships, in {label_changes} labels.

## By kind of text

{slices}

## Behaviour

Sentences written for the purpose. Invariance: a change without sentiment must not change the label. Direction: a word
with sentiment must move the probability in its direction. Minimum: simple sentences with obvious labels.

{behaviour}

## Limits

- It knows the words of its data. A text of mostly unknown words gets a warning and is never *publish*.
- It does not understand sarcasm, quotations, or whom a text is about. See above for what negation does to it.
- Run {run_id} in MLflow; made {created} by `python -m training export`.
"""

_CALIBRATED = """\
# {name} {version}

{source} {source_version}, calibrated for texts like these {n:,}, of which {positive:.0%} are positive
(sha256 {dataset:.16}…). Thresholds were chosen on them for a precision of 0.95 with 95% confidence:
{thresholds}.

{metrics}

Figures of these texts; "calibrated" is cross-fitted: no text is judged by what was fitted on it. They hold where as
many are positive. Made {created} by `python -m training calibrate`.

What follows is the card of {source}. Its figures are of other texts.

---

{card}"""


def read(folder: Path) -> str:
    """Return the card of a model folder. Raises SystemExit if it has none."""
    card = folder / CARD
    if not card.is_file():
        raise SystemExit(f"{card}: there is no card; `export` and `calibrate` write one")
    with refuse_damaged(card, "`export` and `calibrate` write one"):
        return card.read_text("utf-8")


def describe_data(data: Description) -> str:
    """Return what a card says about the data: where they come from, in words and as a table of the sources."""
    lines = [data.about, "", to_markdown(tables.sources_table(data.sources, TRAINING_SPLITS))]
    if any(source.count(SPLITS, "neutral") for source in data.sources):
        lines += ["", "Neutral texts are neither trained nor measured on: the model has two classes."]
    return "\n".join(lines)


def render(summary: ExportSummary) -> str:
    """Return the card of an exported model, as Markdown."""
    manifest, evaluation = summary.manifest, summary.evaluation
    overall = evaluation.overall
    rows = {"as trained": summary.trained, "as shipped": overall}
    return _CARD.format(
        name=manifest.name,
        version=manifest.version,
        family=manifest.family,
        summary=FAMILIES[manifest.family].summary,
        input=_describe_input(manifest),
        about=summary.about,
        thresholds=describe_thresholds(manifest.thresholds),
        bytes=summary.shipped.bytes,
        milliseconds=summary.shipped.latency_ms,
        n=overall.n,
        dataset=evaluation.dataset_sha256,
        metrics=to_markdown(tables.estimates_table(rows, CARD_METRICS)),
        decisions=to_markdown(tables.estimates_table(rows, DECISIONS)),
        difference=summary.reference.largest_difference,
        compared=summary.reference.texts,
        label_changes=summary.shipped.label_changes,
        slices=to_markdown(tables.slices_table(evaluation.slices)),
        behaviour=to_markdown(tables.behaviour_table(evaluation.behaviour)),
        run_id=manifest.run_id,
        created=manifest.created,
    )


def render_calibrated(source: Manifest, calibrated: Manifest, gain: CalibrationGain, source_card: str) -> str:
    """Return the card of a model that `calibrate` made, followed by the card of the model it was made from."""
    rows = {"as it was": gain.before, "calibrated": gain.after}
    return _CALIBRATED.format(
        name=calibrated.name,
        version=calibrated.version,
        source=source.name,
        source_version=source.version,
        n=gain.after.n,
        positive=gain.after.positive,
        dataset=calibrated.metrics["validation"].dataset_sha256,
        thresholds=describe_thresholds(calibrated.thresholds),
        metrics=to_markdown(tables.estimates_table(rows, CALIBRATED)),
        created=calibrated.created,
        card=source_card,
    )


def describe_thresholds(thresholds: Thresholds) -> str:
    """Return in words from which probability on a model decides."""
    where = {"publish": f"at {thresholds.publish:.4f} and above", "hold": f"at {thresholds.hold:.4f} and below"}
    never = calibration.unreachable_decisions(thresholds)
    where |= dict.fromkeys(never, "never (too few texts, or too hard ones, to be sure)")
    return ", ".join(f"{decision} {probability}" for decision, probability in where.items())


def _describe_input(manifest: Manifest) -> str:
    match manifest.input:
        case IdsCounts(max_ngram=max_ngram):
            return f"Reads n-grams of {max_ngram} tokens at most, in any order."
        case TokenIds(max_length=length):
            return f"Reads tokens in order, at most {length} at a time."
        case WordPieces(max_length=length):
            return f"Reads pieces of words in order, at most {length} at a time."
