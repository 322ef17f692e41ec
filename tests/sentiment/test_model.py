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


class CountingSession:
    """The session of a graph that reads word pieces, as far as scoring needs it."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, _: object, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.runs += 1
        return [arrays["token_ids"].sum(axis=1).astype(np.float32)]


def test_sequence_model_scores_what_is_the_same_within_its_window_once(model: Model) -> None:
    spec = TokenIds("v", max_length=3)
    session = CountingSession()
    encode = make_encoder(spec, {"v": b"<pad>\n<unk>\ngood\nbad\n"})
    sequence: Any = Model(replace(model.manifest, input=spec), encode, session)  # type: ignore[arg-type]
    checks: list[bool] = []
    texts = ["good", "good bad good bad bad", "good bad good", "good"]
    logit = sequence.score(texts, lambda: checks.append(True)).logit
    assert session.runs == 2
    assert logit[0] == logit[3] != logit[1] == logit[2]
    assert len(checks) == 2 * len(texts)  # before each text is read, and before each is scored


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
