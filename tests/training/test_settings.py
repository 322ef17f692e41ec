"""`--set KEY=VALUE`, in every family."""

import msgspec
import pytest

from training.families import FAMILIES, load_family
from training.families.settings import configure, flatten

FORMER_KEYS = {
    "logreg": {"longest": "max_ngram", "keep": "max_ngrams"},
    "naive_bayes": {"longest": "max_ngram", "keep": "max_ngrams"},
    "svm": {"longest": "max_ngram", "keep": "max_ngrams"},
    "forest": {"longest": "max_ngram", "keep": "max_ngrams"},
    "recurrent": {"words": "vocab_size", "embedding.tuned": "embedding.trainable"},
    "textcnn": {"words": "vocab_size", "widths": "kernel_sizes", "embedding.tuned": "embedding.trainable"},
    "transformer": {
        "learn": "trainable",
        "longest": "max_length",
        "keep": "initial_weight_share",
        "schedule.round": "schedule.eval_interval",
        "schedule.glance": "schedule.eval_texts",
        "schedule.batch": "schedule.batch_size",
        "schedule.accumulate": "schedule.gradient_accumulation_steps",
        "schedule.rate": "schedule.learning_rate",
        "schedule.warmup": "schedule.warmup_proportion",
        "schedule.cuts": "schedule.max_lr_reductions",
        "schedule.precision": "schedule.dtype",
    },
}
RENAMED = [(family, former, key) for family, keys in FORMER_KEYS.items() for former, key in keys.items()]


@pytest.mark.parametrize(("family", "former", "key"), RENAMED)
def test_refuses_a_former_key_and_names_its_successor(family: str, former: str, key: str) -> None:
    configuration = load_family(family).Configuration
    assert key in flatten(msgspec.to_builtins(configuration()))
    with pytest.raises(SystemExit, match=rf"^--set {former}=1: {former} is now called {key}$"):
        configure(configuration, [f"{former}=1"])


@pytest.mark.parametrize("family", FAMILIES)
def test_help_lists_every_setting_with_its_default(family: str) -> None:
    configuration = load_family(family).Configuration
    with pytest.raises(SystemExit) as raised:
        configure(configuration, ["help"])
    lines = str(raised.value).splitlines()
    assert {line.partition("=")[0] for line in lines} == set(flatten(msgspec.to_builtins(configuration())))
    assert configure(configuration, lines) == configuration()
