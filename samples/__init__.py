"""Samples: small workbooks to try Rowline with, what makes them, and the demo that `make demo` runs.

Everything in the made files is invented. The files of other projects keep their licence (README.md, LICENSES.md).
Nothing here is needed at run time, and no other room imports from here.
"""
