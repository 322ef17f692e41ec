"""The families over words, trained on synthetic tweets, and their ONNX exports."""

import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import optuna
import pytest
from scipy.special import expit

from sentiment.manifest import Calibration, Metrics, Thresholds
from sentiment.model import Model
from tests.support.dataframes import invented
from tests.support.tweets import hostile
from training.families import GRAPH_FILE, Examples, RunContext, load_family
from training.families.fit import Trained
from training.families.neural.word_model import SPECIAL_TOKENS, WordModel
from training.families.settings import configure
from training.registry.build import predict_in_one_piece
from training.registry.model_folder import write_model_folder
from training.tuning.search_space import suggest_settings

SETTINGS = {
    "simple": ("recurrent", "cell=simple", "units=8"),
    "textcnn": ("textcnn", "kernel_sizes=[1,2,3]", "filters=8"),
    "gru": ("recurrent", "cell=gru", "units=8"),
    "bilstm": ("recurrent", "cell=bilstm", "units=8"),
}
FAST_SETTINGS = (
    "max_length=20",
    "embedding.dimension=16",
    "schedule.eval_interval=600",
    "schedule.batch_size=20",
    "schedule.epochs=2",
    "schedule.learning_rate=0.02",
)
OPERATORS = {"simple": {"RNN": 1}, "gru": {"GRU": 1}, "bilstm": {"LSTM": 2}, "textcnn": {"Conv": 3}}


class Case(NamedTuple):
    network: str  # a key of SETTINGS
    fitted: WordModel
    logit: np.ndarray  # of `texts`
    interrupted: Path  # the folder of the context as it was after the first interval
    float32: Path  # model folders
    compact: Path


def examples(n: int, seed: int) -> Examples:
    rows = invented(n, seed)
    return Examples(rows.text.tolist(), rows.label.to_numpy(np.float32))


def fit(network: str, context: RunContext) -> Any:
    name, *settings = SETTINGS[network]
    family = load_family(name)
    configuration = configure(family.Configuration, [*FAST_SETTINGS, *settings])
    return family.fit(configuration, examples(600, 0), examples(100, 1), context)


@pytest.fixture(scope="module")
def unseen() -> Examples:
    return examples(700, 9)


@pytest.fixture(scope="module")
def texts(unseen: Examples) -> list[str]:
    """Return 1,500 texts: the unseen tweets, then odd, empty and overlong texts, shuffled."""
    odd = [*hostile(797, seed=5), "", " \t", "great " * 30]
    random.Random(0).shuffle(odd)
    return [*unseen.texts, *odd]


@pytest.fixture(scope="module", params=SETTINGS)
def case(request: pytest.FixtureRequest, texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Train a model, pickle and unpickle it, and export it both ways."""
    folder = tmp_path_factory.mktemp(request.param)
    interrupted = folder / "interrupted"

    def copy_context(step: int, metrics: dict[str, float]) -> None:
        if step == 1:
            shutil.copytree(folder / "context", interrupted)

    context = RunContext(folder / "context", copy_context)
    fitted = pickle.loads(pickle.dumps(fit(request.param, context)))
    trained = Trained("family", fitted, Calibration(), Thresholds(publish=0.9, hold=0.1), Metrics(0, "", {}))
    exported = (
        write_model_folder(trained, "tiny", "run", folder / str(compact), compact=compact) for compact in (False, True)
    )
    return Case(request.param, fitted, fitted.logit(texts), interrupted, *exported)


def score_in_batches(model: Model, texts: list[str]) -> np.ndarray:
    """Score shuffled batches of 64."""
    shuffled = np.random.default_rng(0).permutation(len(texts))
    probability = np.empty(len(texts))
    for start in range(0, len(texts), 64):
        rows = shuffled[start : start + 64]
        probability[rows] = predict_in_one_piece(model, [texts[row] for row in rows])
    return probability


def score_one_by_one(model: Model, texts: list[str]) -> np.ndarray:
    return np.concatenate([predict_in_one_piece(model, [text]) for text in texts])


def test_classifies_unseen_tweets(case: Case, unseen: Examples) -> None:
    assert ((case.logit[: len(unseen.texts)] >= 0) == unseen.label).mean() > 0.95


def test_float32_graph_gives_the_probabilities_of_keras(case: Case, texts: list[str]) -> None:
    model = Model.load(case.float32)
    np.testing.assert_allclose(score_in_batches(model, texts), expit(case.logit), atol=1e-5)
    np.testing.assert_allclose(score_one_by_one(model, texts), expit(case.logit), atol=1e-5)


def test_compact_graph_gives_the_labels_of_keras(case: Case, texts: list[str]) -> None:
    probability = score_in_batches(Model.load(case.compact), texts)
    assert ((probability >= 0.5) == (case.logit >= 0)).mean() >= 0.99


def test_compact_graph_scores_a_text_the_same_in_any_batch(case: Case, texts: list[str]) -> None:
    model = Model.load(case.compact)
    np.testing.assert_allclose(score_one_by_one(model, texts), score_in_batches(model, texts), atol=1e-5)


def test_graphs_use_fused_standard_operators(case: Case) -> None:
    for folder in (case.float32, case.compact):
        nodes = onnx.load(folder / GRAPH_FILE).graph.node
        operators = [node.op_type for node in nodes]
        assert {name: operators.count(name) for name in OPERATORS[case.network]} == OPERATORS[case.network]
        assert not {"Loop", "Scan"} & set(operators)
        assert {node.domain for node in nodes if node.op_type != "FusedGemm"} == {""}


def test_compact_graph_stores_word_vectors_as_int8(case: Case) -> None:
    shape = list(case.fitted.weights[0].shape)
    for folder, data_type in ((case.float32, onnx.TensorProto.FLOAT), (case.compact, onnx.TensorProto.INT8)):
        initializers = onnx.load(folder / GRAPH_FILE).graph.initializer
        assert [weight.data_type for weight in initializers if list(weight.dims) == shape] == [data_type]


def test_vocabulary_starts_with_the_special_tokens_and_has_no_duplicates(case: Case) -> None:
    words = case.fitted.words
    assert words[:2] == SPECIAL_TOKENS and len(set(words)) == len(words)
    assert {"great", "not", "<mention>"} < set(words)


@pytest.mark.parametrize("case", ["simple", "textcnn"], indirect=True)
def test_resumed_training_gives_the_same_weights(case: Case) -> None:
    """Resume from what a training that was killed after its first interval would have left."""
    steps = []
    resumed = fit(case.network, RunContext(case.interrupted, lambda step, metrics: steps.append(step)))
    assert steps == [2]
    assert all(np.array_equal(a, b) for a, b in zip(resumed.weights, case.fitted.weights, strict=True))


@pytest.mark.parametrize("name", ["recurrent", "textcnn", "transformer"])
def test_suggests_valid_settings_of_the_family(name: str) -> None:
    family = load_family(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(10):
        settings = suggest_settings(family.space, study.ask(), ("schedule.seed=7",), family.Configuration())
        assert configure(family.Configuration, settings).schedule.seed == 7  # type: ignore[attr-defined]


def test_importing_the_families_does_not_load_tensorflow() -> None:
    program = "import sys, training.families; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
