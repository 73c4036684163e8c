"""The gateway as apps meet it: requests over the real ledger and stores."""
