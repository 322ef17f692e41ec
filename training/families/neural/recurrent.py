"""Recurrent networks: they read a text word by word and keep a state.

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
    units: Annotated[int, Meta(ge=1)] = 64  # of a layer, in each direction, and of the dense layer
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
        x = layers.Dense(self.units, "relu")(MaxMeanPooling()(x))
        return layers.Dense(1, dtype="float32")(layers.Dropout(self.dropout)(x))


class MaxMeanPooling(layers.Layer):  # type: ignore[misc]
    """[batch, n, d] -> [batch, 2d]: maximum and mean over a text without its padding, 0 for an empty text.

    The last state has forgotten the first words of a text; a maximum keeps what stood out anywhere (Collobert et al.,
    "Natural language processing (almost) from scratch", 2011).
    """

    def call(self, x: Any, mask: Any = None) -> Any:
        mask = ops.cast(mask, x.dtype)[:, :, None]
        length = ops.sum(mask, 1)
        mean = ops.sum(x * mask, 1) / ops.maximum(length, 1)
        maximum = ops.max(x * mask + (mask - 1) * 2, 1)  # states are within -1 … 1, padding becomes -2
        return ops.concatenate([maximum * ops.minimum(length, 1), mean], -1)

    def compute_mask(self, _x: Any, _mask: Any) -> None:
        """The output is not a sequence."""


fit = word_model.fit


def space(trial: Any) -> dict[str, Any]:
    return word_model.space(trial) | {
        "cell": trial.suggest_categorical("cell", ["simple", "gru", "bilstm"]),
        "units": trial.suggest_int("units", 32, 256, log=True),
        "dropout": trial.suggest_float("dropout", 0, 0.6),
    }
