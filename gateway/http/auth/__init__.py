"""Who calls and what they may: keys, sessions, cookies, signatures, operators, rate limits, access to a document."""
