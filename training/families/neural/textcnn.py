"""Convolutions over words: each filter looks for a phrase, anywhere in the text.

Kim, "Convolutional neural networks for sentence classification", 2014.
"""

from typing import Annotated, Any

from keras import layers, ops
from msgspec import Meta

from . import word_model

type Width = Annotated[int, Meta(ge=1, le=9)]


class Configuration(word_model.Configuration, frozen=True):
    widths: Annotated[tuple[Width, ...], Meta(min_length=1)] = (2, 3, 4, 5)  # words that a filter sees
    filters: Annotated[int, Meta(ge=1)] = 100  # of each width
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.5  # of what the filters found; half of it, of the vectors

    def network(self, vectors: Any) -> Any:
        x = layers.SpatialDropout1D(self.dropout / 2)(vectors)
        x = Filters(self.widths, self.filters)(x)
        return layers.Dense(1, dtype="float32")(layers.Dropout(self.dropout)(x))


class Filters(layers.Layer):  # type: ignore[misc]
    """[batch, n, d] -> [batch, widths * filters]: what each filter finds where it finds most; at least 0.

    Around a text stand zeros, whether it is padded or not.
    """

    def __init__(self, widths: tuple[int, ...], filters: int) -> None:
        super().__init__()
        self.convolutions = [layers.Conv1D(filters, width, padding="same", activation="relu") for width in widths]

    def build(self, shape: tuple[int | None, ...]) -> None:
        for convolution in self.convolutions:
            convolution.build(shape)

    def call(self, x: Any, mask: Any = None) -> Any:
        inside = ops.cast(mask, x.dtype)[:, :, None]
        found = [convolution(x * inside) * inside for convolution in self.convolutions]
        return ops.max(ops.concatenate(found, -1), 1)

    def compute_mask(self, _x: Any, _mask: Any) -> None:
        """What comes out is no sequence."""


fit = word_model.fit


def space(trial: Any) -> dict[str, Any]:
    return word_model.space(trial) | {
        "filters": trial.suggest_int("filters", 50, 400, log=True),
        "dropout": trial.suggest_float("dropout", 0, 0.7),
    }
