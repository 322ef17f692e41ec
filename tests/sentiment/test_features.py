import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.errors import ModelError
from sentiment.features import IdsCountsEncoder, TokenIdsEncoder, WordPiecesEncoder, hash_ngrams, make_encoder
from sentiment.manifest import IdsCounts, TokenIds, WordPieces

tokens = st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=4), max_size=8)
batches = st.lists(tokens, min_size=1, max_size=5)


def ngrams(text: list[str], max_ngram: int) -> Counter[tuple[str, ...]]:
    """The n-grams of a text, made without hashing."""
    framed = ["\2", *text, "\3"]
    longer = [tuple(framed[i : i + n]) for n in range(2, max_ngram + 1) for i in range(len(framed) - n + 1)]
    return Counter([(token,) for token in text] + longer)


@given(batches, st.integers(1, 4))
def test_equal_hashes_mean_equal_ngrams(batch: list[list[str]], max_ngram: int) -> None:
    hashed = hash_ngrams(batch, max_ngram)
    for i, text in enumerate(batch):
        mine = Counter(hashed.hash[hashed.document == i].tolist())
        assert sorted(mine.values()) == sorted(ngrams(text, max_ngram).values())
    together = Counter(hashed.hash.tolist())
    assert sorted(together.values()) == sorted(sum((ngrams(text, max_ngram) for text in batch), Counter()).values())


@given(batches)
def test_hash_does_not_depend_on_the_batch(batch: list[list[str]]) -> None:
    together = hash_ngrams(batch, 3)
    for i, text in enumerate(batch):
        alone = hash_ngrams([text], 3)
        assert sorted(alone.hash) == sorted(together.hash[together.document == i])


def test_token_may_equal_a_marker() -> None:
    assert len(hash_ngrams([["\2", "\3"], ["a"]], 3).hash) == 7 + 4


def test_unigrams_come_first() -> None:
    hashed = hash_ngrams([["a", "b"], [], ["a"]], 3)
    assert hashed.n_unigrams == 3
    assert hashed.document[:3].tolist() == [0, 0, 2]
    assert hashed.hash[0] == hashed.hash[2] != hashed.hash[1]


def vocabulary(words: list[str], bits: int = 64) -> IdsCountsEncoder:
    hashes = np.unique(hash_ngrams([words], 1).hash >> np.uint64(64 - bits))
    spec = IdsCounts("v", bits, 1)
    encode = make_encoder(spec, {"v": hashes.astype(f"<u{bits // 8}").tobytes()})
    assert isinstance(encode, IdsCountsEncoder)
    return encode


@pytest.mark.parametrize("bits", [32, 64])
def test_counts_known_ngrams(bits: int) -> None:
    encode = vocabulary(["good", "bad", "so"], bits)
    batch = [["so", "so", "good"], ["what"], [], ["bad", "what"]]
    arrays = encode(batch)
    padding = 3
    rows = [
        {id_: count for id_, count in zip(ids, counts, strict=True) if id_ != padding}
        for ids, counts in zip(arrays["ids"].tolist(), arrays["counts"].tolist(), strict=True)
    ]
    (so,), (good,), (bad,) = (encode.lookup(hash_ngrams([[w]], 1).hash)[0] for w in ("so", "good", "bad"))
    assert rows == [{so: 2.0, good: 1.0}, {}, {}, {bad: 1.0}]
    assert arrays["counts"][arrays["ids"] == padding].sum() == 0
    assert arrays["ids"].dtype == np.int32 and arrays["counts"].dtype == np.float32
    assert encode.unknown_share(batch).tolist() == [0, 1, 1, 0.5]


@pytest.mark.parametrize("table", [b"", b"123", np.array([2, 1], "<u8").tobytes(), np.array([1, 1], "<u8").tobytes()])
def test_rejects_invalid_table_of_hashes(table: bytes) -> None:
    with pytest.raises(ModelError, match="ngrams.bin"):
        make_encoder(IdsCounts("ngrams.bin", 64, 1), {"ngrams.bin": table})


def test_truncates_and_pads_token_ids() -> None:
    encode = make_encoder(TokenIds("v", max_length=3), {"v": b"<pad>\n<unk>\ngood\nbad\n"})
    assert isinstance(encode, TokenIdsEncoder)
    batch = [["good", "what"], [], ["bad", "bad", "good", "what"]]
    arrays = encode(batch)
    assert arrays["token_ids"].tolist() == [[2, 1, 0], [0, 0, 0], [3, 3, 2]]
    assert arrays["lengths"].tolist() == [2, 0, 3]
    assert encode.unknown_share(batch).tolist() == [0.5, 1, 0.25]  # of all tokens


@pytest.mark.parametrize("lines", [b"", b"only one", b"\xff\n\xff"])
def test_rejects_invalid_vocabulary(lines: bytes) -> None:
    with pytest.raises(ModelError, match="vocabulary.txt"):
        make_encoder(TokenIds("vocabulary.txt", 3), {"vocabulary.txt": lines})


PIECES = "[PAD] [UNK] [CLS] [SEP] un ##aff ##able a ##f cafe red apple don ' t ! < > 3".split()
PAD, UNK, CLS, SEP = range(4)


