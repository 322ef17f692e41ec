"""Fit and measure the table with which sentiment/language.py tells languages apart."""
