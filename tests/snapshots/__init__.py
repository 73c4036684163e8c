"""What the project looks like from outside, as text small enough to read in a review.

`python -m tests.snapshots` renews the files; the diff is what the reviewer looks at.
"""
