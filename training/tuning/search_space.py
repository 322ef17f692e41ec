"""Suggest the settings of a trial: fixed settings are kept out of Optuna's search."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
import optuna

from training.families.settings import flatten


class FixedParamsTrial:
    """A trial that returns fixed settings without asking Optuna, so that the sampler does not learn from them.

    optuna.trial.FixedTrial cannot suggest the parameters that are not fixed.
    """

    def __init__(self, trial: optuna.Trial, fixed: Mapping[str, Any]) -> None:
        self._trial = trial
        self._fixed = fixed

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._fixed[name] if name in self._fixed else self._trial.suggest_categorical(name, choices)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        if name in self._fixed:
            return self._fixed[name]  # type: ignore[no-any-return]
        return self._trial.suggest_float(name, low, high, step=step, log=log)  # type: ignore[no-any-return]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        if name in self._fixed:
            return self._fixed[name]  # type: ignore[no-any-return]
        return self._trial.suggest_int(name, low, high, step=step, log=log)  # type: ignore[no-any-return]


def suggest_settings(
    space: Callable[[Any], dict[str, Any]],
    trial: optuna.Trial,
    fixed: Collection[str],
    configuration: msgspec.Struct,
) -> list[str]:
    """Return the settings of a trial as KEY=VALUE: the suggested ones, then the fixed ones.

    `configuration` has the fixed settings applied, so that a conditional space can read them.
    """
    keys = {setting.partition("=")[0] for setting in fixed}
    values = {key: value for key, value in flatten(msgspec.to_builtins(configuration)).items() if key in keys}
    suggested = {key: value for key, value in space(FixedParamsTrial(trial, values)).items() if key not in keys}
    return [f"{key}={json.dumps(value)}" for key, value in suggested.items()] + list(fixed)
