"""Pretrained word vectors: trained on the texts, or read from a file."""

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.support.dataframes import invented
from training.families import Examples, RunContext
from training.families.neural import embeddings, textcnn, word_model
from training.families.neural.embeddings import EmbeddingConfig, initial_matrix
from training.families.neural.encoded_texts import EncodedTexts

WORDS = (*word_model.SPECIAL_TOKENS, "good", "bad", "crew", "late")
GLOVE = "the 0.5 0.5 0.5\ngood 1 2 3\n. . . 7 7 7\nlate -1 -2.5 -3e-1\n"
WINK = {"dimensions": 3, "words": ["good"], "vectors": {"good": [1, 2, 3, 3.74, 0], "late": [-1, -2.5, -0.3, 2.7, 1]}}


@pytest.fixture
def texts() -> EncodedTexts:
    """Return twenty texts of WORDS: good with crew, bad with late."""
    return EncodedTexts(np.tile(np.array([2, 4, 2, 4, 3, 5, 3, 1], np.int32), 10), np.arange(0, 81, 4))


@pytest.fixture
def glove(tmp_path: Path) -> str:
    path = tmp_path / "glove.txt"
    path.write_text(GLOVE)
    return str(path)


def test_learned_vectors_have_no_initial_matrix(texts: EncodedTexts, tmp_path: Path) -> None:
    assert initial_matrix(EmbeddingConfig(), WORDS, texts, 0, tmp_path) is None


@pytest.mark.parametrize("kind", ["word2vec", "fasttext"])
def test_trained_vectors_depend_on_the_seed_alone(kind: Any, texts: EncodedTexts, tmp_path: Path) -> None:
    embedding = EmbeddingConfig(kind, dimension=8)
    first, again, other = (
        initial_matrix(embedding, WORDS, texts, seed, tmp_path / n) for seed, n in ((1, "a"), (1, "b"), (2, "c"))
    )
    assert first.shape == (6, 8) and first.dtype == np.float32 and np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first, axis=0)) == 6


def test_caches_trained_vectors(texts: EncodedTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = EmbeddingConfig("word2vec", dimension=8)
    expected = initial_matrix(embedding, WORDS, texts, 1, tmp_path / "context")
    monkeypatch.delattr(embeddings, "train_vectors")
    np.testing.assert_array_equal(initial_matrix(embedding, WORDS, texts, 1, tmp_path / "context"), expected)


@pytest.mark.parametrize("name", ["glove.txt", "wink.json"])
def test_loads_vectors_and_draws_random_ones_for_other_words(name: str, texts: EncodedTexts, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(GLOVE if name == "glove.txt" else json.dumps(WINK))
    vectors = initial_matrix(EmbeddingConfig("glove", 3, file=str(path)), WORDS, texts, 0, tmp_path)
    np.testing.assert_allclose(vectors[2], [1, 2, 3])
    np.testing.assert_allclose(vectors[5], [-1, -2.5, -0.3])
    unknown = vectors[[0, 1, 3, 4]]
    assert len(np.unique(unknown, axis=0)) == 4 and 0 < np.abs(unknown).max() < 2 * np.abs(vectors[[2, 5]]).max()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("glove.txt", b"good 1 2\n", "line 1 has not one word and 3 numbers"),
        ("glove.txt", b"good 1 2 3 4\n", "line 1 has not one word and 3 numbers"),
        ("glove.txt", b"the 1 2 3\ngood 1 2\n", "line 2 has not one word and 3 numbers"),
        ("glove.txt", b"good 1 2 x\n", "not word vectors"),
        ("glove.txt", b"good 1 2 nan\n", "not word vectors"),
        ("glove.txt", b"the 1 2 3\n", "none of the words"),
        ("glove.txt", b"", "none of the words"),
        ("glove.txt.gz", gzip.compress(GLOVE.encode()), "not word vectors"),
        ("wink.json", b"{", "not word vectors"),
        ("wink.json", b'{"name": "wink", "version": "1.1.0"}', "not word vectors"),
        ("wink.json", json.dumps(WINK | {"dimensions": 4}).encode(), "its vectors have 4 dimensions, not 3"),
        ("wink.json", json.dumps(WINK | {"vectors": {"good": [1, 2]}}).encode(), "not 3 numbers"),
        ("wink.json", json.dumps(WINK | {"vectors": {"good": "1 2 3"}}).encode(), "not word vectors"),
        ("wink.json", json.dumps(WINK | {"vectors": {"good": 5}}).encode(), "not word vectors"),
        ("wink.json", json.dumps(WINK | {"vectors": {"good": {"a": 1}}}).encode(), "not word vectors"),
    ],
)
def test_refuses_a_file_without_valid_vectors(
    name: str, content: bytes, message: str, texts: EncodedTexts, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit, match=rf"embedding.file=.*{name}: .*{message}"):
        initial_matrix(EmbeddingConfig("glove", 3, file=str(tmp_path / name)), WORDS, texts, 0, tmp_path)


def test_refuses_a_missing_file(texts: EncodedTexts, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="No such file"):
        initial_matrix(EmbeddingConfig("glove", 3, file=str(tmp_path / "none.txt")), WORDS, texts, 0, tmp_path)


@pytest.mark.parametrize("settings", [{"kind": "glove"}, {"file": "glove.txt"}, {"trainable": False}, {"dimension": 0}])
def test_refuses_contradictory_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, EmbeddingConfig)


@pytest.mark.parametrize(
    ("kind", "trainable"), [("word2vec", True), ("fasttext", False), ("glove", True), ("glove", False)]
)
def test_only_trainable_vectors_change_in_training(kind: Any, trainable: bool, glove: str, tmp_path: Path) -> None:
    schedule = word_model.Configuration().schedule
    configuration = textcnn.Configuration(
        embedding=EmbeddingConfig(kind, 3, trainable, glove if kind == "glove" else ""),
        kernel_sizes=(2,),
        filters=4,
        schedule=msgspec.structs.replace(schedule, epochs=1, eval_interval=60, batch_size=20),
    )
    rows = invented(60)
    examples = Examples([f"{text} good late" for text in rows.text], rows.label.to_numpy(np.float32))
    fitted = textcnn.fit(configuration, examples, examples, RunContext(tmp_path, lambda step, metrics: None))
    assert np.array_equal(fitted.weights[0], np.load(tmp_path / "vectors.npy")) is not trainable
