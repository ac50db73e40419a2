"""A book's risk on the page, over REST, on paper and by mail: the same figures everywhere."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes

import pytest

from apps.audit.models import AuditEvent
from apps.core import jobs
from apps.core.actors import system
from apps.core.errors import Denied, Invalid, NotFound
from apps.core.models import Job
from apps.ops.models import Alert
from apps.risk.kernel.paper.words import percent
from apps.risk.models import BookReport, ReportMail
from apps.risk.selectors import book_reports as told
from apps.risk.selectors import overviews, summaries
from apps.risk.selectors.samples import get_sample
from apps.risk.services import book_reports, grading, report_mails
from tests.factories import people, trading
from tests.servers.lab import free_port

V1, JSON = "/api/v1", "application/json"
HELD = {"AAPL": 120, "MSFT": 200, "JPM": -90}
MODELS = ("historical", "gaussian", "ewma")


@pytest.fixture(autouse=True)
def _few_models(monkeypatch):
    """The models without a fit are enough here, and quick."""
    monkeypatch.setattr(summaries, "QUICK", MODELS)
    measured = summaries.measures_part
    monkeypatch.setattr(
        summaries,
        "measures_part",
        lambda sample, methods=MODELS, grade=None: measured(sample, methods=methods, grade=grade),
    )


@pytest.fixture
def account(sample, db, team, now):
    return book(team, now)


def book(team, now, held=HELD, **options):
    from apps.trading.models import Position

    feed = trading.make_feed(now, name=f"feed-{team.pk}-{len(options)}")
    made = trading.make_account(team, now, feed=feed.name, **options)
    made.last_bar_at = feed.position_at + timedelta(days=1)
    made.save(update_fields=["last_bar_at"])
    for symbol, quantity in held.items():
        Position.objects.create(
            account=made, symbol=symbol, quantity=Decimal(quantity), average_price=Decimal(50),
            last_price=Decimal(50), last_price_at=made.last_bar_at, updated_at=now,
        )  # fmt: skip
    return made


def events(team, action):
    return AuditEvent.objects.filter(team_id=team.pk, action=action).count()


def text_of(pdf):
    pypdf = pytest.importorskip("pypdf")
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_a_report_is_made_by_a_job_and_tells_what_rest_tells(
    account, team, now, api_as, django_capture_on_commit_callbacks
):
    viewer, subject = api_as("viewer"), f"account:{account.pk}"
    asked = viewer.post(f"{V1}/risk/reports", {"subject": subject}, content_type=JSON)
    assert asked.status_code == 202
    job = asked.json()["job"]["id"]
    assert jobs.execute(job, book_reports.run_report, worker="test") == "done"
    line = viewer.get(f"{V1}/risk/reports?subject={subject}").json()["items"][0]
    row = viewer.get(f"{V1}/risk/reports/{line['id']}").json()
    pdf = viewer.get(line["pdf"])
    assert pdf["Content-Type"] == "application/pdf"
    assert row["pdf_digest"] == BookReport.objects.get(team=team).pdf_digest
    text = text_of(pdf.content)
    assert row["digest"] in text
    body = row["body"]
    assert [found["method"] for found in body["measures"]] == list(MODELS)
    for found in body["measures"]:
        for one in found["levels"]:
            figures = [percent(one[k]) for k in ("var", "var_error", "es", "es_error")]
            assert " ".join(figures).replace("\u00a0", " ") in text
    parts = body["components"]["positions"]
    assert sorted(part["name"] for part in parts) == sorted(HELD)
    for part in parts:
        assert f"{part['name']} {percent(part['weight'])}".replace("\u00a0", " ") in text
    for name in ("component_var", "component_es"):
        book_figure = body["components"][name.removeprefix("component_")]
        assert sum(part[name] for part in parts) == pytest.approx(book_figure, abs=1e-9)
    for crisis in body["stress"]["crises"]:
        if "loss" in crisis:
            assert crisis["title"] in text
    assert (events(team, "risk.report.asked"), events(team, "risk.report.written")) == (1, 1)


def test_the_same_risk_is_one_report_of_the_same_bytes(account, team, now):
    lab, subject = system("tests", team.pk), f"account:{account.pk}"
    first = book_reports.write_report(actor=lab, subject=subject, now=now)
    again = book_reports.write_report(actor=lab, subject=subject, now=now + timedelta(hours=1))
    assert (again.pk, BookReport.objects.filter(team=team).count()) == (first.pk, 1)
    made = bytes(first.pdf)
    first.delete()
    other = book_reports.write_report(actor=lab, subject=subject, now=now)
    assert bytes(other.pdf) == made
    account.positions.filter(symbol="AAPL").update(quantity=121)
    moved = book_reports.write_report(actor=lab, subject=subject, now=now)
    assert moved.digest != other.digest


def test_nothing_later_than_the_book_is_measured(account, team):
    sample = get_sample(team_id=team.pk, subject=f"account:{account.pk}")
    last = datetime.fromtimestamp(int(sample.ts[-1]) / 1e6, UTC)
    assert last + timedelta(days=1) <= account.last_bar_at
    assert len(sample.ts) == 250


def test_books_are_netted_for_the_team(account, team, now):
    other = book(team, now, {"AAPL": -120}, name="Second")
    together = get_sample(team_id=team.pk, subject=f"team:{team.pk}")
    assert sorted(together.weights) == ["JPM", "MSFT"]
    equity = account.equity + other.equity
    assert together.weights["MSFT"] == pytest.approx(200 * 50 / equity)
    with pytest.raises(NotFound):
        get_sample(team_id=team.pk, subject="team:0")
    choices = [subject for subject, _ in overviews.list_choices(team_id=team.pk)]
    assert f"team:{team.pk}" in choices


def test_what_can_t_be_reported_is_told(sample, db, team, other_team, now, api_as):
    lab = system("tests", team.pk)
    empty = book(team, now, {})
    with pytest.raises(Invalid, match="Nothing is held"):
        book_reports.write_report(actor=lab, subject=f"account:{empty.pk}", now=now)
    foreign = book(other_team, now)
    theirs = book_reports.write_report(
        actor=system("tests", other_team.pk), subject=f"account:{foreign.pk}", now=now
    )
    viewer = api_as("viewer")
    for path in (f"/risk/reports/{theirs.pk}", f"/risk/reports/{theirs.pk}.pdf"):
        assert viewer.get(V1 + path).status_code == 404
    for subject in (f"account:{foreign.pk}", "tea:1", ""):
        asked = viewer.post(f"{V1}/risk/reports", {"subject": subject}, content_type=JSON)
        assert asked.status_code == 404


def test_the_page_and_its_parts(account, team, now, client_as, api_as):
    viewer, subject = client_as("viewer"), f"account:{account.pk}"
    page = viewer.get("/risk/").content.decode()
    for words in ("Gross exposure", "VaR 99 %", "not graded yet", f"set of {subject}, version 1"):
        assert words in page
    measured = viewer.get(f"/risk/parts/measures/?subject={subject}").content.decode()
    found = overviews.measures_page(team_id=team.pk, subject=subject)
    assert all(f'data-method="{row["method"]}"' in measured for row in found["rows"])
    assert "data-liquidity" in measured
    lone = viewer.get(f"/risk/parts/measures/?subject={subject}&method=student").content.decode()
    assert 'data-method="student"' in lone
    assert "<table" not in lone
    assert "data-stress" in viewer.get(f"/risk/parts/worst/?subject={subject}").content.decode()
    for name in ("fan", "components", "exceptions"):
        path = f"{V1}/risk/figures/{name}?subject={subject}"
        figure = api_as("viewer").get(path).json()
        assert bool(figure["data"]) == (name != "exceptions")
    heading = api_as("viewer").get(f"{V1}/risk/figures/components?subject={subject}").json()
    assert "The parts sum to VaR" in heading["layout"]["title"]["text"]


def test_what_there_is_not_is_said_in_words(sample, db, team, now, client_as):
    viewer = client_as("viewer")
    assert "There is no book yet" in viewer.get("/risk/").content.decode()
    assert "There is no book" in viewer.get("/risk/parts/measures/").content.decode()
    empty = book(team, now, {})
    page = viewer.get(f"/risk/?subject=account:{empty.pk}").content.decode()
    assert "Nothing is held" in page
    assert "No report yet" in viewer.get("/risk/reports/").content.decode()


def test_breaches_are_filtered_and_read_page_by_page(account, team, now, client_as):
    from apps.risk import services
    from apps.risk.kernel.limits import Refusal

    for i in range(17):
        code = "limit.rate" if i else "limit.halted"
        services.note_breaches(
            team_id=team.pk, subject=f"account:{account.pk}",
            refusals=[Refusal(code, f"number {i}")], now=now + timedelta(minutes=i),
        )  # fmt: skip
    viewer, place = client_as("viewer"), f"/risk/parts/breaches/?subject=account:{account.pk}"
    first = viewer.get(place)
    assert "number 16" in first.content.decode()
    assert "number 1<" not in first.content.decode()
    older = viewer.get(f"{place}&cursor={first.context['next']}").content.decode()
    assert "number 1<" in older
    assert "number 0<" in older
    alone = viewer.get(f"{place}&code=limit.halted").content.decode()
    assert "number 0<" in alone
    assert "number 16" not in alone


class Post:
    """A mail server that answers as it is told, and keeps what it took."""

    def __init__(self):
        self.taken, self.answers = [], []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
        self.taken.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 OK"


@pytest.fixture
def post(settings):
    smtp = pytest.importorskip("aiosmtpd.controller")
    handler = Post()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    server = smtp.Controller(handler, hostname="127.0.0.1", port=settings.EMAIL_PORT)
    server.start()
    yield handler
    server.stop()


def night_of(team, now):
    """Let the models be graded, and the night's job of reports be queued and done."""
    at = now.replace(hour=4)
    job = jobs.enqueue(
        actor=system("grading", team.pk), kind=grading.KIND, title="t", task="risk.grade",
        queue="compute", payload={}, subject=f"grades:{at.date()}", now=at,
    )  # fmt: skip
    assert of_team(team, at) == 0, "grading has not ended"
    Job.objects.filter(pk=job.pk).update(status="done", finished_at=at)
    assert of_team(team, at) == 1
    assert of_team(team, at) == 0, "once a night"
    night = Job.objects.get(team=team, kind=report_mails.KIND)
    assert jobs.execute(str(night.pk), report_mails.run_night, worker="test", now=lambda: at) == (
        "done"
    )
    return night, list(Job.objects.filter(team=team, kind=report_mails.MAIL_KIND))


