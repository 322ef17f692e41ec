"""`python3 -m infra.smoke URL ZIP`: check that the app at URL runs the package ZIP and predicts with its champion.

For an app that needs no key. Any Python 3 can run this: it uses the standard library only.
"""

import sys

from infra.app_checks import check_incidents_are_closed, check_predictions, wait_until_ready
from infra.release import read_release


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    url, package = sys.argv[1].rstrip("/"), sys.argv[2]
    if not url.startswith(("http://", "https://")):
        raise SystemExit(f"not a URL: {url}")
    release = read_release(package)
    wait_until_ready(url, release)
    check_incidents_are_closed(url)
    check_predictions(url, release)


if __name__ == "__main__":
    main()
