"""Language models behind one Protocol; the first member works without any."""
