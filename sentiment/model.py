"""Load a model folder and score texts with it. There is no fallback: a folder that fails verification is refused."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from .errors import ModelError
from .features import Arrays, Encoder, Tokens, make_encoder
from .language import read_table
from .manifest import IdsCounts, Manifest, read_verified_folder
from .released import ModelDigests
from .windows import Window, divide

OUTPUT = ("logit", "tensor(float)", 1)  # name, type and rank
NOWHERE = "/dev/null/nowhere"  # no file can be below one that is no folder

type Check = Callable[[], None]  # called before each piece of work; raises to end it, where nobody waits for the rest


def carry_on() -> None:
    """Let the work go on: the check of a caller who waits for the end, however long it takes."""


class Scores(NamedTuple):
    """The scores of a batch of texts. Those of a text of several windows are the scores of the one that decides."""

    probability: NDArray[np.float64]  # [batch]: calibrated P(positive), 0 … 1
    logit: NDArray[np.float64]  # [batch]: the log-odds of `probability`
    unknown_share: NDArray[np.float64]  # [batch]: share of unknown tokens in all the text; 1 for one without tokens


class Model:
    """Scores texts with the ONNX graph of a model folder. Safe to call from several threads."""

    def __init__(
        self, manifest: Manifest, encode: Encoder, session: ort.InferenceSession, released: ModelDigests | None = None
    ) -> None:
        self.manifest = manifest
        self.released = released  # the models of the package, of which this is one; None outside a package
        self._encode = encode
        self._session = session

    @classmethod
    def load(cls, folder: Path, released: ModelDigests | None = None) -> Self:
        """Load and verify a model folder, and run its graph. Raises ModelError, which names the invalid file.

        In a package, `released` lists the models that it was built with, and no other is loaded.
        """
        read_table()  # a verdict needs it
        manifest, graph, vocabularies = read_verified_folder(folder, released)
        encode = make_encoder(manifest.input, vocabularies)
        try:  # Pass the path, not the bytes: bytes are slower, and stay in memory beside the session.
            session = ort.InferenceSession(graph, session_options(), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions have no common base class
            raise ModelError(f"{graph}: {error}") from error
        if [(output.name, output.type, len(output.shape)) for output in session.get_outputs()] != [OUTPUT]:
            raise ModelError(f"{graph}: must have one output, named logit: float32 [batch]")
        model = cls(manifest, encode, session, released)
        model._check_graph(graph)
        return model

    def _check_graph(self, graph: Path) -> None:
        """Raise ModelError unless the graph takes what the manifest describes: all of it, and nothing more."""
        try:
            logit = self.logit([[]])
            if (widest := self._encode.widest()) is not None:
                self._session.run(["logit"], widest)
        except Exception as error:
            raise ModelError(f"{graph}: does not take the input that the manifest describes: {error}") from error
        if logit.shape != (1,) or not np.isfinite(logit).all():
            raise ModelError(f"{graph}: its logit of a text is {logit}")
        if self._takes(self._encode.beyond_vocabulary()):
            raise ModelError(f"{graph}: takes ids that {self.manifest.input.vocabulary} does not have")

    def _takes(self, arrays: Arrays) -> bool:
        options = ort.RunOptions()
        options.log_severity_level = 4  # a refusal is what is expected
        try:
            self._session.run(["logit"], arrays, options)
        except Exception:  # as above
            return False
        return True

    @property
    def trusted(self) -> bool:
        """Whether a list outside the model's folder says that this is the released model."""
        return self.released is not None

    @property
    def is_sequence_model(self) -> bool:
        """Whether the graph reads tokens in order. It then takes milliseconds for a text, otherwise less than one."""
        return not isinstance(self.manifest.input, IdsCounts)

    def tokens(self, text: str) -> Tokens:
        """Tokenise a text as the model was trained to read it."""
        return self.manifest.text.tokens(text)

    def size(self, tokens: Tokens) -> int:
        """Return how much there is to read in a text: its words, or the pieces of words that the graph reads."""
        return sum(map(self._encode.size, tokens))

    def windows(self, tokens: Tokens) -> list[Window]:
        """Return the parts of a text that are scored one by one: a single one for a tweet."""
        return divide(self._encode, tokens)

    def arrays(self, texts: Sequence[str]) -> Arrays:
        """Return the graph's inputs for these texts, by name, each read in one piece."""
        return self._encode([self.tokens(text) for text in texts])

    def score(self, texts: Sequence[str], check: Check = carry_on) -> Scores:
        """Score one or more texts. Raises what `check` raises."""
        batch = []
        for text in texts:
            check()
            batch.append(self.tokens(text))
        return self.score_tokens(batch, check)

    def score_tokens(self, batch: Sequence[Tokens], check: Check = carry_on) -> Scores:
        """Score one or more tokenised texts, to their end. Raises what `check` raises."""
        scores, _ = self.score_windows(batch, [self.windows(tokens) for tokens in batch], check)
        return scores

    def score_windows(
        self, batch: Sequence[Tokens], windows: Sequence[Sequence[Window]], check: Check = carry_on
    ) -> tuple[Scores, list[Window]]:
        """Score tokenised texts in the windows that `self.windows` gave for each; also return which window decided.

        The worst one does: nothing that stands before or after it makes a text better. Raises what `check` raises.
        """
        logits = self.logit([window.tokens for text in windows for window in text], check)
        by_text = np.split(logits, np.cumsum([len(text) for text in windows])[:-1])
        worst = [int(np.argmin(text)) for text in by_text]
        logit = np.array([text[i] for text, i in zip(by_text, worst, strict=True)])
        probability = 1 / (1 + np.exp(-np.clip(logit, -500, 500)))
        deciding = [text[i] for text, i in zip(windows, worst, strict=True)]
        return Scores(probability, logit, self._encode.unknown_share(batch)), deciding

    def logit(self, windows: Sequence[Tokens], check: Check = carry_on) -> NDArray[np.float64]:
        """Return the calibrated log-odds of positive, [windows], of tokens that are read in one piece.

        What is longer than the graph takes is cut: only `windows` makes windows of any text. Raises what `check`
        raises.

        A sequence model scores them one by one. On one thread a batch is no faster, and its padding costs memory. With
        quantised activations the score of a window would also depend on the others in its batch. Windows that are the
        same to the graph are scored once: those of an emoji that is repeated a thousand times are.
        """
        raw: dict[bytes, NDArray[np.float32]] = {}  # by the bytes of the graph's input
        inputs: list[bytes] = []
        for each in [[tokens] for tokens in windows] if self.is_sequence_model else [windows]:
            check()
            arrays = self._encode(each)
            inputs.append(b"".join(array.tobytes() for array in arrays.values()))
            if inputs[-1] not in raw:
                raw[inputs[-1]] = self._session.run(["logit"], arrays)[0]
        calibration = self.manifest.calibration
        raw_logit = np.concatenate([raw[each] for each in inputs]).astype(np.float64)
        return calibration.slope * raw_logit + calibration.intercept


def session_options() -> ort.SessionOptions:
    """Return options for serving: one thread, no spinning, no optimisation of the graph.

    A call takes less than a millisecond, so more threads would not help, and spinning would keep a core busy between
    calls. The export has already optimised the graph; doing it again would lengthen a cold start. A graph cannot load
    weights from other files, which no digest would cover: onnxruntime looks for them NOWHERE.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    options.log_severity_level = 3
    return options
