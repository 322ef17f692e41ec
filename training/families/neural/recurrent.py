"""Recurrent networks: they read a text word by word and remember.

`simple` is the network of Elman, "Finding structure in time", 1990; `gru` the gated unit of Cho et al., "Learning
phrase representations using RNN encoder-decoder", 2014; `bilstm` two layers of the long short-term memory of
Hochreiter and Schmidhuber, 1997, each in both directions (Schuster and Paliwal, 1997).
"""

from typing import Annotated, Any, Literal

from keras import layers, ops
from msgspec import Meta

from . import word_model


class Configuration(word_model.Configuration, frozen=True):
    cell: Literal["simple", "gru", "bilstm"] = "bilstm"
    units: Annotated[int, Meta(ge=1)] = 64  # of a layer, in each direction, and of the dense head
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.3  # of whole dimensions of the vectors, and before the logit

    def network(self, vectors: Any) -> Any:
        x = layers.SpatialDropout1D(self.dropout)(vectors)
        match self.cell:
            case "simple":
                x = layers.SimpleRNN(self.units, return_sequences=True)(x)
            case "gru":
                x = layers.GRU(self.units, return_sequences=True)(x)
            case "bilstm":
                x = layers.Bidirectional(layers.LSTM(self.units, return_sequences=True))(x)
                x = layers.Bidirectional(layers.LSTM(self.units, return_sequences=True))(x)
        x = layers.Dense(self.units, "relu")(Pooling()(x))
        return layers.Dense(1, dtype="float32")(layers.Dropout(self.dropout)(x))


class Pooling(layers.Layer):  # type: ignore[misc]
    """[batch, n, d] -> [batch, 2d]: the largest and the mean of what is no padding; 0 where all of it is.

    A last state has forgotten the first words of a text; what stood out anywhere has not (Collobert et al., "Natural
    language processing (almost) from scratch", 2011).
    """

    def call(self, x: Any, mask: Any = None) -> Any:
        inside = ops.cast(mask, x.dtype)[:, :, None]
        length = ops.sum(inside, 1)
        mean = ops.sum(x * inside, 1) / ops.maximum(length, 1)
        largest = ops.max(x * inside + (inside - 1) * 2, 1)  # states are within -1 … 1
        return ops.concatenate([largest * ops.minimum(length, 1), mean], -1)

    def compute_mask(self, _x: Any, _mask: Any) -> None:
        """What comes out is no sequence."""


fit = word_model.fit


def space(trial: Any) -> dict[str, Any]:
    return word_model.space(trial) | {
        "cell": trial.suggest_categorical("cell", ["simple", "gru", "bilstm"]),
        "units": trial.suggest_int("units", 32, 256, log=True),
        "dropout": trial.suggest_float("dropout", 0, 0.6),
    }