def of_team(team, at):
    before = Job.objects.filter(team=team, kind=report_mails.KIND).count()
    report_mails.start_reports(now=at)
    return Job.objects.filter(team=team, kind=report_mails.KIND).count() - before


def send(job):
    return jobs.execute(str(job.pk), report_mails.send_report, worker="test")


def test_the_night_s_report_comes_by_mail_once(account, team, now, post):
    manager = people.make_user(team, "risk_manager")
    people.make_user(team, "trader")
    empty = book(team, now, {}, name="Empty")
    night, mails = night_of(team, now)
    assert [len(mails), send(mails[0])] == [1, "done"]
    ((to, message),) = post.taken
    assert to == [manager.email]
    plain, attached = message.get_payload()
    report = BookReport.objects.get(team=team)
    words = plain.get_payload(decode=True).decode()
    body = report.body
    assert body["title"] in words
    assert f"VaR {body['measures'][0]['levels'][1]['var']:.2%}" in words
    assert f"account:{empty.pk}: no report. Nothing is held" in words
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_payload(decode=True) == bytes(report.pdf)
    # The work is asked for again, by a sweeper or a crash: nobody hears it twice.
    Job.objects.filter(pk__in=[night.pk, mails[0].pk]).update(status="queued", lease_until=None)
    assert jobs.execute(str(night.pk), report_mails.run_night, worker="test") == "done"
    assert send(mails[0]) == "done"
    assert [len(post.taken), ReportMail.objects.filter(team=team).count()] == [1, 1]
    assert (events(team, "report_mail.queued"), events(team, "report_mail.sent")) == (1, 1)


