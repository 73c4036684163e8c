"""Events that apps send: how they are parsed, identified and refused, which functions each of them starts, and when.

Pure: `resources/ledger` stores what was decided, `operations/events` carries it out.
"""
