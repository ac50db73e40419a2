"""How it would have gone: the engine, runs, metrics, tear sheets."""
