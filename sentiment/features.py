"""Encode tokens as the input arrays of an ONNX graph. The manifest says which encoding a model uses."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError
from .manifest import IdsCounts, Input, TokenIds, UnigramPieces, WordPieces
from .unigram import Unigram, normalise

type Tokens = list[str]
type Arrays = Mapping[str, NDArray[Any]]  # by name of the graph's input; the first axis is the batch

TWEET_WORDS = 48  # of 20,000 tweets, one or two are longer
TWEET_PIECES = 64  # of as many words
WINDOW = 24  # words, or pieces of words; docs/models.md has what other sizes would publish


class Encoder(Protocol):
    """Encodes tokenised texts. Safe to call from several threads."""

    max_whole: int  # the size up to which a text is read in one piece
    max_window: int  # the size of a window of a longer text

    def __call__(self, batch: Sequence[Tokens]) -> Arrays:
        """Return the arrays of texts, each read in one piece. What is longer than the graph takes is cut."""
        ...

    def unknown_share(self, batch: Sequence[Tokens]) -> NDArray[np.float64]:
        """Return the share of each text's tokens that are not in the vocabulary: [batch], 1 for a text without any."""
        ...

    def size(self, token: str) -> int:
        """Return how much of a window a token takes, at least 1."""
        return 1

    def parts(self, token: str) -> Tokens:
        """Cut a token that is longer than a window into tokens for each of which the graph has room."""
        return [token]

    def widest(self) -> Arrays | None:
        """Return arrays as wide as those of the longest text, at no cost; None if a graph takes any width."""
        return None

    def beyond_vocabulary(self) -> Arrays:
        """Return the arrays of a text with the first id beyond the vocabulary, which its graph refuses."""
        ...


def make_encoder(spec: Input, files: Mapping[str, bytes]) -> Encoder:
    """Return the encoder for a manifest's `input`. `files` maps the names in `spec.files` to their content.

    Raises ModelError if a vocabulary is invalid.
    """
    vocabulary = files[spec.vocabulary]
    match spec:
        case IdsCounts():
            return IdsCountsEncoder(spec, vocabulary)
        case TokenIds():
            return TokenIdsEncoder(spec, vocabulary)
        case UnigramPieces():  # before WordPieces, which it is a kind of
            return UnigramPiecesEncoder(spec, vocabulary, files[spec.words], files[spec.scores])
        case WordPieces():
            return WordPiecesEncoder(spec, vocabulary, files[spec.words])


# --- n-grams ---------------------------------------------------------------------------------------------------------
#
# A batch is joined to " ␂ token token … ␃ ␂ token … ␃ ". The markers ␂ and ␃ make words at the start and the end of a
# text different from others. Every n-gram is a substring, and prefix sums hash all substrings in one pass: with
# H[k] = Σ c[i]·Pⁱ for i < k, the substring [s, e) has the hash (H[e] - H[s])·P⁻ˢ mod 2⁶⁴, wherever it stands (Karp and
# Rabin, "Efficient randomized pattern-matching algorithms", 1987). No n-gram is built as a string, and a cold start
# loads no dictionary.

_BASE = 0x9E3779B97F4A7C15  # any large odd number: only odd numbers have an inverse mod 2⁶⁴
_INVERSE = pow(_BASE, -1, 2**64)
_MIXER = np.uint64(0xD6E8FEB86659FD93)  # also odd; moves the entropy of a hash into its high bits
_START_MARKER, _END_MARKER = "\2", "\3"


class HashedNgrams(NamedTuple):
    """The n-grams of a batch. The first `n_unigrams` of them are single tokens."""

    document: NDArray[np.int64]  # [n]: index of the text in the batch
    hash: NDArray[np.uint64]  # [n]
    n_unigrams: int


