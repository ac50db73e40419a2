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


def test_networks_are_written_in_one_way():
    given = ["10.1.2.3", " 10.1.0.0/16", "", "2001:db8::/32", "10.1.2.3/32"]
    assert tokens.checked_networks(given) == ["10.1.0.0/16", "10.1.2.3/32", "2001:db8::/32"]


@pytest.mark.parametrize("text", ["10.1.2.3/8", "300.1.1.1", "example.com", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(Invalid) as caught:
        tokens.checked_networks([text])
    assert caught.value.code == "token.networks"


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.1.255.255", True),
        ("10.2.0.0", False),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("testclient", False),
    ],
)
def test_an_address_is_within_or_not(address, inside):
    assert tokens.is_within(address, ["10.1.0.0/16", "2001:db8::/32"]) is inside
