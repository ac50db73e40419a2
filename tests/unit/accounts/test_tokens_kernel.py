import hashlib

import pytest

from apps.accounts.kernel import roles, tokens
from apps.core.errors import Invalid


def test_digest_is_sha256_of_the_plain_text():
    assert tokens.digest_of("qs_abc") == hashlib.sha256(b"qs_abc").hexdigest()


def test_scopes_narrow_the_role_and_never_widen_it():
    assert tokens.granted("viewer", ["team.read", "trading.halt"]) == {"team.read"}
    assert tokens.granted("viewer", ["*"]) == roles.ROLES["viewer"]
    assert tokens.granted("nobody", ["*"]) == frozenset()


def test_unknown_scopes_are_named():
    assert tokens.unknown_scopes(["team.read", "*", "team.rule"]) == ["team.rule"]


def test_an_unknown_role_is_refused_with_the_known_ones():
    with pytest.raises(Invalid, match="auditor") as caught:
        roles.check_role("emperor")
    assert caught.value.code == "role.unknown"


def test_auditor_changes_nothing_and_admin_decides_nothing():
    assert not any("write" in name or "create" in name for name in roles.ROLES["auditor"])
    assert not any(name.startswith("proposals.decide") for name in roles.ROLES["admin"])
