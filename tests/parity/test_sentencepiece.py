"""Our unigram tokeniser against SentencePiece itself, with a vocabulary that it learns from invented tweets."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from sentiment.features import UnigramPiecesEncoder, make_encoder
from sentiment.manifest import UnigramPieces
from sentiment.text import TextSpec
from tests.support.tweets import PATHOLOGICAL, hostile, invented
from training.families.neural.vocabulary import is_useful

PADDING, UNKNOWN, START, END = range(4)
SPEC = TextSpec(lowercase=False)
ROUNDED = 64  # scores are multiples of 1/64, so that sums are exact in SentencePiece's float32 as in our float64
NEWER = "\u061c\u200d"  # SentencePiece has changed its character map since XLM-R: these two are no longer spaces


class Tokenisers(NamedTuple):
    ours: UnigramPiecesEncoder
    theirs: sentencepiece.SentencePieceProcessor

    def assert_equal(self, texts: Sequence[str]) -> None:
        for text in texts:
            tokens = SPEC.tokens(text)
            ids = [id_ for token in tokens for id_ in self.ours.pieces(token)]
            assert ids == self.theirs.encode(" ".join(map(spoken, tokens))), (text, tokens)


def spoken(token: str) -> str:
    """Return the words of an emoji's name, other tokens as they are."""
    return token[1:-1].replace("_", " ") if token[0] == "<" and token[-1] == ">" else token


@pytest.fixture(scope="module")
def tokenisers() -> Tokenisers:
    learnt = io.BytesIO()
    texts = [*(text for text, _ in invented(2000)), *map(SPEC.normalise, hostile(500, seed=1))]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=learnt,
        vocab_size=500,
        hard_vocab_limit=False,
        character_coverage=0.98,  # so that some characters are unknown
        pad_id=PADDING,
        unk_id=UNKNOWN,
        bos_id=START,
        eos_id=END,
        minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto.FromString(learnt.getvalue())
    for piece in model.pieces:
        piece.score = round(piece.score * ROUNDED) / ROUNDED
    useful = is_useful([p.piece for p in model.pieces], np.array([p.score for p in model.pieces]), UNKNOWN)
    useful[:4] = True
    kept = [piece for piece, keep in zip(model.pieces, useful, strict=True) if keep]
    del model.pieces[:]
    model.pieces.extend(kept)
    files = {
        "pieces": "\n".join(piece.piece for piece in kept).encode(),
        "words": b"1234",
        "scores": np.array([piece.score for piece in kept], "<f4").tobytes(),
    }
    ours = make_encoder(UnigramPieces("pieces", "words", 512, PADDING, UNKNOWN, START, END, "scores"), files)
    assert isinstance(ours, UnigramPiecesEncoder)
    return Tokenisers(ours, sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString()))


def test_splits_tweets_as_sentencepiece_does(tokenisers: Tokenisers) -> None:
    tokenisers.assert_equal([text for text, _ in invented(5000, seed=2)])


def test_splits_hostile_texts_as_sentencepiece_does(tokenisers: Tokenisers) -> None:
    tokenisers.assert_equal([text.translate(dict.fromkeys(map(ord, NEWER))) for text in hostile(5000, seed=3)])


@pytest.mark.parametrize("part", PATHOLOGICAL)
def test_splits_repetitions_as_sentencepiece_does(tokenisers: Tokenisers, part: str) -> None:
    text = part.encode("utf-8", "replace").decode() * (
        1000 // len(part)
    )  # a lone surrogate is no text to SentencePiece
    tokenisers.assert_equal([text])


@pytest.mark.skipif("BUZZGUARD_DATA" not in os.environ, reason="needs the data sets, in the folder BUZZGUARD_DATA")
@pytest.mark.parametrize("file", ["sentiment140.parquet", "human/french.parquet", "human/other_languages.parquet"])
def test_splits_real_tweets_as_sentencepiece_does(tokenisers: Tokenisers, file: str) -> None:
    texts = pd.read_parquet(Path(os.environ["BUZZGUARD_DATA"]) / file).text
    tokenisers.assert_equal(texts.sample(min(len(texts), 5000), random_state=0).tolist())
