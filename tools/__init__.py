"""Install and lock dependencies; find Node.js and its packages. For make, infra and the tests, not for the app."""
