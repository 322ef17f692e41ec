"""What the families over words share: a vocabulary, word vectors, training with Keras, export to ONNX."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import keras
import msgspec
import numpy as np
from keras import layers
from msgspec import Meta
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from sentiment.manifest import TextLength, TokenIds
from sentiment.text import TextSpec
from training.families.base import GRAPH_FILE, Examples, RunContext, text_space
from training.onnx_export import keras_converter

from . import embeddings, trainer
from .embeddings import EmbeddingConfig
from .encoded_texts import CHUNK_TEXTS, EncodedExamples, EncodedTexts, encode_texts

VOCABULARY_FILE = "words.txt"
SPECIAL_TOKENS = ("[ padding ]", "[ unknown ]")  # the ids 0 and 1; with spaces, so that no text can contain them
UNKNOWN_ID = 1

console = Console(stderr=True)


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of every family over words. Each family adds its own, and its network."""

    RENAMED: ClassVar[Mapping[str, str]] = {"words": "vocab_size"}

    text: TextSpec = TextSpec()
    vocab_size: Annotated[int, Meta(ge=3)] = 30_000  # the most frequent words
    min_count: Annotated[int, Meta(ge=1)] = 2  # a rarer word is unknown, so that the model learns what unknown means
    max_length: TextLength = 128  # words of a text; the rest is cut off
    embedding: EmbeddingConfig = EmbeddingConfig()
    schedule: trainer.Schedule = trainer.Schedule(epochs=3, batch_size=256, learning_rate=2e-3, dtype="float32")

    def network(self, vectors: Any) -> Any:
        """Apply Keras layers to word vectors [batch, n, dimension] with a mask [batch, n]; return logits [batch, 1]."""
        raise NotImplementedError


@dataclass(frozen=True)
class WordModel:
    """A trained network, as arrays: a Keras model cannot be pickled."""

    configuration: Configuration
    words: tuple[str, ...]  # words[i] has id i
    weights: list[NDArray[np.float32]]

    @property
    def text(self) -> TextSpec:
        return self.configuration.text

    def logit(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the log-odds of positive, [texts], as Keras computes them in float32."""
        return trainer.predict_logits(self._build_model(), encode(self.configuration, self.words, texts))

    def export(self, folder: Path, *, compact: bool) -> TokenIds:
        """Write the model. Compact: int8 weights, float32 arithmetic."""
        (folder / VOCABULARY_FILE).write_text("\n".join(self.words) + "\n", "utf-8", newline="\n")
        keras_converter.export(self._build_model(), folder / GRAPH_FILE, compact=compact)
        return TokenIds(VOCABULARY_FILE, self.configuration.max_length, unknown=UNKNOWN_ID)

    def _build_model(self) -> keras.Model:
        trainer.set_dtype("float32")
        model = build_model(self.configuration, len(self.words))
        model.set_weights(self.weights)
        return model


def fit(configuration: Configuration, train: Examples, validation: Examples, context: RunContext) -> WordModel:
    """Train the network of `configuration`, or resume its training from the context's folder."""
    schedule = configuration.schedule
    words = build_vocabulary(configuration, train.texts)
    texts = encode(configuration, words, train.texts)
    vectors = embeddings.initial_matrix(configuration.embedding, words, texts, schedule.seed, context.folder)
    trainer.set_dtype(schedule.dtype)
    keras.utils.set_random_seed(schedule.seed)
    model = build_model(configuration, len(words))
    if vectors is not None:
        model.get_layer("embedding").set_weights([vectors])
    evaluated = slice(schedule.eval_texts)
    validation_texts = encode(configuration, words, validation.texts[evaluated])
    validation_examples = EncodedExamples(validation_texts, validation.label[evaluated])
    trainer.fit(model, EncodedExamples(texts, train.target), validation_examples, schedule, context)
    return WordModel(configuration, words, model.get_weights())


def build_model(configuration: Configuration, vocab_size: int) -> keras.Model:
    """Return a new model from ids int32 [batch, n], padded with 0, to logits [batch, 1]."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    config = configuration.embedding
    embedding = layers.Embedding(
        vocab_size, config.dimension, mask_zero=True, trainable=config.trainable, name="embedding"
    )
    return keras.Model(ids, configuration.network(embedding(ids)))


def build_vocabulary(configuration: Configuration, texts: Sequence[str]) -> tuple[str, ...]:
    """Return SPECIAL_TOKENS and the words of `texts`, the most frequent first."""
    counts = Counter[str]()
    for text in track(texts, "count words", console=console, disable=len(texts) <= CHUNK_TEXTS):
        counts.update(configuration.text.tokens(text))
    most_common = counts.most_common(configuration.vocab_size - len(SPECIAL_TOKENS))
    return (*SPECIAL_TOKENS, *(word for word, count in most_common if count >= configuration.min_count))


def encode(configuration: Configuration, words: Sequence[str], texts: Sequence[str]) -> EncodedTexts:
    """Encode texts as `sentiment.features` does."""
    ids = {word: i for i, word in enumerate(words)}

    def encode_text(text: str) -> list[int]:
        return [ids.get(token, UNKNOWN_ID) for token in configuration.text.tokens(text)[: configuration.max_length]]

    return encode_texts(texts, encode_text)


def space(trial: Any) -> dict[str, Any]:
    """Return the search space of every family over words."""
    return text_space(trial) | {
        "vocab_size": trial.suggest_int("vocab_size", 5_000, 60_000, log=True),
        "embedding.dimension": trial.suggest_int("embedding.dimension", 50, 300, step=50),
        "schedule.learning_rate": trial.suggest_float("schedule.learning_rate", 3e-4, 6e-3, log=True),
    }
