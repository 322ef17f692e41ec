"""Splitting words into the pieces of a unigram model. `tests/parity/test_sentencepiece.py` compares it with others."""

import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.errors import ModelError
from sentiment.features import UnigramPiecesEncoder, hash_ngrams, make_encoder
from sentiment.manifest import UnigramPieces
from sentiment.unigram import WORD_START, Unigram, normalise
from tests.support.tweets import hostile

UNKNOWN = 0
VOCABULARY = {
    "<unk>": 0.0,  # its score is never used
    "▁": -4.0,
    "a": -3.0,
    "b": -3.5,
    "▁a": -5.0,
    "ab": -4.0,
    "▁ab": -7.5,
    "aba": -6.0,
    "é": -6.0,
}


def unigram(vocabulary: dict[str, float]) -> Unigram:
    scores = np.array(list(vocabulary.values()))
    scores[UNKNOWN] = -np.inf
    return Unigram({piece: i for i, piece in enumerate(vocabulary)}, scores, UNKNOWN)


def pieces(text: str, vocabulary: dict[str, float] = VOCABULARY) -> list[str]:
    return [list(vocabulary)[id_] for id_ in unigram(vocabulary)(text)]


def highest_score(word: str, scores: dict[str, float]) -> float:
    """The score of the best of all paths, by trying each of them."""
    if not word:
        return 0.0
    starts = [word[:end] for end in range(1, len(word) + 1) if word[:end] in scores]
    return max(scores[start] + highest_score(word.removeprefix(start), scores) for start in starts)


def with_useful_pieces(letters: list[int], longer: dict[str, int]) -> dict[str, float]:
    """Letters with these scores, and the longer pieces that are at least as probable as their parts."""
    scores = {piece: score / 8 for piece, score in [*zip("ab▁é", letters, strict=True), *longer.items()]}
    return {"<unk>": 0.0} | {piece: score for piece, score in scores.items() if score >= highest_score(piece, scores)}


score = st.integers(-99, -1)
longer = st.dictionaries(st.text("ab▁é", min_size=2, max_size=4), score, max_size=12)
vocabularies = st.builds(with_useful_pieces, st.lists(score, min_size=4, max_size=4), longer)


@given(vocabularies, st.text("ab▁é", max_size=7))
def test_no_other_path_is_more_probable(vocabulary: dict[str, float], word: str) -> None:
    path = [list(vocabulary)[id_] for id_ in unigram(vocabulary).split(word)]
    assert "".join(path) == word
    assert sum(vocabulary[piece] for piece in path) == highest_score(word, vocabulary)


@given(vocabularies, st.text("abéx ", max_size=9))
def test_a_word_that_is_a_piece_is_split_as_any_other(vocabulary: dict[str, float], text: str) -> None:
    model = unigram(vocabulary)
    assert model(text) == [id_ for word in text.split() for id_ in model.split(WORD_START + word)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab", "▁ab"),
        ("aab", "▁a ab"),
        ("abab", "▁ab ab"),
        ("  a\tb\n", "▁a ▁ b"),
        ("axyb", "▁a <unk> b"),
        ("中文", "▁ <unk>"),
        ("", ""),
        ("<unk>", "▁ <unk>"),
        ("e\u0301", "▁ é"),
    ],
)
def test_splits_words_into_the_most_probable_pieces(text: str, expected: str) -> None:
    assert pieces(text) == expected.split()


def test_of_equal_paths_the_one_whose_last_piece_is_longer_wins() -> None:
    scores = {"<unk>": 0.0, "▁": -1.0, "a": -1.0, "b": -1.0, "c": -1.0, "ab": -2.0, "bc": -2.0}
    assert pieces("abc", scores) == ["▁", "a", "bc"]


def test_an_unknown_character_is_less_probable_than_the_rarest_piece() -> None:
    assert pieces("xy", {"<unk>": 0.0, "▁": -1.0, "y": -1.0, "xy": -30.0}) == ["▁", "xy"]


class CountingDict(dict[str, int]):
    lookups = 0

    def get(self, *arguments: object) -> int | None:
        self.lookups += 1
        return super().get(*arguments)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("part", ["a", "ab", "é", "中", "\u0301", "!", "aba"])
def test_lookups_grow_with_the_length_of_a_text_alone(part: str) -> None:
    ids = CountingDict({piece: i for i, piece in enumerate(VOCABULARY)})
    model = Unigram(ids, np.array(list(VOCABULARY.values())), UNKNOWN)
    text = part * (1000 // len(part))
    model(text)
    assert ids.lookups <= (len(text) + 2) * max(map(len, VOCABULARY))


# --- the character map -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("Crème brûlée", "Crème brûlée"),
        ("e\u0301", "é"),
        ("ﬁn ½ ＡＢ ① ™ …", "fin 1⁄2 AB 1 TM ..."),
        ("～ ~", "～ ~"),  # kept, though NFKC would make one of the other
        ("a\u200bb\ufeffc\u2028d\u3000e▁f\ufffdg", "a b c d e f g"),
        ("a\x00b\x1fc\x7fd\x8fe\x9ff", "abcdef"),
        ("a\x80\x9e", "a\x80\x9e"),
        ("l’été", "l’été"),
    ],
)
def test_maps_characters_as_xlm_r_does(text: str, normalised: str) -> None:
    assert normalise(text) == normalised


