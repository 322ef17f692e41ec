"""Install and lock dependencies, find Node.js and its packages, for make, infra and the tests. The app does not use it."""
