"""Measure the model without the app: text to probability, against a logistic regression in a dict."""

import gc
import math
import random
import time
from collections.abc import Callable, Sequence

from benchmarks.limits import DICT_RATIO, LITE
from benchmarks.measurement import Measurement, summarise
from benchmarks.tweets import tweets
from sentiment.manifest import IdsCounts
from sentiment.model import Model

BATCHES, BATCH_SIZE = 100, 64  # for each of the two


def measure_model() -> Measurement:
    """Compare `lite` with the plainest program that reads the same n-grams: look up their weights, add, squash."""
    model = Model.load(LITE)
    baseline = dict_classifier(model)
    texts = tweets(BATCH_SIZE)
    model_ms: list[float] = []
    dict_ms: list[float] = []
    for _ in range(1 + BATCHES):
        model_ms.append(_ms_per_call(lambda text: model.score([text]), texts))
        dict_ms.append(_ms_per_call(baseline, texts))
    name = "lite alone, against a dict"
    return summarise(name, "ms", model_ms[1:], baseline=dict_ms[1:], bounded="ratio", limit=DICT_RATIO)


def _ms_per_call(function: Callable[[str], object], texts: Sequence[str]) -> float:
    start = time.perf_counter()
    for text in texts:
        function(text)
    return (time.perf_counter() - start) / len(texts) * 1e3


def dict_classifier(model: Model) -> Callable[[str], float]:
    """Return a logistic regression in a dict, with as many n-grams as `model`. It knows every n-gram of the tweets."""
    spec = model.manifest.input
    assert isinstance(spec, IdsCounts)
    size = (LITE / spec.vocabulary).stat().st_size * 8 // spec.bits
    choose = random.Random(0)  # noqa: S311
    known = (ngram for text in tweets(BATCH_SIZE) for ngram in ngrams(model.tokens(text), spec.max_ngram))
    weights: dict[object, float] = dict.fromkeys(known, 0.0)
    weights |= {("invented", str(i)): 0.0 for i in range(size - len(weights))}
    weights = {ngram: choose.gauss(0, 0.1) for ngram in weights}
    gc.freeze()  # otherwise the collector now and then walks through half a million tuples, on either side

    def probability(text: str) -> float:
        logit = sum([weights.get(ngram, 0.0) for ngram in ngrams(model.tokens(text), spec.max_ngram)])
        return 1 / (1 + math.exp(-logit))

    return probability


def ngrams(tokens: list[str], max_ngram: int) -> list[object]:
    """Return the n-grams that `sentiment.features` hashes: 1 … max_ngram tokens, with markers of start and end."""
    marked = ["\2", *tokens, "\3"]
    found: list[object] = [*tokens]
    for n in range(2, max_ngram + 1):
        found += zip(*(marked[i:] for i in range(n)), strict=False)
    return found
