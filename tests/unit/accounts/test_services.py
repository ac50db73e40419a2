from datetime import timedelta

import pytest

from apps.accounts import selectors, services
from apps.accounts.models import Invitation, Membership, Token, User
from apps.core.actors import system
from apps.core.errors import Conflict, Denied, Invalid, NotFound, Unauthenticated


@pytest.fixture(autouse=True)
def fresh_memory():
    selectors.forget_tokens()


def new_token(actor, now, **options):
    return services.create_token(actor=actor, name="script", now=now, **options)


def test_token_is_stored_as_hash_and_found_by_plain_text(team, actor, now):
    me = actor("researcher")
    token, plain = new_token(me, now)
    assert plain.startswith("qs_")
    assert plain not in str(Token.objects.filter(pk=token.pk).values().get())
    assert selectors.actor_of_token(plain, now) == me


def test_unknown_token_is_refused(team, now):
    with pytest.raises(Unauthenticated, match="make a new one") as caught:
        selectors.actor_of_token("qs_nonsense", now)
    assert caught.value.code == "token.unknown"


def test_expired_token_is_refused_even_from_memory(team, actor, now):
    _, plain = new_token(actor("viewer"), now, days=1)
    just_before = now + timedelta(days=1, seconds=-0.5)
    assert selectors.actor_of_token(plain, just_before)
    with pytest.raises(Unauthenticated) as caught:
        selectors.actor_of_token(plain, now + timedelta(days=1))
    assert caught.value.code == "token.expired"


def test_revoked_token_is_refused_within_a_second(team, actor, now):
    me = actor("viewer")
    token, plain = new_token(me, now)
    selectors.actor_of_token(plain, now)
    services.revoke_token(actor=me, token_id=token.pk, now=now)
    with pytest.raises(Unauthenticated) as caught:
        selectors.actor_of_token(plain, now + timedelta(seconds=1))
    assert caught.value.code == "token.revoked"


def test_token_of_a_removed_or_disabled_person_is_refused(team, actor, now):
    one, two, admin = actor("viewer"), actor("viewer"), actor("admin")
    _, removed = new_token(one, now)
    _, disabled = new_token(two, now)
    services.remove_member(actor=admin, user_id=one.user_id, now=now)
    services.set_active(actor=system("tests"), email=two.label, active=False, now=now)
    for plain in (removed, disabled):
        with pytest.raises(Unauthenticated) as caught:
            selectors.actor_of_token(plain, now)
        assert caught.value.code == "token.no_member"


def test_last_use_is_written_once_a_minute(team, actor, now, django_assert_num_queries):
    token, plain = new_token(actor("viewer"), now)
    with django_assert_num_queries(2):
        selectors.actor_of_token(plain, now)
    with django_assert_num_queries(0):
        selectors.actor_of_token(plain, now + timedelta(seconds=0.9))
    with django_assert_num_queries(1):
        selectors.actor_of_token(plain, now + timedelta(seconds=30))
    token.refresh_from_db()
    assert token.last_used_at == now


def test_scopes_narrow_a_token(team, actor, now):
    _, plain = new_token(actor("researcher"), now, scopes=["team.read"])
    narrow = selectors.actor_of_token(plain, now)
    assert narrow.permissions == {"team.read"}
    with pytest.raises(Denied) as caught:
        services.create_token(actor=narrow, name="wider", now=now)
    assert caught.value.code == "token.beyond"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"scopes": ["no.such"]}, "token.scopes"),
        ({"days": 0}, "token.days"),
        ({"days": 10_000}, "token.days"),
        ({"name": " "}, "token.name"),
    ],
)
def test_bad_tokens_are_refused(team, actor, now, options, code):
    with pytest.raises(Invalid) as caught:
        services.create_token(**{"actor": actor("viewer"), "name": "x", "now": now} | options)
    assert caught.value.code == code


def test_others_tokens_are_not_found_but_admins_may_revoke_them(team, actor, now):
    token, _ = new_token(actor("viewer"), now)
    with pytest.raises(NotFound):
        services.revoke_token(actor=actor("trader"), token_id=token.pk, now=now)
    services.revoke_token(actor=actor("admin"), token_id=token.pk, now=now)
    token.refresh_from_db()
    assert token.revoked_at == now


def test_tokens_of_another_team_are_not_found(team, other_team, actor, now):
    token, _ = new_token(actor("viewer", other_team), now)
    with pytest.raises(NotFound):
        services.revoke_token(actor=actor("admin"), token_id=token.pk, now=now)


def test_role_change_holds_at_once(team, actor, now):
    me, admin = actor("viewer"), actor("admin")
    services.change_role(actor=admin, user_id=me.user_id, role="trader", now=now)
    assert selectors.actor_of_user_id(me.user_id, team.pk).may("trading.halt")


