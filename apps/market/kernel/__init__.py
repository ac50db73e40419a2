"""Pure sums on bars."""