def hash_ngrams(batch: Sequence[Tokens], max_ngram: int) -> HashedNgrams:
    """Hash every n-gram of 1 … max_ngram tokens, in O(characters + n-grams). Repeated n-grams are repeated."""
    text = "".join(" ".join(("", _START_MARKER, *tokens, _END_MARKER)) for tokens in batch) + " "
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    spaces = np.flatnonzero(codes == ord(" "))
    starts, ends = spaces[:-1] + 1, spaces[1:]
    sizes = np.array([len(tokens) + 2 for tokens in batch], np.int64)
    document = np.repeat(np.arange(len(batch)), sizes)
    prefix = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(codes * powers_of(_BASE, len(codes), np.uint64), out=prefix[1:])
    shift = powers_of(_INVERSE, len(codes), np.uint64) * _MIXER

    def hashes(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.uint64]:
        start, end = starts[first], ends[last]
        return (prefix[end] - prefix[start]) * shift[start]

    last = np.cumsum(sizes) - 1
    unigrams = np.delete(np.arange(len(starts)), [last - sizes + 1, last])  # all but the markers
    documents, ngram_hashes = [document[unigrams]], [hashes(unigrams, unigrams)]
    for n in range(2, max_ngram + 1):
        first = np.flatnonzero(document[: 1 - n] == document[n - 1 :])
        documents.append(document[first])
        ngram_hashes.append(hashes(first, first + n - 1))
    return HashedNgrams(np.concatenate(documents), np.concatenate(ngram_hashes), len(unigrams))


def powers_of[T: (np.uint32, np.uint64)](base: int, n: int, dtype: type[T]) -> NDArray[T]:
    """Return base⁰ … baseⁿ⁻¹, modulo what the type holds."""
    powers = np.full(n, base, dtype)
    powers[:1] = 1
    return np.multiply.accumulate(powers, dtype=dtype)


