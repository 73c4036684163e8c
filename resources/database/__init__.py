"""PostgreSQL: the embedded server or the team's own – its addresses, its pool, its schema, and what goes wrong with it.

Everything here works through PgBouncer's transaction pooling: no prepared statement, no lock and no setting of ours
outlives a transaction (ADR 0010). LISTEN, the long locks and migrations take the direct address if one is set.
"""
