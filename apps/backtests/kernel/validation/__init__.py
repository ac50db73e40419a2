"""Strategies judged on bars that their parameters were not chosen on.

``ground`` says what every kind of validation works with and what it must give; ``kinds`` is the
table of them, which the service reads. ``folds`` cuts bars, ``walking`` is the walk-forward and
its naive demonstration, ``stability`` says how steady its choices were.
"""
