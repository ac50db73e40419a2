"""The sequencer for tests: it places what waits in the database that the tests share."""

import psycopg

from apps.audit.services import Paths
from apps.audit.services import sequencer as sequencing


def paths_of(servers, settings):
    """One key for the whole run of the tests."""
    home = servers.home
    paths = Paths(home / "secrets" / "audit_test_key", home / "audit_public", home / "witness")
    settings.AUDIT_PUBLIC_KEY_FILE = paths.public_key
    settings.AUDIT_WITNESS_FILE = paths.witness
    return paths


def place_all(servers, settings, paths):
    """Place all that waits and keep the head, as the sequencer's loop does."""
    with psycopg.connect(servers.dsn("sequencer"), autocommit=True) as connection:
        sequencer = sequencing.open_sequencer(connection, paths, settings.AUDIT_ORIGIN)
        while sequencer.step():
            pass
        sequencing.keep_witness(sequencer, paths.witness)
