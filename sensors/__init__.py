"""What wakes us: uploads, the inboxes, events, runs that ended or died.

A sensor is a postman; each decision is a pure function in `domain`, each deed a function in `operations`.
"""
