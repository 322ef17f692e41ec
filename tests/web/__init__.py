"""The page's modules under Node.js, without a browser. The page in Chromium is in tests/browser."""
