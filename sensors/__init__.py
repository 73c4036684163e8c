"""What wakes us: uploads, the inbox folder, failed runs.

Sensors are postmen; each decision is a pure function in `pipelines/<domain>`.
"""
