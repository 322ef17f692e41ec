"""End a process at each of its steps in the file system, one after the other, without any timing."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext

KILLED = 9
# Audit events of Python, raised before the call. "open" counts if it is for writing; dlsym is a call of C by ctypes.
STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "shutil.copyfile", "ctypes.dlsym"}

type Action = Callable[..., object]


def forkserver(*preload: str) -> ForkServerContext:
    """Return a start method that imports big packages once for all processes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def killed_at_every_step(
    context: ForkServerContext, action: Action, *arguments: object, before: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Run `action` in a process that ends before its first step, then in one that ends before its second, and so on.

    Yields each time, and last when the action has run to its end. `before` is called before each run.
    """
    exit_code, step = KILLED, 0
    while exit_code == KILLED:
        step += 1
        before()
        process = context.Process(target=_run, args=(step, action, arguments))
        process.start()
        process.join()
        exit_code = process.exitcode or 0
        assert exit_code in (0, KILLED), f"step {step}: exit code {exit_code}"
        yield


def _run(last: int, action: Action, arguments: tuple[object, ...]) -> None:
    steps = 0

    def count(event: str, details: tuple[object, ...]) -> None:
        nonlocal steps
        writes = event == "open" and isinstance(details[2], int) and details[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or event in STEPS:
            steps += 1
            if steps == last:
                os._exit(KILLED)

    sys.addaudithook(count)
    action(*arguments)
    os._exit(0)
