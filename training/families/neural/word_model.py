"""What the families over words share: a vocabulary, vectors, the way into Keras and out to ONNX."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import keras
import msgspec
import numpy as np
from keras import layers
from msgspec import Meta
from numpy.typing import NDArray
from rich.progress import track

from sentiment.manifest import TokenIds
from sentiment.text import TextSpec
from training.families import GRAPH, Examples, RunContext, text_space
from training.onnx_export import keras_converter

from . import embeddings, trainer
from .embeddings import Embedding

VOCABULARY = "words.txt"
MARKS = ("[ padding ]", "[ unknown ]")  # the ids 0 and 1; no token has a space in it, so no text can spell them
UNKNOWN = 1


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of every family over words; each adds its own, and its network."""

    text: TextSpec = TextSpec()
    words: Annotated[int, Meta(ge=3)] = 30_000  # size of the vocabulary: the most frequent words
    min_count: Annotated[int, Meta(ge=1)] = 2  # a rarer word is unknown, so that training sees what that is like
    max_length: Annotated[int, Meta(ge=1)] = 128  # words of a text; the rest is cut off
    embedding: Embedding = Embedding()
    schedule: trainer.Schedule = trainer.Schedule(epochs=3, batch=256, rate=2e-3, precision="float32")

    def network(self, vectors: Any) -> Any:
        """Vectors [batch, n, dimension] and their mask [batch, n] -> logit [batch, 1], in Keras layers."""
        raise NotImplementedError


@dataclass(frozen=True)
class WordModel:
    """A trained network, as arrays: Keras is there only while it works."""

    configuration: Configuration
    words: tuple[str, ...]  # the word of id i
    weights: list[NDArray[np.float32]]

    @property
    def text(self) -> TextSpec:
        return self.configuration.text

    def logit(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """As Keras computes it, in float32."""
        return trainer.logits(self._model(), encode(self.configuration, self.words, texts))

    def write(self, folder: Path, *, compact: bool) -> TokenIds:
        """Compact: int8 weights, float32 arithmetic."""
        (folder / VOCABULARY).write_text("\n".join(self.words) + "\n", "utf-8", newline="\n")
        keras_converter.write(self._model(), folder / GRAPH, compact=compact)
        return TokenIds(VOCABULARY, self.configuration.max_length, unknown=UNKNOWN)

    def _model(self) -> keras.Model:
        trainer.use("float32")
        model = build(self.configuration, len(self.words))
        model.set_weights(self.weights)
        return model


def fit(configuration: Configuration, train: Examples, validation: Examples, context: RunContext) -> WordModel:
    """Train the configuration's network on `train`, from where it was left in the context's folder."""
    schedule = configuration.schedule
    words = vocabulary(configuration, train.texts)
    texts = encode(configuration, words, train.texts)
    vectors = embeddings.initial(configuration.embedding, words, texts, schedule.seed, context.folder)
    trainer.use(schedule.precision)
    keras.utils.set_random_seed(schedule.seed)
    model = build(configuration, len(words))
    if vectors is not None:
        model.get_layer("embedding").set_weights([vectors])
    glance = slice(schedule.glance)
    looked_at = encode(configuration, words, validation.texts[glance]), validation.label[glance]
    trainer.fit(model, (texts, train.target), looked_at, schedule, context)
    return WordModel(configuration, words, model.get_weights())


def build(configuration: Configuration, words: int) -> keras.Model:
    """Ids int32 [batch, n], padded with 0 -> logit [batch, 1]."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    embedding = configuration.embedding
    table = layers.Embedding(words, embedding.dimension, mask_zero=True, trainable=embedding.tuned, name="embedding")
    return keras.Model(ids, configuration.network(table(ids)))


def vocabulary(configuration: Configuration, texts: Sequence[str]) -> tuple[str, ...]:
    """MARKS, and the words of `texts`, the most frequent first."""
    counts = Counter[str]()
    for text in track(texts, "count words", console=trainer.console, disable=len(texts) <= 10_000):
        counts.update(configuration.text.tokens(text))
    frequent = counts.most_common(configuration.words - len(MARKS))
    return (*MARKS, *(word for word, count in frequent if count >= configuration.min_count))


def encode(configuration: Configuration, words: Sequence[str], texts: Sequence[str]) -> trainer.Texts:
    """The ids of the words, as `sentiment.features` finds them."""
    ids = {word: i for i, word in enumerate(words)}

    def read(text: str) -> list[int]:
        return [ids.get(token, UNKNOWN) for token in configuration.text.tokens(text)[: configuration.max_length]]

    return trainer.encode(texts, read)


def space(trial: Any) -> dict[str, Any]:
    """What `tune` tries in every family over words."""
    return text_space(trial) | {
        "words": trial.suggest_int("words", 5_000, 60_000, log=True),
        "embedding.dimension": trial.suggest_int("embedding.dimension", 50, 300, step=50),
        "schedule.rate": trial.suggest_float("schedule.rate", 3e-4, 6e-3, log=True),
    }
