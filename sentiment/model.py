"""A verified model folder, ready to score. Loading is all or nothing: there is no fallback model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from . import manifest
from .errors import ModelError
from .features import Encoder, Tokens, encoder
from .manifest import IdsCounts, Manifest


class Scores(NamedTuple):
    probability: NDArray[np.float64]  # [batch]: calibrated P(positive), 0 … 1
    logit: NDArray[np.float64]  # [batch]: its log-odds
    unknown_share: NDArray[np.float64]  # [batch]: the share of the text's tokens that the model has never seen


class Model:
    """Scores texts with the ONNX graph of one model folder. Safe to call from several threads."""

    def __init__(self, manifest: Manifest, encode: Encoder, session: ort.InferenceSession) -> None:
        self.manifest = manifest
        self._encode = encode
        self._session = session

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read, verify and open a model folder. Raises ModelError and says which file is at fault."""
        description = manifest.load_verified_manifest(folder)
        graph = folder / description.graph
        try:  # by its path: the bytes of a graph in memory would cost time and stay resident beside the open session
            session = ort.InferenceSession(graph, session_options(), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no exception tree of its own
            raise ModelError(f"{graph}: {error}") from error
        if [output.name for output in session.get_outputs()] != ["logit"]:
            raise ModelError(f"{graph}: must have one output, named logit")
        files = {name: (folder / name).read_bytes() for name in description.input.files}
        model = cls(description, encoder(description.input, files), session)
        try:
            model.score_tokens([[]])
        except Exception as error:
            raise ModelError(f"{graph}: does not take the input that the manifest describes: {error}") from error
        return model

    @property
    def is_sequence_model(self) -> bool:
        """Whether the graph reads tokens in order: milliseconds a text, not a fraction of one."""
        return not isinstance(self.manifest.input, IdsCounts)

    def tokens(self, text: str) -> Tokens:
        return self.manifest.text.tokens(text)

    def arrays(self, texts: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        """What the graph takes for these texts."""
        return self._encode([self.tokens(text) for text in texts]).arrays

    def score(self, texts: Sequence[str]) -> Scores:
        """The scores of any number of texts, at least one."""
        return self.score_tokens([self.tokens(text) for text in texts])

    def score_tokens(self, batch: Sequence[Tokens]) -> Scores:
        """As `score`, for texts already cut into tokens.

        A graph that reads sequences gets them one by one: on one thread a batch is no faster, it costs padding and
        memory, and where activations are quantised a text's score would depend on its neighbours.
        """
        parts = [[tokens] for tokens in batch] if self.is_sequence_model else [batch]
        encoded = [self._encode(part) for part in parts]
        raw = np.concatenate([self._session.run(["logit"], part.arrays)[0] for part in encoded])
        calibration = self.manifest.calibration
        logit = calibration.slope * raw.astype(np.float64) + calibration.intercept
        unknown_share = np.concatenate([part.unknown_share for part in encoded])
        return Scores(1 / (1 + np.exp(-np.clip(logit, -500, 500))), logit, unknown_share)


def session_options() -> ort.SessionOptions:
    """One thread that does not spin: a call is a fraction of a millisecond, and an idle core costs money.

    The graph was optimised when it was exported; doing it again would only lengthen a cold start.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return options
