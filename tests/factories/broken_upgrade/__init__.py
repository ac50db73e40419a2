"""An app whose second migration fails: what an upgrade that goes wrong looks like."""
