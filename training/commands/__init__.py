"""The commands of `python -m training`: each parses its arguments, calls the libraries, and prints. No command imports
another one.
"""
