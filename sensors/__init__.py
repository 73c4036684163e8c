"""What wakes us: uploads, the inboxes, failed runs.

Sensors are postmen; each decision is a pure function in `pipelines/<domain>`.
"""
