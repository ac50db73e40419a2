"""What a model expects: models, training, regimes."""