def word_pieces(max_length: int = 12) -> WordPiecesEncoder:
    known = np.unique(hash_ngrams([["unaffable", "don't", "!"]], 1).hash >> np.uint64(32)).astype("<u4")
    files = {"p": "\n".join(PIECES).encode(), "w": known.tobytes()}
    encode = make_encoder(WordPieces("p", "w", max_length, PAD, UNK, CLS, SEP), files)
    assert isinstance(encode, WordPiecesEncoder)
    return encode


@pytest.mark.parametrize(
    ("token", "pieces"),
    [
        ("unaffable", "un ##aff ##able"),  # longest piece first
        ("aff", "a ##f ##f"),
        ("café", "cafe"),  # accents are dropped
        ("don't", "don ' t"),
        ("<red_apple>", "red apple"),  # an emoji is split into its name
        ("<3", "< 3"),
        ("<", "<"),
        ("unb", "[UNK]"),  # one unknown piece makes the whole word unknown
        ("中", "[UNK]"),
        ("a" + "f" * 99, " ".join(["a", *["##f"] * 99])),
        ("a" + "f" * 99 + "aff", " ".join(["a", *["##f"] * 99, "a ##f ##f"])),  # no word has more than 100 characters
        ("\u0301", ""),  # a combining mark on its own
    ],
)
def test_token_is_split_into_word_pieces(token: str, pieces: str) -> None:
    assert word_pieces().pieces(token) == [PIECES.index(piece) for piece in pieces.split()]


class CountingIds(dict[str, int]):
    """Counts how often a piece is looked up."""

    lookups = 0

    def get(self, key: str, default: Any = None) -> Any:
        self.lookups += 1
        return super().get(key, default)


def test_no_piece_is_looked_up_that_is_longer_than_every_piece() -> None:
    encode = word_pieces()
    encode.ids = ids = CountingIds(encode.ids)
    word = "a" + "f" * 99
    encode.pieces(word)
    assert ids.lookups <= len(word) * max(map(len, PIECES))


@pytest.mark.parametrize("token", ["unaffable", "don't", "<red_apple>", "café_cafe", "a" + "f" * 11, "!", "\u0301"])
def test_words_of_a_token_are_read_as_the_token_is(token: str) -> None:
    encode = word_pieces(102)
    parts = encode.parts(token)
    assert [id_ for part in parts for id_ in encode.pieces(part)] == encode.pieces(token)
    assert all(encode.parts(part) == [part] for part in parts)


def test_a_window_has_room_for_two_parts_of_a_word() -> None:
    encode = word_pieces(12)
    parts = encode.parts("a" + "f" * 300)
    assert "".join(parts) == "a" + "f" * 300 and all(2 * encode.size(part) <= encode.max_window for part in parts)


def test_every_token_takes_room() -> None:
    assert [word_pieces().size(token) for token in ("\u0301", "cafe", "unaffable")] == [1, 1, 3]
    assert vocabulary(["good"]).size("good") == vocabulary(["good"]).size("what") == 1


def test_unseen_words_leave_nothing_in_memory() -> None:
    encode = word_pieces()
    encode([["a"]])
    tracemalloc.start()
    for number in range(300):
        encode([[chr(0x20000 + number) * 1000, f"{number}" * 30]])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100_000  # bytes; the words have 1.2 million


def test_word_pieces_are_framed_truncated_and_padded() -> None:
    batch = [["!", "a"], [], ["unaffable", "don't", "!"]]
    arrays = word_pieces(6)(batch)
    a, mark = PIECES.index("a"), PIECES.index("!")
    assert arrays["token_ids"].tolist() == [
        [CLS, mark, a, SEP, PAD, PAD],
        [CLS, SEP, PAD, PAD, PAD, PAD],
        [CLS, 4, 5, 6, PIECES.index("don"), SEP],
    ]
    assert arrays["lengths"].tolist() == [4, 2, 6]
    assert word_pieces(6).unknown_share(batch).tolist() == [0.5, 1, 0]


def test_rejects_vocabulary_without_special_ids() -> None:
    with pytest.raises(ModelError, match="p: has 2 lines"):
        make_encoder(WordPieces("p", "w", 9, 0, 1, 2, 3), {"p": b"[PAD]\n[UNK]", "w": b"1234"})


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        (TokenIds("v", 3, padding=-1), r"too few for the special ids \(-1, 1\)"),
        (TokenIds("v", 3, unknown=0), r"the special ids \(0, 0\) must differ"),
        (WordPieces("v", "w", 9, 0, 1, 2, 2), r"the special ids \(0, 1, 2, 2\) must differ"),
    ],
)
def test_rejects_special_ids_that_are_no_lines_of_their_own(spec: TokenIds | WordPieces, fault: str) -> None:
    with pytest.raises(ModelError, match=f"v: .*{fault}"):
        make_encoder(spec, {"v": b"<pad>\n<unk>\nstart\nend\n", "w": b"1234"})


def test_rejects_vocabulary_with_a_line_twice() -> None:
    with pytest.raises(ModelError, match="v: 1 lines are there twice"):
        make_encoder(TokenIds("v", 3), {"v": b"<pad>\n<unk>\ngood\ngood\n"})