def test_a_busy_server_is_tried_again_and_a_refusal_is_told(account, team, now, post):
    people.make_user(team, "risk_manager")
    _, (mail,) = night_of(team, now)
    post.answers = ["451 later"]
    assert send(mail) == "queued"
    row = ReportMail.objects.get(team=team)
    assert (row.status, row.attempts, "451" in row.reason) == ("queued", 1, True)
    Job.objects.filter(pk=mail.pk).update(not_before=None)
    assert send(mail) == "done"
    row.refresh_from_db()
    assert (row.status, row.attempts, len(post.taken)) == ("sent", 2, 1)
    ReportMail.objects.filter(pk=row.pk).update(status="queued")
    Job.objects.filter(pk=mail.pk).update(status="queued", not_before=None, lease_until=None)
    post.answers = ["550 nobody here"]
    assert send(mail) == "failed"
    row.refresh_from_db()
    assert (row.status, "550" in row.reason) == ("failed", True)
    alert = Alert.objects.get(team=team, kind=report_mails.UNDELIVERED)
    assert "550" in alert.advice


def test_a_server_that_is_away_is_tried_until_the_end(account, team, now, settings):
    people.make_user(team, "risk_manager")
    _, (mail,) = night_of(team, now)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert send(mail) == "queued"
    last = report_mails.ATTEMPTS - 1
    Job.objects.filter(pk=mail.pk).update(attempt=last, not_before=None)
    assert send(mail) == "failed"
    row = ReportMail.objects.get(team=team)
    assert (row.status, row.attempts) == ("failed", report_mails.ATTEMPTS)
    assert "could not be reached" in row.reason


