"""Convolutions over words: each filter looks for a phrase, anywhere in the text.

Kim, "Convolutional neural networks for sentence classification", 2014.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from keras import layers, ops
from msgspec import Meta

from . import word_model

type KernelSize = Annotated[int, Meta(ge=1, le=9)]


class Configuration(word_model.Configuration, frozen=True):
    RENAMED: ClassVar[Mapping[str, str]] = {**word_model.Configuration.RENAMED, "widths": "kernel_sizes"}

    kernel_sizes: Annotated[tuple[KernelSize, ...], Meta(min_length=1)] = (2, 3, 4, 5)  # words that a filter sees
    filters: Annotated[int, Meta(ge=1)] = 100  # of each kernel size
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.5  # before the logit; half of it for the word vectors

    def network(self, vectors: Any) -> Any:
        x = layers.SpatialDropout1D(self.dropout / 2)(vectors)
        x = ParallelConvolutions(self.kernel_sizes, self.filters)(x)
        return layers.Dense(1, dtype="float32")(layers.Dropout(self.dropout)(x))


class ParallelConvolutions(layers.Layer):  # type: ignore[misc]
    """[batch, n, d] -> [batch, kernel sizes * filters]: the highest output of each filter, at least 0.

    Zeros surround a text, whether it is padded or not.
    """

    def __init__(self, kernel_sizes: tuple[int, ...], filters: int) -> None:
        super().__init__()
        self.convolutions = [layers.Conv1D(filters, size, padding="same", activation="relu") for size in kernel_sizes]

    def build(self, shape: tuple[int | None, ...]) -> None:
        for convolution in self.convolutions:
            convolution.build(shape)

    def call(self, x: Any, mask: Any = None) -> Any:
        mask = ops.cast(mask, x.dtype)[:, :, None]
        outputs = [convolution(x * mask) * mask for convolution in self.convolutions]
        return ops.max(ops.concatenate(outputs, -1), 1)

    def compute_mask(self, _x: Any, _mask: Any) -> None:
        """The output is not a sequence."""


fit = word_model.fit


def space(trial: Any) -> dict[str, Any]:
    return word_model.space(trial) | {
        "filters": trial.suggest_int("filters", 50, 400, log=True),
        "dropout": trial.suggest_float("dropout", 0, 0.7),
    }
