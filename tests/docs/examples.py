"""The examples in the documents: which of them the tests run, how, and how to compare what they print."""

import os
import re
import subprocess
import sys

from tests.support.documents import DOCUMENTS, Example, examples
from tests.support.paths import ROOT
from tools.node import node

ADDRESS = "http://127.0.0.1:7071"  # of the app, in the documents
EXAMPLES = [example for document in DOCUMENTS for example in examples(document)]

# How a block starts that is not run -> why not: another test covers it, or it cannot work here.
NOT_RUN = {
    r"git clone ": "needs the repository's address; tests/docs/test_shell.py compares what it prints",
    r"make serve": "runs until it is stopped; tests/docs/test_shell.py does that",
    r"cp local\.settings\.sample": "needs Core Tools; tests/docs/test_equipment.py reads the sample",
    r"make (check|test)": "takes minutes; .ci/run does that",
    r"make train ": "trains: tests/training/test_pipeline.py, tests/training/test_documented_commands.py",
    r"\.venv/bin/python -m pytest ": "runs tests",
    r"\.venv/bin/python -m training ": "trains: the same two tests",
    r"\.venv/bin/python -m benchmarks\.": "measures for minutes",
    r"\.venv/bin/uv pip ": "changes what is installed",
    r"pip install mlflow": "downloads packages, and needs a database and a bucket",
    r"(app=\$\()?azd? ": "needs an Azure subscription",
    r"gh run download ": "needs a run on GitHub; tests/infra/test_workflows.py has the commands of deploy.yml",
    r"sh tools/install\.sh sign": "needs a signature made there; tests/infra/test_signature.py uses a local key",
}

_SEPARATOR = "\x1e"  # printed before each example, where several are run as one program
_PRINT_SEPARATOR = {"python": f"print({_SEPARATOR!r})", "javascript": f'console.log("{_SEPARATOR}");'}
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-\d+)?")
_TOLERANCE = 0.05  # of a model's figures: processors round differently


def environment(address: str) -> dict[str, str]:
    """Return the environment of an example that calls the app at `address`."""
    return os.environ | {"BUZZGUARD": address, "no_proxy": "127.0.0.1", "MAKEFLAGS": ""}


def is_run(example: Example) -> bool:
    return not any(re.match(start, example.code) for start in NOT_RUN)


def shell_examples(*, run: bool) -> list[Example]:
    return [example for example in EXAMPLES if example.language == "sh" and is_run(example) == run]


def program(document: str, language: str) -> list[Example]:
    """Return the examples in one language, which a reader runs from top to bottom."""
    return [example for example in EXAMPLES if (example.document, example.language) == (document, language)]


def run_code(language: str, code: str, address: str) -> str:
    """Run code and return what it prints. It must end with status 0 and an empty stderr."""
    commands = {"python": [sys.executable, "-W", "error", "-"], "javascript": [node(), "--input-type=module", "-"]}
    done = subprocess.run(
        commands[language], input=code, cwd=ROOT, env=environment(address), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def run_program(parts: list[Example], language: str, address: str) -> list[str]:
    """Run examples as one program; return what each prints."""
    code = "".join(f"{_PRINT_SEPARATOR[language]}\n{example.code}\n" for example in parts)
    before, *printed = run_code(language, code, address).split(f"{_SEPARATOR}\n")
    assert before == ""
    return printed


def differs(expected: str, printed: str, tolerance: float = _TOLERANCE) -> bool:
    """Return whether a program printed something else than a document says.

    In the document, `…` stands for anything, white space for any or none, and a decimal number for one that differs by
    at most `tolerance`.
    """
    parts = re.split(rf"(…|\s+|{_NUMBER.pattern})", expected.strip())
    found = re.fullmatch("".join(map(_pattern, parts)), printed.strip(), re.DOTALL)
    if found is None:
        return True
    pairs = zip(_NUMBER.findall(expected), found.groups(), strict=True)
    return any(abs(float(documented) - float(actual)) > tolerance for documented, actual in pairs)


def _pattern(part: str) -> str:
    if part == "…":
        return ".*?"
    if part.isspace():
        return r"\s*"
    return rf"({_NUMBER.pattern}|-?\d+)" if _NUMBER.fullmatch(part) else re.escape(part)


def check_output(example: Example, printed: str) -> None:
    """Raise AssertionError if the document says that the example prints something else."""
    expected, tolerance = example.output, 0.0 if example.code.startswith("make ") else _TOLERANCE
    message = f"{example.place} says\n{expected}\nand it prints\n{printed}"
    assert expected is None or not differs(expected, printed, tolerance), message
