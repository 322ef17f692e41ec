"""The transformer, with random pretrained weights and synthetic tweets, and its ONNX exports."""

import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import mlflow
import msgspec
import numpy as np
import pytest
from safetensors.numpy import save, save_file
from scipy.special import expit

from sentiment.manifest import Calibration, Metrics, Thresholds
from sentiment.model import Model
from tests.parity import tiny_model
from tests.support.dataframes import invented
from tests.support.tweets import hostile
from training.families import Examples, RunContext
from training.families.fit import Trained
from training.families.neural import bert, transformer
from training.families.neural.transformer import Transformer
from training.families.settings import configure
from training.onnx_export.bert import POSITION_EMBEDDINGS, WORD_EMBEDDINGS, BertConfig
from training.registry import mlflow_tracking
from training.registry.build import predict_in_one_piece
from training.registry.model_folder import write_model_folder

CONFIG = BertConfig(
    hidden_size=32,
    intermediate_size=64,
    num_attention_heads=4,
    num_hidden_layers=2,
    vocab_size=0,
    max_position_embeddings=24,
)
MAX_LENGTH = 20
# Keras traces the model once for the first batch and again for a batch of another length. That takes far longer than
# the training itself, so a test to which the result does not matter trains on one batch.
ONE_BATCH = ("schedule.epochs=0.04", "schedule.warmup_proportion=0")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder as encoders are published. Its vocabulary is letters and the words of the tweets."""
    folder = tmp_path_factory.mktemp("pretrained")
    words = sorted({word for text in invented(300).text for word in text.split() if word.isalpha()})
    letters = [f"{prefix}{chr(ord('a') + i)}" for prefix in ("", "##") for i in range(26)]
    pieces = [*transformer.SPECIAL_TOKENS, *"!,.@#/:-'?", *letters, *(word for word in words if len(word) > 1)]
    config = msgspec.structs.replace(CONFIG, vocab_size=len(pieces))
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    (folder / "config.json").write_bytes(msgspec.json.encode(config))
    save_file(_weights(config), folder / "model.safetensors")
    return folder


def _weights(config: BertConfig) -> dict[str, np.ndarray]:
    """Return random weights under the names of Hugging Face."""
    random_ = np.random.default_rng(0)
    d, intermediate = config.hidden_size, config.intermediate_size
    shapes: dict[str, tuple[int, ...]] = {"embeddings.word_embeddings.weight": (config.vocab_size, d)}
    shapes |= {"embeddings.position_embeddings.weight": (config.max_position_embeddings, d)}
    shapes |= {"embeddings.token_type_embeddings.weight": (2, d)}
    norms = ["embeddings.LayerNorm"]
    dense: dict[str, tuple[int, int]] = {}
    for layer in (f"encoder.layer.{i}" for i in range(config.num_hidden_layers)):
        dense |= {f"{layer}.attention.self.{part}": (d, d) for part in ("query", "key", "value")}
        dense |= {f"{layer}.attention.output.dense": (d, d)}
        dense |= {f"{layer}.intermediate.dense": (intermediate, d), f"{layer}.output.dense": (d, intermediate)}
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name, shape in dense.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    weights = {name: random_.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
    for name in norms:
        weights[f"{name}.weight"] = random_.normal(1, 0.1, d).astype(np.float32)
        weights[f"{name}.bias"] = random_.normal(0, 0.1, d).astype(np.float32)
    return weights


def context(folder: Path) -> RunContext:
    return RunContext(folder, lambda step, metrics: None, mlflow_tracking.load_model)


def fit(pretrained: Path, folder: Path, *settings: str) -> Transformer:
    fast = "schedule.epochs=4 schedule.eval_interval=1000 schedule.batch_size=20 schedule.learning_rate=0.005".split()
    all_settings = [f"encoder={pretrained}", f"max_length={MAX_LENGTH}", *fast, *settings]
    configuration = configure(transformer.Configuration, all_settings)
    train, validation = (
        Examples(rows.text.tolist(), rows.label.to_numpy(np.float32)) for rows in (invented(500), invented(200, 1))
    )
    return transformer.fit(configuration, train, validation, context(folder))


def initial_weights(fitted: Transformer, folder: Path) -> Mapping[str, np.ndarray]:
    """Return the weights that `fitted` was trained from."""
    return transformer.initial_encoder(fitted.configuration, invented(500).text.tolist(), context(folder)).weights


@pytest.fixture(scope="module")
def context_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which `fitted` keeps its checkpoints."""
    return tmp_path_factory.mktemp("context")