def test_who_gets_it_is_the_team_s_setting_and_each_member_s_wish(
    db, team, now, client_as, api_as
):
    from apps.approvals import services as approvals

    trader, manager = people.make_user(team, "trader"), people.make_user(team, "risk_manager")

    def receivers():
        return {member.user_id for member in told.list_receivers(team_id=team.pk)} & {
            trader.pk, manager.pk,
        }  # fmt: skip

    assert receivers() == {manager.pk}
    admin = people.make_actor(team, "admin")
    approvals.set_setting(
        actor=admin, key="risk.report_roles", value=["trader"], note="desk reads it", now=now
    )
    assert receivers() == {trader.pk}
    client = client_as("viewer")
    user = client.get(f"{V1}/me").json()["user_id"]
    assert client.post("/risk/reports/wish/", {"wanted": "1"}).status_code == 302
    assert user in {member.user_id for member in told.list_receivers(team_id=team.pk)}
    assert "Stop mailing me" in client.get("/risk/reports/").content.decode()
    client.post("/risk/reports/wish/", {})
    assert user not in {member.user_id for member in told.list_receivers(team_id=team.pk)}
    lab = system("tests", team.pk)
    with pytest.raises(Denied):
        report_mails.set_report_wish(actor=lab, is_wanted=True, now=now)


def test_who_has_left_gets_nothing(account, team, now, post):
    manager = people.make_user(team, "risk_manager")
    _, (mail,) = night_of(team, now)
    manager.is_active = False
    manager.save(update_fields=["is_active"])
    assert send(mail) == "done"
    assert (ReportMail.objects.get(team=team).status, post.taken) == ("skipped", [])
