"""Fit the table of sentiment/language.py: a softmax regression on the n-grams of texts and of words.

A text teaches its language. A word teaches how likely each language is for a text of that word alone, which follows
from its frequencies: "vol" is French or Dutch. A city is no evidence: each language is as likely. The texts that are
drawn from the lists, some with cities, teach how words add up.

AdaGrad on minibatches, with one learning rate a row (Duchi et al., "Adaptive subgradient methods", 2011). Everything is
drawn from one seed and summed in one order: the same data give the same bytes.
"""

from collections.abc import Sequence
from itertools import accumulate, chain

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from sentiment.language import BUCKETS, ENGLISH, LANGUAGES, NATS_PER_STEP, hash_ngrams, split_words

from .corpus import Tweets, Vocabulary

SEED = 20
EPOCHS = 3
BATCH_SIZE = 256
LEARNING_RATE = 0.25  # decayed linearly to 0
ENGLISH_TWEETS = 60_000
CROPPED_TWEETS = 10_000  # in each other language
DRAWN_TEXTS = 12_000  # in each language
MAX_DRAWN_WORDS = 12
CITY_SHARE = 0.25  # of the drawn texts have cities
WEIGHT_OF_CITY = 10.0  # a text has 1; a word has twice the logarithm of its frequency


class Examples:
    """Texts as counts of words, and the words as counts of n-grams."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.texts: list[list[int]] = []
        self.targets: list[NDArray[np.float32]] = []

    def add(self, words: Sequence[str], target: NDArray[np.float32]) -> None:
        """Add a text and how likely each language is, times the weight of the text."""
        if words:
            self.texts.append([self.index.setdefault(word, len(self.index)) for word in words])
            self.targets.append(target)

    def features(self) -> sparse.csr_matrix:
        """Return how often each n-gram is in each text: [texts, BUCKETS]."""
        by_text = _counts(self.texts, len(self.index))
        buckets, firsts = hash_ngrams(list(self.index))
        ends = [*firsts.tolist()[1:], len(buckets)]
        by_word = _csr(buckets, [0, *ends], BUCKETS)
        return (by_text @ by_word).tocsr()


def fit(tweets: Sequence[Tweets], vocabulary: Vocabulary, cities: Sequence[Sequence[str]]) -> NDArray[np.int8]:
    """Return the table: int8 [BUCKETS, languages], in steps of NATS_PER_STEP."""
    random = np.random.default_rng(SEED)
    examples = Examples()
    for part in tweets:
        _add_tweets(examples, part, random)
    _add_words(examples, vocabulary)
    for city in cities:
        examples.add(city, np.full(len(LANGUAGES), WEIGHT_OF_CITY / len(LANGUAGES), np.float32))
    for i in range(len(LANGUAGES)):
        _add_drawn(examples, vocabulary, i, cities, random)
    weights = _descend(examples.features(), np.array(examples.targets), random)
    return np.clip(np.rint(weights / NATS_PER_STEP), -127, 127).astype(np.int8)


def _add_tweets(examples: Examples, tweets: Tweets, random: np.random.Generator) -> None:
    """Add tweets as often as needed for their number.

    Those in other languages are cropped, so that short texts are learnt as well. English ones are not: a part of them
    may be French.
    """
    is_english = tweets.language == ENGLISH
    target = _one_hot(LANGUAGES.index(tweets.language))
    for i in np.resize(random.permutation(len(tweets.texts)), ENGLISH_TWEETS if is_english else CROPPED_TWEETS):
        words = split_words(tweets.texts[i])
        examples.add(words if is_english else _crop(words, random), target)


def _add_words(examples: Examples, vocabulary: Vocabulary) -> None:
    """Add each word, with a weight that grows with the logarithm of its largest frequency."""
    largest = vocabulary.per_million.max(axis=1, keepdims=True)
    weights = 2 * np.log10(1 + 10 * largest)
    shares = vocabulary.per_million / vocabulary.per_million.sum(axis=1, keepdims=True)
    for word, target in zip(vocabulary.words, (weights * shares).astype(np.float32), strict=True):
        examples.add([word], target)


def _add_drawn(
    examples: Examples,
    vocabulary: Vocabulary,
    language: int,
    cities: Sequence[Sequence[str]],
    random: np.random.Generator,
) -> None:
    """Add texts of words of one language that are drawn by their frequency, common ones less often than in texts."""
    listed = vocabulary.per_million[:, language] ** 0.8
    drawn = random.choice(len(listed), DRAWN_TEXTS * MAX_DRAWN_WORDS, p=listed / listed.sum())
    words = [vocabulary.words[i] for i in drawn]
    lengths = random.integers(2, MAX_DRAWN_WORDS + 1, DRAWN_TEXTS).tolist()
    with_city = random.random(DRAWN_TEXTS) < CITY_SHARE
    for end, n, city in zip(accumulate(lengths), lengths, with_city, strict=True):
        places = [word for i in random.integers(len(cities), size=2) for word in cities[i]] if city else []
        examples.add(words[end - n : end] + places, _one_hot(language))


def _crop(words: Sequence[str], random: np.random.Generator) -> Sequence[str]:
    """Return a part of a text: half the time all of it, else two to six words."""
    if len(words) < 3 or random.random() < 0.5:
        return words
    n = int(random.integers(2, min(len(words), 7)))
    start = int(random.integers(len(words) - n + 1))
    return words[start : start + n]


def _descend(
    features: sparse.csr_matrix, targets: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float32]:
    """Return the weights of the softmax regression: [BUCKETS, languages]."""
    weights = np.zeros((features.shape[1], targets.shape[1]), np.float32)
    squares = np.full((features.shape[1], 1), 1e-6, np.float32)  # below the first gradients, so rare n-grams learn
    n_batches = len(targets) // BATCH_SIZE
    for epoch in range(EPOCHS):
        order = random.permutation(len(targets))
        loss = 0.0
        for batch in range(n_batches):
            rows = order[batch * BATCH_SIZE : (batch + 1) * BATCH_SIZE]
            chosen, target = features[rows], targets[rows]
            scores = chosen @ weights
            scores -= scores.max(axis=1, keepdims=True)
            log_likely = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
            loss -= float((target * log_likely).sum() / target.sum())
            error = np.exp(log_likely) * target.sum(axis=1, keepdims=True) - target
            used, columns = np.unique(chosen.indices, return_inverse=True)
            local = sparse.csr_matrix((chosen.data, columns, chosen.indptr), (len(rows), len(used)))
            gradient = (local.T @ error) / BATCH_SIZE
            squares[used] += (gradient**2).mean(axis=1, keepdims=True)
            rate = LEARNING_RATE * (1 - (epoch + batch / n_batches) / EPOCHS)
            weights[used] -= rate * gradient / np.sqrt(squares[used])
        print(f"epoch {epoch + 1}: loss {loss / n_batches:.4f}", flush=True)
    return weights


def _one_hot(index: int) -> NDArray[np.float32]:
    target = np.zeros(len(LANGUAGES), np.float32)
    target[index] = 1
    return target


def _counts(texts: Sequence[Sequence[int]], n_columns: int) -> sparse.csr_matrix:
    columns = np.fromiter(chain.from_iterable(texts), np.intp)
    return _csr(columns, [0, *accumulate(map(len, texts))], n_columns)


def _csr(columns: NDArray[np.intp], pointers: Sequence[int], n_columns: int) -> sparse.csr_matrix:
    ones = np.ones(len(columns), np.float32)
    matrix = sparse.csr_matrix((ones, columns.astype(np.int32), pointers), (len(pointers) - 1, n_columns))
    matrix.sum_duplicates()
    return matrix
