"""How fast, how big and how soon: Rowline measured, and a hand-written program that does the same work beside it.

Each measured run is a process of its own; the figures land in `results.md`. Nothing here is asserted by a timed
test, and nothing in the product imports from here.
"""