def test_last_admin_can_neither_leave_nor_step_down(team, actor, now):
    admin = actor("admin")
    for act in (
        lambda: services.remove_member(actor=admin, user_id=admin.user_id, now=now),
        lambda: services.change_role(actor=admin, user_id=admin.user_id, role="viewer", now=now),
    ):
        with pytest.raises(Conflict) as caught:
            act()
        assert caught.value.code == "member.last_admin"


def test_only_who_manages_people_invites(team, actor, now):
    with pytest.raises(Denied, match="people"):
        services.invite(actor=actor("researcher"), email="a@b.example", role="viewer", now=now)


def test_invitation_lets_one_new_person_in(team, actor, now):
    made, plain = services.invite(
        actor=actor("admin"), email="New@Person.example", role="validator", now=now
    )
    assert plain not in str(Invitation.objects.filter(pk=made.pk).values().get())
    member = services.accept_invitation(
        plain=plain, now=now, password="a long passphrase", name="N"
    )
    assert (member.user.email, member.role) == ("new@person.example", "validator")
    with pytest.raises(NotFound):
        services.accept_invitation(plain=plain, now=now, password="a long passphrase")


def test_lapsed_and_revoked_invitations_let_nobody_in(team, actor, now):
    admin = actor("admin")
    _, lapsed = services.invite(actor=admin, email="a@p.example", role="viewer", now=now)
    made, revoked = services.invite(actor=admin, email="b@p.example", role="viewer", now=now)
    services.revoke_invitation(actor=admin, invitation_id=made.pk, now=now)
    for plain, at in ((lapsed, now + timedelta(days=8)), (revoked, now)):
        with pytest.raises(NotFound):
            services.accept_invitation(plain=plain, now=at, password="a long passphrase")


def test_invitation_of_a_known_person_wants_them_signed_in(team, other_team, actor, now):
    known = actor("viewer", other_team)
    _, plain = services.invite(actor=actor("admin"), email=known.label, role="trader", now=now)
    with pytest.raises(Denied) as caught:
        services.accept_invitation(plain=plain, now=now, password="another passphrase")
    assert caught.value.code == "invitation.sign_in"
    with pytest.raises(Denied) as caught:
        services.accept_invitation(plain=plain, now=now, signed_in_as="else@p.example")
    assert caught.value.code == "invitation.other_person"
    services.accept_invitation(plain=plain, now=now, signed_in_as=known.label)
    assert {t.id for t in selectors.list_teams(known.user_id)} == {team.pk, other_team.pk}


def test_weak_password_is_refused_and_the_link_stays_good(team, actor, now):
    _, plain = services.invite(actor=actor("admin"), email="c@p.example", role="viewer", now=now)
    with pytest.raises(Invalid) as caught:
        services.accept_invitation(plain=plain, now=now, password="password")
    assert caught.value.code == "user.invalid"
    assert services.accept_invitation(plain=plain, now=now, password="a long passphrase")


def test_demo_team_has_one_account_per_role_that_works(db, now):
    accounts = services.create_demo_team(now=now)
    assert [account["role"] for account in accounts] == [
        "viewer",
        "researcher",
        "validator",
        "risk_manager",
        "trader",
        "admin",
        "auditor",
    ]
    for account in accounts:
        user = User.objects.get(email=account["email"])
        assert user.check_password(account["password"])
        assert selectors.actor_of_token(account["token"], now).role == account["role"]
        signs = account["role"] in {"validator", "risk_manager", "trader"}
        assert bool(account["totp_secret"]) == signs


def test_demo_team_again_renews_passwords_and_ends_old_tokens(db, now):
    first = services.create_demo_team(now=now)
    second = services.create_demo_team(now=now)
    assert Membership.objects.filter(team__slug="demo").count() == len(second)
    with pytest.raises(Unauthenticated):
        selectors.actor_of_token(first[0]["token"], now)


def test_demo_team_is_impossible_under_production_settings(db, now, settings):
    settings.ENVIRONMENT = "prod"
    with pytest.raises(Denied) as caught:
        services.create_demo_team(now=now)
    assert caught.value.code == "demo.production"
    assert not User.objects.exists()


def test_actor_is_in_the_team_last_chosen(team, other_team, actor, now):
    me = actor("viewer")
    user = User.objects.get(pk=me.user_id)
    Membership.objects.create(user=user, team=other_team, role="trader")
    assert selectors.actor_of_user(user).team_id == team.pk
    services.choose_team(user_id=user.pk, team_id=other_team.pk)
    user.refresh_from_db()
    assert selectors.actor_of_user(user).role == "trader"
    with pytest.raises(NotFound):
        services.choose_team(user_id=user.pk, team_id=0)