@pytest.fixture(scope="module")
def fitted(pretrained: Path, context_folder: Path) -> Transformer:
    return fit(pretrained, context_folder)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    texts = [*invented(600, seed=5).text, *hostile(500, seed=5), "", "great " * 30]
    random.Random(0).shuffle(texts)
    return texts


def trained(fitted: Transformer) -> Trained:
    return Trained("transformer", fitted, Calibration(), Thresholds(publish=0.9, hold=0.1), Metrics(0, "", {}))


@pytest.fixture(scope="module")
def logit(fitted: Transformer, texts: list[str]) -> np.ndarray:
    """Return what Keras computes for `texts`."""
    return fitted.logit(texts)


class Exports(NamedTuple):
    """Model folders. The tests only read them."""

    float32: Path
    compact: Path


@pytest.fixture(scope="module")
def exports(fitted: Transformer, tmp_path_factory: pytest.TempPathFactory) -> Exports:
    folder = tmp_path_factory.mktemp("exports")
    return Exports(
        *(
            write_model_folder(trained(fitted), "tiny", "run", folder / str(compact), compact=compact)
            for compact in (False, True)
        )
    )


def test_classifies_unseen_tweets(fitted: Transformer) -> None:
    rows = invented(300, seed=7)
    assert ((fitted.logit(rows.text.tolist()) >= 0) == (rows.label == 1)).mean() > 0.9


def test_float32_graph_gives_the_probabilities_of_keras(exports: Exports, texts: list[str], logit: np.ndarray) -> None:
    probability = predict_in_one_piece(Model.load(exports.float32), texts)
    np.testing.assert_allclose(probability, expit(logit), atol=1e-5)


def test_compact_graph_gives_the_labels_of_keras(
    fitted: Transformer, exports: Exports, texts: list[str], logit: np.ndarray
) -> None:
    expected = expit(logit)
    probability = predict_in_one_piece(Model.load(exports.compact), texts)
    assert ((probability >= 0.5) == (expected >= 0.5)).mean() > 0.99
    assert np.abs(probability - expected).mean() < 0.01
    assert (exports.compact / "model.onnx").stat().st_size < sum(weight.nbytes for weight in fitted.weights.values())


@pytest.mark.parametrize("graph", Exports._fields)
def test_scores_a_text_the_same_in_any_batch(exports: Exports, texts: list[str], graph: str) -> None:
    model = Model.load(getattr(exports, graph))
    one_by_one = np.concatenate([model.score([text]).probability for text in texts[:50]])
    np.testing.assert_array_equal(model.score(texts[:50]).probability, one_by_one)


def test_graph_ignores_padding(exports: Exports, texts: list[str]) -> None:
    """Run the graph on a padded batch: `score` runs it text by text, without padding."""
    model = Model.load(exports.compact)
    (padded,) = model._session.run(["logit"], dict(model.arrays(texts[:64])))
    alone = model.logit([model.tokens(text) for text in texts[:64]])
    np.testing.assert_allclose(padded, alone, atol=1e-4)


def test_counts_words_that_training_did_not_see_as_unknown(exports: Exports) -> None:
    model = Model.load(exports.compact)
    assert model.score(["the crew was great", "zzyzx qwrtp blorf", ""]).unknown_share.tolist() == [0, 1, 1]


def test_frozen_encoder_trains_the_head_alone(pretrained: Path, tmp_path: Path, fitted: Transformer) -> None:
    frozen = fit(pretrained, tmp_path, "trainable=head", *ONE_BATCH)
    for name, initial in initial_weights(frozen, tmp_path).items():
        np.testing.assert_array_equal(frozen.weights[name], initial)
        assert np.abs(fitted.weights[name] - initial).max() > 0
    assert np.abs(frozen.weights["head/kernel"] - fitted.weights["head/kernel"]).max() > 0


def test_initial_weight_share_averages_the_weights(
    pretrained: Path, context_folder: Path, tmp_path: Path, fitted: Transformer
) -> None:
    checkpoints = shutil.copytree(context_folder, tmp_path / "context")  # so that the same training need not run again
    averaged = fit(pretrained, checkpoints, "initial_weight_share=0.25")
    initial = initial_weights(averaged, tmp_path)
    for name, final in fitted.weights.items():
        expected = 0.25 * initial.get(name, final) + 0.75 * final
        np.testing.assert_allclose(averaged.weights[name], expected, atol=1e-6)


