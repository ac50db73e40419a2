"""Who did what: the append-only ledger and its proofs."""
