"""Load a verified model folder and score texts with it. A folder that fails verification is not loaded at all."""

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
    logit: NDArray[np.float64]  # [batch]: log-odds of `probability`
    unknown_share: NDArray[np.float64]  # [batch]: share of the text's tokens that the model does not know


class Model:
    """Scores texts with the ONNX graph of one model folder. Safe to call from several threads."""

    def __init__(self, manifest: Manifest, encode: Encoder, session: ort.InferenceSession) -> None:
        self.manifest = manifest
        self._encode = encode
        self._session = session

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a model folder. Raises ModelError, which names the invalid file."""
        about = manifest.load_verified_manifest(folder)
        graph = folder / about.graph
        try:  # from the path: from bytes it is slower, and they stay in memory beside the session
            session = ort.InferenceSession(graph, session_options(), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises many types without a common base
            raise ModelError(f"{graph}: {error}") from error
        if [output.name for output in session.get_outputs()] != ["logit"]:
            raise ModelError(f"{graph}: must have one output, named logit")
        files = {name: (folder / name).read_bytes() for name in about.input.files}
        model = cls(about, encoder(about.input, files), session)
        try:
            model.score_tokens([[]])
        except Exception as error:
            raise ModelError(f"{graph}: does not take the input that the manifest describes: {error}") from error
        return model

    @property
    def is_sequence_model(self) -> bool:
        """Whether the graph reads tokens in order. Such a graph takes milliseconds for a text, others less than one."""
        return not isinstance(self.manifest.input, IdsCounts)

    def tokens(self, text: str) -> Tokens:
        return self.manifest.text.tokens(text)

    def arrays(self, texts: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        """Return the inputs of the graph for these texts."""
        return self._encode([self.tokens(text) for text in texts]).arrays

    def score(self, texts: Sequence[str]) -> Scores:
        """Score one or more texts."""
        return self.score_tokens([self.tokens(text) for text in texts])

    def score_tokens(self, batch: Sequence[Tokens]) -> Scores:
        """Score texts that are already tokenised.

        A sequence model scores them one by one: on one thread a batch is not faster, padding costs memory, and with
        quantised activations the score of a text would depend on the others in its batch.
        """
        batches = [[tokens] for tokens in batch] if self.is_sequence_model else [batch]
        encoded = [self._encode(each) for each in batches]
        raw = np.concatenate([self._session.run(["logit"], each.arrays)[0] for each in encoded])
        calibration = self.manifest.calibration
        logit = calibration.slope * raw.astype(np.float64) + calibration.intercept
        unknown_share = np.concatenate([each.unknown_share for each in encoded])
        return Scores(1 / (1 + np.exp(-np.clip(logit, -500, 500))), logit, unknown_share)


def session_options() -> ort.SessionOptions:
    """Return options for one thread that does not spin: a call takes under a millisecond, and idle cores cost money.

    Graph optimisation is off because the export has already done it. Repeating it would lengthen a cold start.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return options
