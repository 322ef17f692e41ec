"""A pytest plugin that hides the packages that only training needs:  pytest -p tests.support.serving_only

Imports of `training`, and of every package that is locked for training but not for development, fail. So the tests run
as if only the dev group were installed.
"""

import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions
from types import ModuleType

from tests.support.paths import ROOT


def _locked(group: str) -> set[str]:
    lock = (ROOT / f"tools/requirements-{group}.txt").read_text()
    return set(re.findall(r"^(\S+)==", lock, re.MULTILINE))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def hidden_modules() -> set[str]:
    """Return the top-level names of the modules that only training needs."""
    only_training = _locked("train") - _locked("dev")
    hidden = {
        module
        for module, distributions in packages_distributions().items()
        if only_training.issuperset(map(_canonical, distributions))
    }
    ours = {path.name for path in ROOT.iterdir()}  # some packages install a `tests` and a `tools` of their own
    return hidden - ours | {"training"}


class HidingFinder(MetaPathFinder):
    def __init__(self, modules: set[str]) -> None:
        self._modules = modules

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] in self._modules:
            raise ModuleNotFoundError(f"{name!r} is not in the dev group: only training may import it", name=name)
        return None


sys.meta_path.insert(0, HidingFinder(hidden_modules()))
