"""Workbooks that Rowline writes: the rows of a version that have errors, and the uploaded workbook with them marked."""
