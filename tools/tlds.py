"""`python -m tools.tlds`: write the top-level domains that X knows into sentiment/tlds.py and web/tlds.json.

They come from the npm package twitter-text, by X: the version that tools/package.json pins (Apache-2.0). A name is a
link on X only if it ends in one of these. IANA's list has a few brands more; X's rules do not read it.
"""

import json
import subprocess
import textwrap
from pathlib import Path

from .node import node, package

ROOT = Path(__file__).resolve().parents[1]
_READ = """
const source = (kind) => require(`${process.argv[1]}/dist/regexp/valid${kind}`).source.match(/[^()?:=]{9,}/)[0];
const { version } = require(`${process.argv[1]}/package.json`);
console.log(JSON.stringify([version, `${source("GTLD")}|${source("CCTLD")}`.split("|")]));
"""
_PYTHON = '''"""The top-level domains that X knows.

Written by `python -m tools.tlds` from twitter-text {version}, Apache-2.0.
"""

TLDS = frozenset(
    """
{tlds}
""".split()
)
'''


def main() -> None:
    for path, content in render().items():
        (ROOT / path).write_text(content)


def render() -> dict[str, str]:
    """Return the content of each file by its path. Raises ToolMissing if Node.js or twitter-text is not installed."""
    command = [node(), "-e", _READ, str(package("twitter-text"))]
    version, tlds = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    plain = textwrap.fill(" ".join(sorted(filter(str.isascii, tlds))), 120)
    wide = textwrap.fill(" ".join(sorted(tld for tld in tlds if not tld.isascii())), 60)  # letters of two columns
    return {
        "sentiment/tlds.py": _PYTHON.format(version=version, tlds=f"{plain}\n{wide}"),
        "web/tlds.json": json.dumps(sorted(tlds), ensure_ascii=False, separators=(",", ":")) + "\n",
    }


if __name__ == "__main__":
    main()
