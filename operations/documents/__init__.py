"""What is done with documents: upload, process, search, roll back, remove, erase, keep store and ledger in step."""
