import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from sentiment import manifest
from sentiment.errors import ModelError
from sentiment.features import make_encoder
from sentiment.manifest import MANIFEST_FILE, TokenIds
from sentiment.model import Model


def test_batch_is_one_run_of_the_graph(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    session = model._session
    monkeypatch.setattr(
        model, "_session", type("Counting", (), {"run": lambda _, *a: runs.append(a) or session.run(*a)})()
    )
    texts = ["the crew was great", "worst flight"] * 32
    together = model.score(texts)
    assert len(runs) == 1
    alone = np.concatenate([model.score([text]).probability for text in texts])
    np.testing.assert_allclose(together.probability, alone, atol=1e-6)


class AveragingSession:
    """The session of a graph that averages over words: 1 for each good one, -4 for each bad one."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, _: object, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.runs += 1
        values = np.array([0, 0, 1, -4], np.float32)[arrays["token_ids"]]
        return [values.sum(axis=1) / np.maximum(arrays["lengths"], 1)]


@pytest.fixture
def averaging(model: Model) -> Model:
    spec = TokenIds("v", max_length=128)
    encode = make_encoder(spec, {"v": b"<pad>\n<unk>\ngood\nbad\n"})
    about = replace(model.manifest, input=spec, calibration=manifest.Calibration())
    return Model(about, encode, AveragingSession())  # type: ignore[arg-type]


def test_sequence_model_scores_windows_that_are_the_same_once(averaging: Any) -> None:
    checks: list[bool] = []
    texts = ["good", "good " * 300 + "bad " * 300, "bad", "good"]
    windows = [averaging.windows(averaging.tokens(text)) for text in texts]
    logit = averaging.score(texts, lambda: checks.append(True)).logit
    assert averaging._session.runs == len({tuple(window.tokens) for text in windows for window in text}) <= 8
    assert logit.tolist() == [1, -4, -4, 1]
    assert len(checks) == len(texts) + sum(map(len, windows))  # before each text is read, and each window is scored


@pytest.mark.parametrize("n_before", [0, 18, 41, 42, 43, 100, 300])
@pytest.mark.parametrize("n_after", [0, 1, 18, 43, 300])
def test_friendly_words_around_a_bad_phrase_do_not_drown_it(averaging: Model, n_before: int, n_after: int) -> None:
    """Not even across the border of two windows. In one piece, a few bad words among many good ones are friendly."""
    alone, drowned, long = (
        "good " * n + "bad " * bad + "good " * m for n, bad, m in [(0, 6, 0), (12, 3, 13), (n_before, 6, n_after)]
    )
    logit = averaging.score([alone, drowned, long]).logit
    assert logit[0] < 0 < logit[1]
    if n_before + 6 + n_after > 48 or n_before + n_after < 24:
        assert logit[2] < 0


def test_text_of_several_windows_has_the_score_of_the_worst(averaging: Model) -> None:
    tokens = averaging.tokens("good " * 40 + "bad " * 9 + "good " * 60)
    windows = averaging.windows(tokens)
    assert len(windows) > 5
    (found,), deciding = (
        averaging.score_windows([tokens], [windows])[0].logit,
        averaging.score_windows([tokens], [windows])[1],
    )
    assert found == min(averaging.logit([window.tokens for window in windows]))
    assert averaging.logit([deciding[0].tokens]) == [found]


def test_text_of_one_window_is_read_in_one_piece(averaging: Model) -> None:
    tokens = ["good"] * 47 + ["bad"]
    assert [window.tokens for window in averaging.windows(tokens)] == [tokens]
    assert len(averaging.windows([*tokens, "good"])) > 1


def test_unknown_share_is_that_of_the_whole_text(averaging: Model) -> None:
    assert averaging.score(["what " * 100 + "good " * 300]).unknown_share.tolist() == [0.25]


def test_check_ends_the_work(model: Model) -> None:
    def refuse() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        model.score(["the crew was great"], refuse)
    with pytest.raises(InterruptedError):
        model.score_tokens([["crew"]], refuse)


def test_positive_text_scores_above_negative_text(model: Model) -> None:
    good, bad = model.score(["the crew was great", "the crew was awful"]).probability
    assert good > 0.9 and bad < 0.1


def test_scores_hold_the_share_of_unknown_tokens(model: Model) -> None:
    assert model.score(["the crew", "zzz crew", "xxx yyy"]).unknown_share.tolist() == [0, 0.5, 1]


def test_probability_is_the_calibrated_logit(model: Model, model_folder: Path, edit_manifest) -> None:
    edit_manifest(lambda m: replace(m, calibration=manifest.Calibration(2.0, -1.0)))
    texts = ["the crew was great", "the crew was awful", "zzz"]
    raw = (model.score(texts).logit - model.manifest.calibration.intercept) / model.manifest.calibration.slope
    scores = Model.load(model_folder).score(texts)
    np.testing.assert_allclose(scores.logit, 2 * raw - 1, rtol=1e-5)
    np.testing.assert_allclose(scores.probability, 1 / (1 + np.exp(1 - 2 * raw)), rtol=1e-5)


@pytest.mark.parametrize("name", ["model.onnx", "ngrams.bin"])
def test_rejects_file_with_one_changed_byte(model_folder: Path, name: str) -> None:
    content = bytearray((model_folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model_folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name}: sha256 is"):
        Model.load(model_folder)


@pytest.mark.parametrize("name", ["model.onnx", "ngrams.bin", MANIFEST_FILE])
def test_rejects_missing_file(model_folder: Path, name: str) -> None:
    (model_folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: No such file"):
        Model.load(model_folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": "x"}', b"\xff"])
def test_rejects_invalid_manifest(model_folder: Path, content: bytes) -> None:
    (model_folder / MANIFEST_FILE).write_bytes(content)
    with pytest.raises(ModelError, match=MANIFEST_FILE):
        Model.load(model_folder)


def test_rejects_manifest_with_unknown_field(model_folder: Path) -> None:
    described = json.loads((model_folder / MANIFEST_FILE).read_bytes())
    (model_folder / MANIFEST_FILE).write_text(json.dumps(described | {"surprise": 1}))
    with pytest.raises(ModelError, match="surprise"):
        Model.load(model_folder)


def test_rejects_used_file_without_hash(model_folder: Path, edit_manifest) -> None:
    edit_manifest(lambda m: replace(m, files={m.graph: m.files[m.graph]}))
    with pytest.raises(ModelError, match=r"ngrams.bin is used but has no sha256"):
        Model.load(model_folder)


def test_rejects_invalid_graph(model_folder: Path, edit_manifest) -> None:
    (model_folder / "model.onnx").write_bytes(b"not a graph")
    edit_manifest(lambda m: replace(m, files=m.files | {"model.onnx": _sha256(b"not a graph")}))
    with pytest.raises(ModelError, match="model.onnx"):
        Model.load(model_folder)


def test_rejects_graph_that_does_not_take_the_described_input(model_folder: Path, edit_manifest) -> None:
    (model_folder / "ngrams.bin").write_bytes(b"<pad>\n<unk>\n")
    files = {"ngrams.bin": _sha256(b"<pad>\n<unk>\n")}
    edit_manifest(lambda m: replace(m, input=TokenIds("ngrams.bin", 8), files=m.files | files))
    with pytest.raises(ModelError, match="model.onnx: does not take the input"):
        Model.load(model_folder)


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": {"publish": 0.4, "hold": 0.1}},
        {"thresholds": {"publish": 0.9, "hold": 0.5}},
        {"input": {"kind": "ids_counts", "vocabulary": "ngrams.bin", "bits": 16, "longest": 3}},
        {"input": {"kind": "ids_counts", "vocabulary": "ngrams.bin", "bits": 32, "longest": 0}},
        {"input": {"kind": "something_else"}},
    ],
)
def test_rejects_manifest_with_invalid_values(model_folder: Path, change: dict[str, object]) -> None:
    described = json.loads((model_folder / MANIFEST_FILE).read_bytes())
    (model_folder / MANIFEST_FILE).write_text(json.dumps(described | change))
    with pytest.raises(ModelError, match=MANIFEST_FILE):
        Model.load(model_folder)


def test_extreme_calibration_gives_probabilities(model_folder: Path, edit_manifest) -> None:
    edit_manifest(lambda m: replace(m, calibration=manifest.Calibration(1e6)))
    assert set(Model.load(model_folder).score(["was great", "was awful"]).probability.round(6)) == {0.0, 1.0}


def test_rejects_file_outside_the_folder(model_folder: Path) -> None:
    described = json.loads((model_folder / MANIFEST_FILE).read_bytes())
    described["files"]["../secret"] = "0" * 64
    (model_folder / MANIFEST_FILE).write_text(json.dumps(described))
    with pytest.raises(ModelError, match=r"in `\$.files`"):
        Model.load(model_folder)


def test_champion_is_read_from_the_registry(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="registry.json"):
        manifest.read_champion(tmp_path)
    (tmp_path / "registry.json").write_text('{"champion": "lite"}')
    assert manifest.read_champion(tmp_path) == "lite"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
