"""Notifications and alerts: their text, who may receive them, when they are tried again, and when one is raised.

Plain functions of their arguments: nothing here sends anything, reads a clock or draws a random number.
"""
