"""Pure sums of the ledger: the tree, its proofs, signed heads."""
