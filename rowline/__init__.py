"""Rowline for analysts: the rows of a document and their lineage as pandas DataFrames (docs/dataframes.md).

The public Python API; what is not in `__all__` may change without notice. Importing it imports neither pandas nor
Dagster.
"""

from rowline.frames import load_lineage, load_rows

__all__ = ["load_lineage", "load_rows"]
