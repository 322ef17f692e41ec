"""MODEL_CARD.md: what a model is for, what it was made from, how good it is, where it fails."""

from typing import TYPE_CHECKING

from sentiment.manifest import IdsCounts, Manifest, Metrics

if TYPE_CHECKING:
    from .export import Comparison
    from .train import Trained

_CARD = """\
# {name} {version}

Says whether a tweet will be read as positive or negative. Meant as a second opinion before publishing, in English; not
meant to judge people, to moderate what others write, or to decide anything alone.

- Family: {family}; {features:,} n-grams of {words} words at most; TF-IDF; Platt-calibrated on validation data.
- Trained on Sentiment140 (Go, Bhayani and Huang, 2009): public tweets of April to June 2009, labelled by the emoticons
  their authors wrote, which were then removed. For research use; the tweets are not part of this project.
- Thresholds, chosen on validation data for a precision of 0.95 with 95% confidence: publish at {publish:.4f} and above,
  hold at {hold:.4f} and below.

## Measured on the test split

{n:,} texts that were never trained or tuned on; no near-duplicate of one is in the training data
(sha256 {dataset:.16}…). People agree with such labels on about 83% of tweets, so no model gets far above that.

| | {columns} |
|---|{rule}|
| as trained | {trained} |
| as shipped: float16, 32-bit hashes | {shipped} |

What leaving n-grams out cost, on the {n_validation:,} texts of the validation split:

| | {columns} |
|---|{rule}|
| every n-gram | {unpruned} |
| those that were kept | {pruned} |

The float32 export differs from the scikit-learn pipeline by {reference_difference:.1e} in probability at most, in
{reference_flips} of {texts:,} labels; the shipped one in {flips} labels ({difference:.4f} at most).

## Limits

- 2009, English, private people: words, brands and emoji of later years are unknown to it. A text that is mostly
  unknown words is marked as such and never waved through.
- `:)` and `:(` were removed from the training data; the model has never seen them.
- It does not understand sarcasm, quotation, or who is spoken of; negation only as far as three words reach.
- Run {run_id} in MLflow; made {created} by `python -m training export`.
"""


def render(
    manifest: Manifest, trained: "Trained", before: Metrics, reference: "Comparison", compact: "Comparison"
) -> str:
    """The card, as Markdown. `before`: on test, before it was made compact."""
    assert isinstance(manifest.input, IdsCounts)
    shipped = manifest.metrics["test"]
    names = list(shipped.values)

    def row(values: dict[str, float]) -> str:
        return " | ".join(f"{values[name]:.4f}" for name in names)

    return _CARD.format(
        name=manifest.name,
        version=manifest.version,
        family=manifest.family,
        features=len(trained.pipeline["counts"].vocabulary_),
        words=manifest.input.longest,
        publish=manifest.thresholds.publish,
        hold=manifest.thresholds.hold,
        n=shipped.n,
        dataset=shipped.dataset_sha256,
        columns=" | ".join(name.replace("_", " ") for name in names),
        rule="|".join(["---"] * len(names)),
        trained=row(before.values),
        n_validation=trained.validation.n,
        unpruned=row(trained.unpruned.values),
        pruned=row(trained.validation.values),
        shipped=row(shipped.values),
        reference_difference=reference.largest_difference,
        reference_flips=reference.flips,
        texts=reference.texts,
        flips=compact.flips,
        difference=compact.largest_difference,
        run_id=manifest.run_id,
        created=manifest.created,
    )