def test_vocabulary_keeps_special_tokens_letters_and_frequent_pieces(fitted: Transformer) -> None:
    pieces = fitted.vocabulary.decode().split()
    assert pieces[:4] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] and {"##q", "z", "crew"} <= set(pieces)


def test_drops_rare_pieces_and_their_embeddings(pretrained: Path, fitted: Transformer, tmp_path: Path) -> None:
    texts = ["the crew"] * 5 + ["lovely"] * 4
    reduced = transformer.initial_encoder(fitted.configuration, texts, context(tmp_path))
    pieces = reduced.vocabulary.decode().split()
    assert {"the", "crew"} <= set(pieces) and "lovely" not in pieces and "##y" in pieces
    published = (pretrained / "vocab.txt").read_text().split()
    embeddings = reduced.weights[WORD_EMBEDDINGS]
    table = _weights(msgspec.structs.replace(CONFIG, vocab_size=len(published)))["embeddings.word_embeddings.weight"]
    np.testing.assert_array_equal(embeddings[pieces.index("crew")], table[published.index("crew")])
    assert len(embeddings) == len(pieces) and len(reduced.weights[POSITION_EMBEDDINGS]) == MAX_LENGTH


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_continues_from_an_earlier_run(
    pretrained: Path,
    fitted: Transformer,
    texts: list[str],
    logit: np.ndarray,
    runs: mlflow.MlflowClient,
    tmp_path: Path,
) -> None:
    with mlflow.start_run() as run:
        mlflow_tracking.log_model(trained(fitted))
    barely = ["trainable=head", "schedule.learning_rate=1e-9", "schedule.dtype=float32"]
    continued = fit(pretrained, tmp_path, *ONE_BATCH, *barely, f"encoder=runs:/{run.info.run_id}")
    np.testing.assert_allclose(continued.logit(texts[:50]), logit[:50], atol=1e-3)


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_refuses_a_run_of_another_family(runs: mlflow.MlflowClient, tmp_path: Path) -> None:
    with mlflow.start_run() as run:
        mlflow_tracking.log_model(tiny_model.train(tiny_model.synthetic_splits(), tmp_path))
    with pytest.raises(SystemExit, match="that run trained another family"):
        transformer.load_checkpoint(f"runs:/{run.info.run_id}", context(tmp_path))


def test_refuses_an_encoder_that_does_not_exist() -> None:
    with pytest.raises(SystemExit, match="encoder=nowhere: neither a folder nor an installed package"):
        bert.load_pretrained("nowhere")


def test_refuses_an_encoder_that_is_no_bert(pretrained: Path, tmp_path: Path) -> None:
    config = msgspec.json.decode((pretrained / "config.json").read_bytes())
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(config | {"model_type": "roberta"}))
    with pytest.raises(SystemExit, match="not a BERT that can be trained here: .*roberta"):
        bert.load_pretrained(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b'{"hidden_size": '),
        ("config.json", None),
        ("model.safetensors", b"\xff" * 99),
        ("model.safetensors", save({"embeddings.word_embeddings.weight": np.zeros((2, 2), np.float32)})),
        ("model.safetensors", None),
        ("vocab.txt", b"[PAD]\n[UNK]\n"),
        ("vocab.txt", b"\xff\xfe"),
        ("vocab.txt", None),
    ],
)
def test_reports_a_damaged_encoder_in_one_line(
    name: str, content: bytes | None, pretrained: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(pretrained, tmp_path / "damaged")
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    with pytest.raises(SystemExit, match=rf"{name}: cannot be read \(.*encoder must be a BERT") as raised:
        bert.load_pretrained(str(folder))
    assert "\n" not in str(raised.value)


def test_reports_weights_and_vocabulary_of_another_encoder_in_one_line(pretrained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pretrained, tmp_path / "damaged")
    config = msgspec.json.decode((folder / "config.json").read_bytes())
    (folder / "config.json").write_bytes(msgspec.json.encode(config | {"vocab_size": config["vocab_size"] + 1}))
    with pytest.raises(SystemExit, match=r"model.safetensors: cannot be read .*; .* whose weights fit its config.json"):
        bert.load_pretrained(str(folder))
    with pytest.raises(ValueError, match=r"it lacks \[CLS\], \[SEP\]"):
        bert.check_vocabulary(["[PAD]", "[UNK]"], 2)


def test_default_encoder_is_installed() -> None:
    checkpoint = bert.load_pretrained(transformer.PRETRAINED)
    n_pieces = len(checkpoint.vocabulary.splitlines())
    assert checkpoint.weights[WORD_EMBEDDINGS].shape == (n_pieces, checkpoint.config.hidden_size)