@given(st.text())
def test_mapping_characters_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.characters(exclude_categories=["C", "Z", "So", "Sm"]))
def test_the_map_is_nfkc_but_for_spaces_and_control_characters(character: str) -> None:
    assert normalise(character) == unicodedata.normalize("NFKC", character)


# --- the encoder -----------------------------------------------------------------------------------------------------

LINES = ["<pad>", "<unk>", "<s>", "</s>", "▁love", "▁red", "▁ap", "ple", "▁", "!", "l", "'", "é", "s", "<", ">", "▁!"]
SCORES = np.array([0, 0, 0, 0, *(-float(i) for i in range(1, len(LINES) - 3))], "<f4")
PAD, UNK, START, END = range(4)


def encoder(max_length: int = 12, scores: bytes = SCORES.tobytes()) -> UnigramPiecesEncoder:
    known = np.unique(hash_ngrams([["love", "!"]], 1).hash >> np.uint64(32)).astype("<u4")
    spec = UnigramPieces("p", "w", max_length, PAD, UNK, START, END, "s")
    encode = make_encoder(spec, {"p": "\n".join(LINES).encode(), "w": known.tobytes(), "s": scores})
    assert isinstance(encode, UnigramPiecesEncoder)
    return encode


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("love", "▁love"),
        ("<red_apple>", "▁red ▁ap ple"),  # an emoji is split into its name
        ("<s>", "▁ s"),
        ("x<s>", "▁ <unk> < s >"),  # never the id that stands for the start of a text
        ("é", "▁ é"),
        ("Love", "▁ <unk>"),  # capitals are other letters
        ("\u0301", "▁ <unk>"),
        ("!", "▁!"),
    ],
)
def test_token_is_split_into_pieces(token: str, expected: str) -> None:
    assert [LINES[id_] for id_ in encoder().pieces(token)] == expected.split()


def test_pieces_are_framed_truncated_and_padded() -> None:
    batch = [["love", "!"], [], ["<red_apple>", "l's", "!"]]
    arrays = encoder(6)(batch)
    assert arrays["token_ids"].tolist() == [
        [START, LINES.index("▁love"), LINES.index("▁!"), END, PAD, PAD],
        [START, END, PAD, PAD, PAD, PAD],
        [START, *(LINES.index(piece) for piece in ("▁red", "▁ap", "ple", "▁")), END],
    ]
    assert arrays["lengths"].tolist() == [4, 2, 6]
    assert encoder(6).unknown_share(batch).tolist() == [0, 1, pytest.approx(2 / 3)]


def test_any_text_has_ids_of_the_vocabulary() -> None:
    encode = encoder(4096)
    for text in hostile(300):
        ids = encode.text(text.split())
        assert ids[0] == START and ids[-1] == END
        assert not {PAD, START, END} & set(ids[1:-1]) and max(ids) < len(LINES)


@pytest.mark.parametrize(
    ("scores", "fault"),
    [
        (SCORES[1:].tobytes(), "has 64 bytes, not 4 for each of 17 pieces"),
        (b"", "has 0 bytes"),
        (np.where(SCORES == -1, math.nan, SCORES).astype("<f4").tobytes(), "not every score is the logarithm"),
        ((-SCORES).tobytes(), "not every score is the logarithm"),
    ],
)
def test_refuses_scores_that_are_none_of_these_pieces(scores: bytes, fault: str) -> None:
    with pytest.raises(ModelError, match=f"s: {fault}"):
        encoder(scores=scores)


def test_a_vocabulary_of_special_pieces_alone_knows_nothing() -> None:
    spec = UnigramPieces("p", "w", 9, PAD, UNK, START, END, "s")
    encode = make_encoder(spec, {"p": "\n".join(LINES[:4]).encode(), "w": b"1234", "s": bytes(16)})
    assert encode([["<pad>", "a"]])["token_ids"].tolist() == [[START, UNK, UNK, END]]


@pytest.mark.parametrize("max_length", [3, 6, 128])
def test_word_is_cut_into_parts(max_length: int) -> None:
    encode = encoder(max_length)
    parts = encode.parts("é" * 50)
    assert "".join(parts) == "é" * 50 and all(encode.size(part) <= max(2, encode.max_window) for part in parts)
