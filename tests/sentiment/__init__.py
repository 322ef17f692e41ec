"""Each module of sentiment/ by itself, with small models made by the test."""