class IdsCountsEncoder(Encoder):
    """Counts the n-grams that are in the vocabulary: `ids` int32 and `counts` float32, both [batch, n].

    n is the largest number of distinct known n-grams in a text, at least 1. Other rows are padded with the id
    `len(vocabulary)` and the count 0. The vocabulary is a sorted array of hashes; an id is an index into it.
    """

    max_whole = TWEET_WORDS
    max_window = WINDOW

    def __init__(self, spec: IdsCounts, vocabulary: bytes) -> None:
        if not vocabulary or len(vocabulary) % (spec.bits // 8):
            raise ModelError(f"{spec.vocabulary}: not a table of {spec.bits}-bit hashes")
        self.max_ngram = spec.max_ngram
        self.hashes = np.frombuffer(vocabulary, f"<u{spec.bits // 8}")
        self._shift = np.uint64(64 - spec.bits)  # keep the high bits, which are mixed best
        if not (self.hashes[1:] > self.hashes[:-1]).all():
            raise ModelError(f"{spec.vocabulary}: the hashes are not sorted and distinct")

    def __call__(self, batch: Sequence[Tokens]) -> Arrays:
        hashed = hash_ngrams(batch, self.max_ngram)
        ids, known = self.lookup(hashed.hash)
        padding = len(self.hashes)
        # One number for document and id, so that a single sort counts them all.
        keys, counts = np.unique(hashed.document[known] * padding + ids[known], return_counts=True)
        document, ids = np.divmod(keys, padding)
        column = np.arange(len(keys)) - np.searchsorted(document, document)
        shape = len(batch), int(column.max(initial=0)) + 1
        arrays = {"ids": np.full(shape, padding, np.int32), "counts": np.zeros(shape, np.float32)}
        arrays["ids"][document, column] = ids
        arrays["counts"][document, column] = counts
        return arrays

    def unknown_share(self, batch: Sequence[Tokens]) -> NDArray[np.float64]:
        hashed = hash_ngrams(batch, 1)
        return _share_by_document(~self.lookup(hashed.hash)[1], hashed.document, len(batch))

    def beyond_vocabulary(self) -> Arrays:
        return {"ids": np.full((1, 1), len(self.hashes) + 1, np.int32), "counts": np.zeros((1, 1), np.float32)}

    def lookup(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the id of each hash, and whether it is in the vocabulary. If it is not, ignore the id."""
        keys = (hashes >> self._shift).astype(self.hashes.dtype)
        ids = np.minimum(np.searchsorted(self.hashes, keys), len(self.hashes) - 1)
        return ids, self.hashes[ids] == keys


class TokenIdsEncoder(Encoder):
    """Replaces tokens by their ids: `token_ids` int32 [batch, n] and `lengths` int32 [batch].

    n is the length of the longest text, 1 … `max_length`. Longer texts are cut.
    """

    def __init__(self, spec: TokenIds, vocabulary: bytes) -> None:
        self.spec = spec
        self.ids = _parse_vocabulary(spec.vocabulary, vocabulary, spec.padding, spec.unknown)
        self.max_whole = min(TWEET_WORDS, spec.max_length)
        self.max_window = min(WINDOW, spec.max_length)

    def __call__(self, batch: Sequence[Tokens]) -> Arrays:
        spec = self.spec
        texts = [[self.ids.get(t, spec.unknown) for t in tokens[: spec.max_length]] for tokens in batch]
        return _pad(texts, spec.padding)

    def unknown_share(self, batch: Sequence[Tokens]) -> NDArray[np.float64]:
        unknown = [self.ids.get(token, self.spec.unknown) == self.spec.unknown for tokens in batch for token in tokens]
        document = np.repeat(np.arange(len(batch)), list(map(len, batch)))
        return _share_by_document(np.array(unknown, bool), document, len(batch))

    def beyond_vocabulary(self) -> Arrays:
        return _pad([[len(self.ids)]], self.spec.padding)


# BERT splits off punctuation. To BERT, a word of more than 100 characters is unknown; here it is read as several.
_BERT_WORD = re.compile(r"[^\W_]{1,100}|[^\w\s]|_")


class WordPiecesEncoder(Encoder):
    """Splits tokens into WordPieces and replaces these by their ids, in the arrays of `TokenIdsEncoder`.

    WordPiece as in Devlin et al., "BERT", 2019: the longest piece first. In the vocabulary, pieces that continue a word
    start with ##. A text stands between the ids `start` and `end`. A token like <red_apple> is split into its words.
    """

    def __init__(self, spec: WordPieces, vocabulary: bytes, words: bytes) -> None:
        self.spec = spec
        self.ids = _parse_vocabulary(spec.vocabulary, vocabulary, *spec.special_ids)
        self._longest_piece = max(map(len, self.ids))  # in characters
        room = spec.max_length - 2  # beside `start` and `end`
        self.max_whole = min(TWEET_PIECES, room)
        self.max_window = min(WINDOW, room)
        self._known = IdsCountsEncoder(IdsCounts(spec.words, 32, 1), words)

    def __call__(self, batch: Sequence[Tokens]) -> Arrays:
        return _pad([self.text(tokens) for tokens in batch], self.spec.padding)

    def unknown_share(self, batch: Sequence[Tokens]) -> NDArray[np.float64]:
        return self._known.unknown_share(batch)

    def size(self, token: str) -> int:
        return len(self.pieces(token)) or 1

    def widest(self) -> Arrays:
        """Return `max_length` columns without a row: a BERT has a vector for each position, and no more."""
        return {"token_ids": np.zeros((0, self.spec.max_length), np.int32), "lengths": np.zeros(0, np.int32)}

    def beyond_vocabulary(self) -> Arrays:
        return _pad([[len(self.ids)]], self.spec.padding)

    def text(self, tokens: Tokens) -> list[int]:
        """Return the ids of one text, with `start` and `end`: at most `max_length`."""
        ids = [self.spec.start]
        for token in tokens:
            ids += self.pieces(token)
            if len(ids) >= self.spec.max_length:
                break
        return [*ids[: self.spec.max_length - 1], self.spec.end]

    def pieces(self, token: str) -> list[int]:
        """Return the ids of one token.

        Nothing is kept of it: a cache would save half a percent of a call, and unseen words would fill it.
        """
        return [piece for word in self._words_of(token) for piece in self._wordpieces(word)]

    def parts(self, token: str) -> Tokens:
        """Cut a token into its words, and these so that windows overlap: no word has more pieces than characters."""
        words, longest = self._words_of(token), max(1, self.max_window // 2)
        return [word[i : i + longest] for word in words for i in range(0, len(word), longest)]

    def _words_of(self, token: str) -> list[str]:
        token = _spell_name(token)
        if not token.isascii():
            decomposed = unicodedata.normalize("NFD", token)
            token = "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
        return _BERT_WORD.findall(token)

    def _wordpieces(self, word: str) -> list[int]:
        ids: list[int] = []
        start, end = 0, min(len(word), self._longest_piece)
        while start < end:
            id_ = self.ids.get(("##" if start else "") + word[start:end])
            if id_ is None:
                end -= 1
            else:
                ids.append(id_)
                start, end = end, min(len(word), end + self._longest_piece)
        return ids if start == len(word) else [self.spec.unknown]


class UnigramPiecesEncoder(WordPiecesEncoder):
    """Splits tokens into the pieces of a unigram model, otherwise like `WordPiecesEncoder`.

    The pieces of a text are those of its tokens joined with single spaces. Accents and capitals are kept.
    """

    def __init__(self, spec: UnigramPieces, vocabulary: bytes, words: bytes, scores: bytes) -> None:
        super().__init__(spec, vocabulary, words)
        if len(scores) != 4 * len(self.ids):
            raise ModelError(f"{spec.scores}: has {len(scores)} bytes, not 4 for each of {len(self.ids)} pieces")
        log_probability = np.frombuffer(scores, "<f4").astype(np.float64)
        if not (log_probability <= 0).all():
            raise ModelError(f"{spec.scores}: not every score is the logarithm of a probability")
        log_probability[[*spec.special_ids]] = -np.inf  # even if a text has the letters <s>
        self._unigram = Unigram(self.ids, log_probability, spec.unknown)

    def pieces(self, token: str) -> list[int]:
        return self._unigram(" ".join(self._words_of(token)))

    def _words_of(self, token: str) -> list[str]:
        return normalise(_spell_name(token)).split()


def _spell_name(token: str) -> str:
    """Return the words of a token like <red_apple>, and any other token as it is."""
    return token[1:-1].replace("_", " ") if token[0] == "<" and token[-1] == ">" else token


def _parse_vocabulary(file: str, vocabulary: bytes, *special_ids: int) -> dict[str, int]:
    """Map each line to its number, from 0.

    Raises ModelError if the file is not UTF-8 or has a line twice, or if special ids have no line, or the same.
    """
    try:
        lines = vocabulary.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ModelError(f"{file}: {error}") from error
    if not 0 <= min(special_ids) <= max(special_ids) < len(lines):
        raise ModelError(f"{file}: has {len(lines)} lines, too few for the special ids {special_ids}")
    if len(set(special_ids)) < len(special_ids):
        raise ModelError(f"{file}: the special ids {special_ids} must differ")
    ids = {token: i for i, token in enumerate(lines)}
    if len(ids) < len(lines):
        raise ModelError(f"{file}: {len(lines) - len(ids)} lines are there twice")
    return ids


def _pad(texts: Sequence[Sequence[int]], padding: int) -> dict[str, NDArray[np.int32]]:
    """Return `token_ids` [batch, n] and `lengths` [batch]. n is the length of the longest text, at least 1."""
    lengths = np.array([len(ids) for ids in texts], np.int32)
    token_ids = np.full((len(texts), max(1, int(lengths.max(initial=0)))), padding, np.int32)
    token_ids[np.arange(token_ids.shape[1]) < lengths[:, None]] = [i for ids in texts for i in ids]
    return {"token_ids": token_ids, "lengths": lengths}


def _share_by_document(mask: NDArray[np.bool_], document: NDArray[np.int64], n_documents: int) -> NDArray[np.float64]:
    """Return the mean of `mask` [tokens] over each document: float64 [n_documents], 1 for a document without tokens.

    `document` [tokens] is the index of each token's document.
    """
    total = np.bincount(document, minlength=n_documents)
    selected = np.bincount(document, weights=mask, minlength=n_documents)
    return np.divide(selected, total, out=np.ones(n_documents), where=total > 0)
