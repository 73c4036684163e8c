"""Who may do what: keys of organizations, their roles, and how a secret is minted, shown and recognized."""
