"""Our graph beside the converter's: skl2onnx turns the same logistic regression, over dense rows, into the same."""

import numpy as np
import onnxruntime as ort
import pytest
from skl2onnx import to_onnx

from sentiment.model import Model
from tests.support.dataframes import invented
from tests.support.tweets import hostile
from training.evaluation import metrics
from training.families.fit import Trained
from training.families.linear.base import LinearModel
from training.registry import build


def linear(trained: Trained) -> LinearModel:
    assert isinstance(trained.fitted, LinearModel)
    return trained.fitted


@pytest.fixture(scope="module")
def converted(trained: Trained) -> ort.InferenceSession:
    regression = linear(trained).classifier
    row = np.zeros((1, regression.coef_.shape[1]), np.float32)
    model = to_onnx(regression, row, options={id(regression): {"zipmap": False}}, target_opset=18)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_two_ways_to_onnx_give_the_same_probabilities(
    trained: Trained, converted: ort.InferenceSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    texts = [*invented(500, seed=5).text, *hostile(500, seed=5)]
    features = linear(trained).features(texts).toarray()
    (probability,) = converted.run(["probabilities"], {"X": features})
    positive = probability[:, 1].astype(np.float64)
    expected = metrics.probability(np.log(positive / (1 - positive)), trained.calibration)
    model = Model.load(build.write(trained, "tiny", "run", tmp_path_factory.mktemp("skl") / "tiny", compact=False))
    np.testing.assert_allclose(model.score(texts).probability, expected, atol=1e-5)
