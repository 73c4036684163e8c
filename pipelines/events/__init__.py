"""Events that apps send: how they are read, identified and refused, what each of them starts, and when.

Pure: what was decided is kept by `resources/ledger/events.py` and carried out by `sensors/events`.
"""
