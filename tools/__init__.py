"""Install and lock the dependencies, and find Node.js and its packages. make, infra and the tests use this; the app does not."""
