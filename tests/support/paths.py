"""Paths in the checkout."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
TINY_MODEL = Path(__file__).with_name("tiny_model")  # written by tests/parity/tiny_model.py
