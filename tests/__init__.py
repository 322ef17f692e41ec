"""The test suite: a folder for each package, and contract/, parity/, browser/, docs/ and e2e/ for what crosses them."""
