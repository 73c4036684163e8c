"""Notices and alerts: what is said, to whom it may be said, when it is tried again, and when it is worth saying.

Plain functions of what they are given: nothing here sends anything, looks at a clock or rolls dice.
"""
