"""Secrets under data keys of their own, data keys under a master key that is changed at will."""

import pytest
from cryptography.fernet import Fernet

from apps.core import secrets
from apps.core.errors import Invalid

PLAIN = "the-vendor's-key"


@pytest.fixture
def keys(settings):
    settings.SEAL_KEY = Fernet.generate_key().decode()
    return settings


def test_a_secret_is_opened_again_and_never_sealed_alike(keys):
    once, twice = secrets.seal(PLAIN), secrets.seal(PLAIN)
    assert once != twice
    assert secrets.unseal(once) == secrets.unseal(twice) == PLAIN
    assert PLAIN not in once


def test_each_secret_has_a_data_key_of_its_own(keys):
    (_, one, first), (_, other, second) = (secrets.seal(PLAIN).split(".") for _ in range(2))
    master = Fernet(keys.SEAL_KEY)
    assert Fernet(master.decrypt(one)).decrypt(first) == PLAIN.encode()
    assert master.decrypt(one) != master.decrypt(other)
    with pytest.raises(Invalid):
        secrets.unseal(f"e1.{one}.{second}")


def test_a_new_master_key_takes_over_without_a_stop(keys):
    old, new = keys.SEAL_KEY, Fernet.generate_key().decode()
    sealed = secrets.seal(PLAIN)
    keys.SEAL_KEY = f"{new},{old}"
    assert secrets.unseal(sealed) == PLAIN
    moved = secrets.reseal(sealed)
    assert moved.split(".")[2] == sealed.split(".")[2], "only the envelope is new"
    keys.SEAL_KEY = new
    assert secrets.unseal(moved) == PLAIN
    with pytest.raises(Invalid) as caught:
        secrets.unseal(sealed)
    assert caught.value.code == "secrets.wrong_key"


def test_what_was_sealed_before_there_were_envelopes_is_opened_and_moved(keys):
    before = Fernet(keys.SEAL_KEY).encrypt(PLAIN.encode()).decode()
    assert secrets.unseal(before) == PLAIN
    assert secrets.unseal(secrets.reseal(before)) == PLAIN
    assert secrets.reseal(before).startswith("e1.")


@pytest.mark.parametrize("broken", ["", "e1.", "e1.a.b", "e1.a.b.c", "nonsense"])
def test_what_can_t_be_opened_says_what_to_do(keys, broken):
    with pytest.raises(Invalid) as caught:
        secrets.unseal(broken)
    assert caught.value.code == "secrets.wrong_key"


def test_without_a_master_key_nothing_is_stored(settings):
    settings.SEAL_KEY = ""
    with pytest.raises(Invalid) as caught:
        secrets.seal(PLAIN)
    assert caught.value.code == "secrets.no_key"
