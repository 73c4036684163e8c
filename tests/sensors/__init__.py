"""The postmen: uploads, inbox, failures."""
