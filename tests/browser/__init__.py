"""The page in Chromium: stories of its users, in both languages. Its modules alone, under Node.js, are in tests/web."""
