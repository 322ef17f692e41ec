"""The families over words, on invented tweets: they learn, they survive being killed, and ONNX says what Keras says."""

import pickle
import random
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
from training.families import GRAPH, Examples, RunContext, family
from training.families.fit import Trained
from training.families.neural.word_model import MARKS, WordModel
from training.families.settings import configure
from training.registry import build
from training.tuning import study as tune

KINDS = {
    "simple": ("recurrent", "cell=simple", "units=8"),
    "textcnn": ("textcnn", "widths=[1,2,3]", "filters=8"),
    "gru": ("recurrent", "cell=gru", "units=8"),
    "bilstm": ("recurrent", "cell=bilstm", "units=8"),
}
QUICK = (
    "max_length=20",
    "embedding.dimension=16",
    "schedule.round=600",
    "schedule.batch=20",
    "schedule.epochs=2",
    "schedule.rate=0.02",
)
OPERATORS = {"simple": {"RNN": 1}, "gru": {"GRU": 1}, "bilstm": {"LSTM": 2}, "textcnn": {"Conv": 3}}


class Case(NamedTuple):
    kind: str
    fitted: WordModel
    logit: np.ndarray  # of `texts`
    float32: Path  # model folders
    compact: Path


def examples(n: int, seed: int) -> Examples:
    rows = invented(n, seed)
    return Examples(rows.text.tolist(), rows.label.to_numpy(np.float32))


def fit(kind: str, context: RunContext) -> Any:
    name, *settings = KINDS[kind]
    configuration = configure(family(name).Configuration, [*QUICK, *settings])
    return family(name).fit(configuration, examples(600, 0), examples(100, 1), context)


def silent(step: int, figures: dict[str, float]) -> None:
    pass


@pytest.fixture(scope="module")
def unseen() -> Examples:
    return examples(700, 9)


@pytest.fixture(scope="module")
def texts(unseen: Examples) -> list[str]:
    """1,500 of them: after the unseen tweets odd ones, empty ones and one that is too long, in no order."""
    odd = [*hostile(797, seed=5), "", " \t", "great " * 30]
    random.Random(0).shuffle(odd)
    return [*unseen.texts, *odd]


@pytest.fixture(scope="module", params=KINDS)
def case(request: pytest.FixtureRequest, texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A trained model of each kind, as it comes back from a file, and its exports."""
    folder = tmp_path_factory.mktemp(request.param)
    fitted = pickle.loads(pickle.dumps(fit(request.param, RunContext(folder / "context", silent))))
    trained = Trained("family", fitted, Calibration(), Thresholds(publish=0.9, hold=0.1), Metrics(0, "", {}))
    exported = (
        build.write(trained, "tiny", "run", folder / str(compact), compact=compact) for compact in (False, True)
    )
    return Case(request.param, fitted, fitted.logit(texts), *exported)


def together(model: Model, texts: list[str]) -> np.ndarray:
    shuffled = np.random.default_rng(0).permutation(len(texts))
    found = np.empty(len(texts))
    for start in range(0, len(texts), 64):
        rows = shuffled[start : start + 64]
        found[rows] = model.score([texts[row] for row in rows]).probability
    return found


def alone(model: Model, texts: list[str]) -> np.ndarray:
    return np.concatenate([model.score([text]).probability for text in texts])


def test_it_learns(case: Case, unseen: Examples) -> None:
    assert ((case.logit[: len(unseen.texts)] >= 0) == unseen.label).mean() > 0.95


def test_the_float32_graph_is_the_model(case: Case, texts: list[str]) -> None:
    model = Model.load(case.float32)
    np.testing.assert_allclose(together(model, texts), expit(case.logit), atol=1e-5)
    np.testing.assert_allclose(alone(model, texts), expit(case.logit), atol=1e-5)


def test_the_compact_graph_keeps_the_labels(case: Case, texts: list[str]) -> None:
    model = Model.load(case.compact)
    probability = together(model, texts)
    assert ((probability >= 0.5) == (case.logit >= 0)).mean() >= 0.99
    np.testing.assert_allclose(alone(model, texts), probability, atol=1e-5)  # whatever a text is batched with


def test_the_graphs_run_anywhere_and_fast(case: Case) -> None:
    table = list(case.fitted.weights[0].shape)
    for folder, kept_as in ((case.float32, onnx.TensorProto.FLOAT), (case.compact, onnx.TensorProto.INT8)):
        graph = onnx.load(folder / GRAPH).graph
        operators = [node.op_type for node in graph.node]
        assert {name: operators.count(name) for name in OPERATORS[case.kind]} == OPERATORS[case.kind]
        assert not {"Loop", "Scan"} & set(operators)
        assert {node.domain for node in graph.node if node.op_type != "FusedGemm"} == {""}
        assert [weight.data_type for weight in graph.initializer if list(weight.dims) == table] == [kept_as]


def test_the_vocabulary_is_what_training_saw_twice(case: Case) -> None:
    words = case.fitted.words
    assert words[:2] == MARKS and len(set(words)) == len(words)
    assert {"great", "not", "<mention>"} < set(words)


@pytest.mark.parametrize("case", ["simple", "textcnn"], indirect=True)
def test_a_training_that_was_killed_becomes_what_it_would_have_been(case: Case, tmp_path: Path) -> None:
    def kill(step: int, figures: dict[str, float]) -> None:
        raise KeyboardInterrupt

    rounds = []
    with pytest.raises(KeyboardInterrupt):
        fit(case.kind, RunContext(tmp_path, kill))
    resumed = fit(case.kind, RunContext(tmp_path, lambda step, figures: rounds.append(step)))
    assert rounds == [2]
    assert all(np.array_equal(a, b) for a, b in zip(resumed.weights, case.fitted.weights, strict=True))


@pytest.mark.parametrize("name", ["recurrent", "textcnn", "transformer"])
def test_what_a_space_draws_are_settings_of_its_family(name: str) -> None:
    module = family(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(10):
        settings = tune.draw(module.space, study.ask(), ("schedule.seed=7",), module.Configuration())
        assert configure(module.Configuration, settings).schedule.seed == 7  # type: ignore[attr-defined]


def test_tensorflow_waits_until_its_family_is_asked_for() -> None:
    program = "import sys, training.families; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
