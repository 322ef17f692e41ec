"""The encoder, on invented tweets and invented weights: it learns, and ONNX says what Keras says."""

import random
from pathlib import Path

import mlflow
import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.special import expit

from sentiment.manifest import Calibration, Metrics, Thresholds
from sentiment.model import Model
from tests.parity import tiny_model
from tests.support.dataframes import invented
from tests.support.tweets import hostile
from training.families import Examples, RunContext
from training.families.fit import Trained
from training.families.neural import transformer
from training.families.neural.transformer import Shape, Transformer
from training.families.settings import configure
from training.registry import build, mlflow_tracking

SHAPE = Shape(32, 64, 4, 2, 0, 24)
LONGEST = 20


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as encoders are published: a shape, weights, a vocabulary of letters and the words of the tweets."""
    folder = tmp_path_factory.mktemp("pretrained")
    words = sorted({word for text in invented(300).text for word in text.split() if word.isalpha()})
    letters = [f"{mark}{chr(ord('a') + i)}" for mark in ("", "##") for i in range(26)]
    lines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"!,.@#/:-'?", *letters, *(w for w in words if len(w) > 1)]
    shape = msgspec.structs.replace(SHAPE, vocab_size=len(lines))
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n")
    (folder / "config.json").write_bytes(msgspec.json.encode(shape))
    save_file(_weights(shape), folder / "model.safetensors")
    return folder


def _weights(shape: Shape) -> dict[str, np.ndarray]:
    random_ = np.random.default_rng(0)
    d, wide = shape.hidden_size, shape.intermediate_size
    sizes = {"embeddings.word_embeddings.weight": (shape.vocab_size, d)}
    sizes |= {"embeddings.position_embeddings.weight": (shape.max_position_embeddings, d)}
    sizes |= {"embeddings.token_type_embeddings.weight": (2, d)}
    norms = ["embeddings.LayerNorm"]
    dense = {}
    for layer in (f"encoder.layer.{i}" for i in range(shape.num_hidden_layers)):
        dense |= {f"{layer}.attention.self.{part}": (d, d) for part in ("query", "key", "value")}
        dense |= {f"{layer}.attention.output.dense": (d, d)}
        dense |= {f"{layer}.intermediate.dense": (wide, d), f"{layer}.output.dense": (d, wide)}
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name, size in dense.items():
        sizes |= {f"{name}.weight": size, f"{name}.bias": size[:1]}
    found = {name: random_.normal(0, 0.2, size).astype(np.float32) for name, size in sizes.items()}
    for name in norms:
        found[f"{name}.weight"] = random_.normal(1, 0.1, d).astype(np.float32)
        found[f"{name}.bias"] = random_.normal(0, 0.1, d).astype(np.float32)
    return found


def fit(pretrained: Path, folder: Path, *settings: str) -> Transformer:
    quick = ["schedule.epochs=4", "schedule.round=1000", "schedule.batch=20", "schedule.rate=0.005"]
    chosen = [f"encoder={pretrained}", f"longest={LONGEST}", *quick, *settings]
    configuration = configure(transformer.Configuration, chosen)
    parts = [(rows.text.tolist(), rows.label.to_numpy(np.float32)) for rows in (invented(500), invented(200, 1))]
    return transformer.fit(configuration, *(Examples(*part) for part in parts), RunContext(folder, lambda *_: None))


@pytest.fixture(scope="module")
def fitted(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Transformer:
    return fit(pretrained, tmp_path_factory.mktemp("context"))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    found = [*invented(600, seed=5).text, *hostile(500, seed=5), "", "great " * 30]
    random.Random(0).shuffle(found)
    return found


def served(fitted: Transformer, folder: Path, *, compact: bool) -> Model:
    trained = Trained("transformer", fitted, Calibration(), Thresholds(publish=0.9, hold=0.1), Metrics(0, "", {}))
    return Model.load(build.write(trained, "tiny", "run", folder, compact=compact))


def test_it_learns(fitted: Transformer) -> None:
    rows = invented(300, seed=7)
    assert ((fitted.logit(rows.text.tolist()) >= 0) == (rows.label == 1)).mean() > 0.9


def test_the_reference_is_what_keras_computes(fitted: Transformer, texts: list[str], tmp_path: Path) -> None:
    probability = served(fitted, tmp_path, compact=False).score(texts).probability
    np.testing.assert_allclose(probability, expit(fitted.logit(texts)), atol=1e-5)


def test_what_ships_keeps_the_labels(fitted: Transformer, texts: list[str], tmp_path: Path) -> None:
    model = served(fitted, tmp_path, compact=True)
    expected = expit(fitted.logit(texts))
    together = model.score(texts).probability
    assert ((together >= 0.5) == (expected >= 0.5)).mean() > 0.99
    assert np.abs(together - expected).mean() < 0.01
    assert (tmp_path / "model.onnx").stat().st_size < sum(w.nbytes for w in fitted.weights.values())


@pytest.mark.parametrize("compact", [False, True])
def test_a_text_scores_the_same_in_any_company(
    fitted: Transformer, texts: list[str], tmp_path: Path, compact: bool
) -> None:
    model = served(fitted, tmp_path, compact=compact)
    alone = np.concatenate([model.score([text]).probability for text in texts[:50]])
    np.testing.assert_array_equal(model.score(texts[:50]).probability, alone)


def test_padding_is_not_read(fitted: Transformer, texts: list[str], tmp_path: Path) -> None:
    """The graph itself, for those who feed it batches."""
    model = served(fitted, tmp_path, compact=True)
    (together,) = model._session.run(["logit"], dict(model.arrays(texts[:64])))
    np.testing.assert_allclose(together, model.score(texts[:64]).logit, atol=1e-4)


def test_words_that_training_never_saw_are_unknown(fitted: Transformer, tmp_path: Path) -> None:
    model = served(fitted, tmp_path, compact=True)
    assert model.score(["the crew was great", "zzyzx qwrtp blorf", ""]).unknown.tolist() == [0, 1, 1]


def test_a_frozen_encoder_moves_nothing_but_its_head(pretrained: Path, tmp_path: Path, fitted: Transformer) -> None:
    frozen = fit(pretrained, tmp_path, "learn=head")
    before = transformer.opened(frozen.configuration, invented(500).text.tolist()).weights
    for name, value in before.items():
        np.testing.assert_array_equal(frozen.weights[name], value)
        assert np.abs(fitted.weights[name] - value).max() > 0
    assert np.abs(frozen.weights["head/kernel"] - fitted.weights["head/kernel"]).max() > 0


def test_it_keeps_a_share_of_what_it_started_from(pretrained: Path, tmp_path: Path, fitted: Transformer) -> None:
    mixed = fit(pretrained, tmp_path, "keep=0.25")
    first = transformer.opened(mixed.configuration, invented(500).text.tolist()).weights
    for name, last in fitted.weights.items():
        np.testing.assert_allclose(mixed.weights[name], 0.25 * first.get(name, last) + 0.75 * last, atol=1e-6)


def test_pieces_that_training_hardly_saw_are_spelt_in_smaller_ones(pretrained: Path, fitted: Transformer) -> None:
    lines = fitted.vocabulary.decode().split()
    assert lines[:4] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] and {"##q", "z", "crew"} <= set(lines)
    few = transformer.opened(fitted.configuration, ["the crew"] * 5 + ["lovely"] * 4)
    kept = few.vocabulary.decode().split()
    assert {"the", "crew"} <= set(kept) and "lovely" not in kept and "##y" in kept
    published = (pretrained / "vocab.txt").read_text().split()
    rows = few.weights["embedding/word/embeddings"]
    table = _weights(msgspec.structs.replace(SHAPE, vocab_size=len(published)))["embeddings.word_embeddings.weight"]
    np.testing.assert_array_equal(rows[kept.index("crew")], table[published.index("crew")])
    assert len(rows) == len(kept) and len(few.weights["embedding/place/embeddings"]) == LONGEST


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_it_goes_on_from_a_run(
    pretrained: Path, fitted: Transformer, runs: mlflow.MlflowClient, tmp_path: Path
) -> None:
    with mlflow.start_run() as run:
        mlflow_tracking.log_model(
            Trained("transformer", fitted, Calibration(), Thresholds(0.9, 0.1), Metrics(0, "", {}))
        )
    settings = [f"encoder=runs:/{run.info.run_id}", "schedule.rate=1e-9", "schedule.precision=float32"]
    texts = invented(50, 1).text.tolist()
    np.testing.assert_allclose(fit(pretrained, tmp_path, *settings).logit(texts), fitted.logit(texts), atol=1e-3)
    with mlflow.start_run() as run:
        mlflow_tracking.log_model(tiny_model.train(tiny_model.synthetic_splits(), tmp_path))
    with pytest.raises(SystemExit, match="that run trained another family"):
        transformer.pretrained(f"runs:/{run.info.run_id}")


def test_an_encoder_that_is_nowhere_is_one_clear_line() -> None:
    with pytest.raises(SystemExit, match="encoder=nowhere: neither a folder nor an installed package"):
        transformer.pretrained("nowhere")


def test_an_encoder_of_another_kind_is_refused(pretrained: Path, tmp_path: Path) -> None:
    config = msgspec.json.decode((pretrained / "config.json").read_bytes())
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(config | {"model_type": "roberta"}))
    with pytest.raises(SystemExit, match="not a BERT that can be trained here: .*roberta"):
        transformer.pretrained(str(tmp_path))


def test_the_pretrained_one_is_installed() -> None:
    shape, vocabulary, weights = transformer.pretrained(transformer.PRETRAINED)
    assert weights["embedding/word/embeddings"].shape == (len(vocabulary.splitlines()), shape.hidden_size)
