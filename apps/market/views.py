"""The data room: universes, instruments, ingestion, upload, feeds."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.errors import LabError
from apps.market import forms, selectors, services


@require_GET
@permission("team.read")
def data_room(request: HttpRequest) -> HttpResponse:
    """Show the data hub: a universe's gap map, providers, revisions, datasets, ingestions."""
    picked = request.GET.get("universe", "")
    team_id = signed_in(request).team
    context = selectors.data_room(team_id=team_id, now=clock.now(), picked=picked)
    return render(request, "market/room.html", context)


@require_GET
@permission("team.read")
def universe(request: HttpRequest, name: str) -> HttpResponse:
    """Show a universe: coverage, gaps and suspicious moves by symbol."""
    context = selectors.universe_page(team_id=signed_in(request).team, name=name)
    return render(request, "market/universe.html", context)


@require_http_methods(["GET", "POST"])
@permission("data.write")
def new_universe(request: HttpRequest) -> HttpResponse:
    """Show the form of a new universe, or make it."""
    form = forms.UniverseForm(request.POST or None, initial={"timeframe": "1d"})
    context: dict[str, Any] = {"form": form, "timeframes": forms.TIMEFRAMES[1:]}
    context["measures"] = forms.MEASURE_CHOICES
    if form.is_valid():
        return _make_universe(request, form, context)
    return render(request, "market/new_universe.html", context)


def _make_universe(
    request: HttpRequest, form: forms.UniverseForm, context: dict[str, Any]
) -> HttpResponse:
    actor, now = signed_in(request), clock.now()
    try:
        made = services.create_universe(actor=actor, now=now, **form.wanted())
    except LabError as error:
        context["error"] = error
        return render(request, "market/new_universe.html", context, status=error.status)
    return redirect("market:universe", made.name)


INSTRUMENT_QUERY = ("dataset", "timeframe", "price_mode", "as_of")


@require_GET
@permission("team.read")
def instrument(request: HttpRequest, symbol: str) -> HttpResponse:
    """Show an instrument: chart, actions, health, provenance."""
    asked = {key: request.GET.get(key, "") for key in INSTRUMENT_QUERY}
    context = selectors.instrument_page(team_id=signed_in(request).team, symbol=symbol, **asked)
    return render(request, "market/instrument.html", context | _shown(request, context["kinds"]))


def _shown(request: HttpRequest, kinds: list[str]) -> dict[str, Any]:
    asked = {"bars": request.GET.get("bars") or "250", "query": request.GET.urlencode()}
    return asked | {"kind": request.GET.get("kind") or (kinds[0] if kinds else "")}


@require_GET
@permission("team.read")
def ingest(request: HttpRequest) -> HttpResponse:
    """Show what can be ingested, and the ingestions so far."""
    return _ingest(request, forms.IngestForm(initial={"source": "sample:sp500"}))


def _ingest(
    request: HttpRequest, form: forms.IngestForm, error: LabError | None = None
) -> HttpResponse:
    context = selectors.ingest_page(team_id=signed_in(request).team)
    status = error.status if error else 200
    context |= {"form": form, "error": error, "timeframes": forms.TIMEFRAMES}
    context |= {"modes": forms.INGEST_MODES, "weekdays": forms.WEEKDAYS}
    return render(request, "market/ingest.html", context, status=status)


@require_POST
@permission("data.write")
def start_ingest(request: HttpRequest) -> HttpResponse:
    """Start an ingestion."""
    form = forms.IngestForm(request.POST)
    if not form.is_valid():
        return _ingest(request, form)
    actor, now = signed_in(request), clock.now()
    try:
        services.start_ingest(actor=actor, now=now, **form.wanted())
    except LabError as error:
        return _ingest(request, form, error)
    return redirect("market:ingest")


@require_POST
@permission("data.write")
def retry_ingest(request: HttpRequest, ingest_id: str) -> HttpResponse:
    """Fetch again what failed."""
    actor, now = signed_in(request), clock.now()
    try:
        services.retry_ingest(actor=actor, ingest_id=ingest_id, now=now)
    except LabError as error:
        messages.error(request, error.message)
    return redirect("market:ingest")


@require_POST
@permission("data.write")
def create_flow(request: HttpRequest) -> HttpResponse:
    """Make an ingestion that starts by itself."""
    form = forms.FlowForm(request.POST)
    if form.is_valid():
        _create_flow(request, form)
    else:
        messages.error(request, f"The flow was not made: {form.errors.as_text()}")
    return redirect("market:ingest")


def _create_flow(request: HttpRequest, form: forms.FlowForm) -> None:
    actor, now = signed_in(request), clock.now()
    try:
        made = services.create_flow(actor=actor, now=now, **form.wanted())
        messages.success(request, f"Flow {made.name} starts by itself from now on.")
    except LabError as error:
        messages.error(request, error.message)


@require_POST
@permission("data.write")
def change_flow(request: HttpRequest, name: str) -> HttpResponse:
    """Run a flow now, switch it on or off, or remove it."""
    form = forms.FlowActForm(request.POST)
    try:
        _change_flow(request, name, form)
    except LabError as error:
        messages.error(request, error.message)
    return redirect("market:ingest")


def _change_flow(request: HttpRequest, name: str, form: forms.FlowActForm) -> None:
    actor, now = signed_in(request), clock.now()
    if not form.is_valid():
        messages.error(request, "The flow was left as it is.")
    elif form.cleaned_data["act"] == "run":
        services.run_flow(actor=actor, name=name, now=now)
    elif form.cleaned_data["act"] == "delete":
        services.delete_flow(actor=actor, name=name, now=now)
    else:
        is_on = form.cleaned_data["act"] == "on"
        services.switch_flow(actor=actor, name=name, is_on=is_on, now=now)


@require_GET
@permission("data.write")
def upload(request: HttpRequest) -> HttpResponse:
    """Show the form for a file, and the upload whose job ``?job=`` names."""
    job_id, team_id = request.GET.get("job", ""), signed_in(request).team
    found = {"job": jobs.find_job(job_id, team_id=team_id)} if job_id else {}
    return _upload(request, forms.UploadForm(initial=_preset(request)), found)


def _preset(request: HttpRequest) -> dict[str, str]:
    """Return what a link to the form fills in."""
    return {name: request.GET.get(name, "") for name in ("kind", "dataset", "index")}


def _upload(request: HttpRequest, form: forms.UploadForm, found: dict[str, Any]) -> HttpResponse:
    error = found.get("error")
    context: dict[str, Any] = {"form": form, "roles": forms.COLUMN_ROLES}
    context |= {"choices": forms.UPLOAD_CHOICES}
    context["own"] = selectors.list_own_datasets(team_id=signed_in(request).team)
    status = error.status if error else 200
    return render(request, "market/upload.html", {**context, **found}, status=status)


@require_POST
@permission("data.write")
def send_upload(request: HttpRequest) -> HttpResponse:
    """Check a file, or store what it holds: all of it, or nothing."""
    form = forms.UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _upload(request, form, {})
    try:
        found = _check_or_store(request, services.Upload(**form.wanted()))
    except LabError as error:
        found = {"error": error}
    if found.get("job"):
        return redirect(f"{reverse('market:upload')}?job={found['job'].pk}")
    return _upload(request, form, found)


def _check_or_store(request: HttpRequest, asked: services.Upload) -> dict[str, Any]:
    actor, now = signed_in(request), clock.now()
    if request.POST.get("act") == "check":
        return {"preview": services.preview_upload(team_id=actor.team, upload=asked, now=now)}
    stored, job = services.store_upload(actor=actor, upload=asked, now=now)
    return {"stored": stored, "job": job}


@require_POST
@permission("ops.manage")
def change_feed(request: HttpRequest, name: str) -> HttpResponse:
    """Pause, resume or restart a feed."""
    form = forms.FeedForm(request.POST)
    try:
        _change_feed(request, name, form)
    except LabError as error:
        messages.error(request, error.message)
    return redirect("market:room")


def _change_feed(request: HttpRequest, name: str, form: forms.FeedForm) -> None:
    actor, now = signed_in(request), clock.now()
    if not form.is_valid():
        messages.error(request, f"The feed was left as it is: {form.errors.as_text()}")
    elif form.cleaned_data["act"] == "restart":
        speed = form.cleaned_data["seconds_per_bar"]
        services.restart_feed(actor=actor, name=name, now=now, seconds_per_bar=speed)
    elif form.cleaned_data["act"] == "pause":
        services.pause_feed(actor=actor, name=name, now=now)
    else:
        services.resume_feed(actor=actor, name=name, now=now)


@require_POST
@permission("ops.manage")
def create_live_feed(request: HttpRequest) -> HttpResponse:
    """Make a live feed and start it."""
    form = forms.LiveFeedForm(request.POST)
    if form.is_valid():
        _create_live_feed(request, form)
    else:
        messages.error(request, f"The live feed was not made: {form.errors.as_text()}")
    return redirect("market:room")


def _create_live_feed(request: HttpRequest, form: forms.LiveFeedForm) -> None:
    actor, now = signed_in(request), clock.now()
    try:
        made = services.create_live_feed(actor=actor, now=now, **form.wanted())
        messages.success(request, f"Live feed {made.name} is being connected.")
    except LabError as error:
        messages.error(request, error.message)


@require_POST
@permission("ops.manage")
def change_live_feed(request: HttpRequest, name: str) -> HttpResponse:
    """Start, stop or remove a live feed."""
    form = forms.LiveFeedActForm(request.POST)
    try:
        _change_live_feed(request, name, form)
    except LabError as error:
        messages.error(request, error.message)
    return redirect("market:room")


def _change_live_feed(request: HttpRequest, name: str, form: forms.LiveFeedActForm) -> None:
    actor, now = signed_in(request), clock.now()
    if not form.is_valid():
        messages.error(request, "The live feed was left as it is.")
    elif form.cleaned_data["act"] == "start":
        services.start_live_feed(actor=actor, name=name, now=now)
    elif form.cleaned_data["act"] == "stop":
        services.stop_live_feed(actor=actor, name=name, now=now)
    else:
        services.delete_live_feed(actor=actor, name=name, now=now)


@require_GET
@permission("team.read")
def providers(request: HttpRequest) -> HttpResponse:
    """Show the providers: what they offer, the team's keys, what is left of their limits."""
    found = selectors.list_vendors(team_id=signed_in(request).team, now=clock.now())
    return render(request, "market/providers.html", {"vendors": found})


@sensitive_post_parameters()
@require_POST
@permission("keys.manage")
def change_provider_key(request: HttpRequest, name: str) -> HttpResponse:
    """Store, check or forget the team's key of a provider."""
    form = forms.ProviderKeyForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The key was left as it is.")
        return redirect("market:providers")
    try:
        messages.success(request, _change_provider_key(request, name, form))
    except LabError as error:
        messages.error(request, error.message)
    return redirect("market:providers")


def _change_provider_key(request: HttpRequest, name: str, form: forms.ProviderKeyForm) -> str:
    actor, now = signed_in(request), clock.now()
    act = form.cleaned_data["act"]
    if act == "delete":
        services.delete_provider_key(actor=actor, provider=name, now=now)
        return f"The key of {name} was forgotten."
    if act == "check":
        return services.check_provider_key(actor=actor, provider=name, now=now).note
    services.save_provider_key(actor=actor, provider=name, key=form.key(), now=now)
    return f"The key of {name} is stored, sealed; it can't be read back."


@require_POST
@permission("data.write")
def check_universe(request: HttpRequest, name: str) -> HttpResponse:
    """Start judging the bars of a universe anew."""
    actor, now = signed_in(request), clock.now()
    try:
        services.start_recheck(actor=actor, universe=name, now=now)
        messages.success(request, "The check has started; its progress is in the corner.")
    except LabError as error:
        messages.error(request, error.message)
    return redirect("market:universe", name)


@require_GET
@permission("team.read")
def findings(request: HttpRequest, symbol: str) -> HttpResponse:
    """Show what looks wrong in a series, and the bars around one finding."""
    asked = {key: request.GET.get(key, "") for key in ("dataset", "timeframe", "at")}
    context = selectors.finding_page(team_id=signed_in(request).team, symbol=symbol, **asked)
    context |= {"job": request.GET.get("job", ""), "here": _findings_of(symbol, request.GET)}
    return render(request, "market/findings.html", context)


@require_POST
@permission("data.write")
def say(request: HttpRequest, symbol: str) -> HttpResponse:
    """Acknowledge a finding as a real event, or take its bar out of the data."""
    form = forms.FindingForm(request.POST)
    try:
        _say(request, symbol, form)
    except LabError as error:
        messages.error(request, error.message)
    return redirect(_findings_of(symbol, request.POST))


def _say(request: HttpRequest, symbol: str, form: forms.FindingForm) -> None:
    actor, now = signed_in(request), clock.now()
    if not form.is_valid():
        messages.error(request, "Say what happened: a note of up to 300 letters is needed.")
        return
    said = dict(form.cleaned_data)
    if said.pop("act") == "acknowledge":
        services.acknowledge(actor=actor, symbol=symbol, now=now, **said)
    else:
        said = {**said, "at": [said["at"]]}
        said.pop("kind")
        services.withdraw(actor=actor, symbol=symbol, now=now, **said)


def _findings_of(symbol: str, given: Any) -> str:
    names = ("dataset", "timeframe", "at")
    query = urlencode({name: given[name] for name in names if given.get(name)})
    return f"{reverse('market:findings', args=[symbol])}?{query}"


@require_POST
@permission("data.write")
def repair(request: HttpRequest, symbol: str) -> HttpResponse:
    """Start fetching the missing bars of a series again."""
    form, actor = forms.SeriesForm(request.POST), signed_in(request)
    place, job_id = _findings_of(symbol, request.POST), ""
    try:
        if form.is_valid():
            asked = {"symbols": [symbol], "now": clock.now(), **form.cleaned_data}
            job_id = str(services.repair_gaps(actor=actor, **asked)[1].pk)
    except LabError as error:
        messages.error(request, error.message)
    return redirect(f"{place}&job={job_id}" if job_id else place)


@require_GET
@permission("team.read")
def quarantine(request: HttpRequest) -> HttpResponse:
    """Show bars that were kept out."""
    asked = {key: request.GET.get(key, "") for key in ("status", "symbol")}
    context = selectors.quarantine_page(team_id=signed_in(request).team, **asked)
    return render(request, "market/quarantine.html", context)


@require_POST
@permission("data.write")
def drop_bars(request: HttpRequest) -> HttpResponse:
    """Leave all open bars of a dataset out for good."""
    form = forms.DropAllForm(request.POST)
    try:
        _drop_bars(request, form)
    except LabError as error:
        messages.error(request, error.message)
    return redirect("market:quarantine")


def _drop_bars(request: HttpRequest, form: forms.DropAllForm) -> None:
    actor, now = signed_in(request), clock.now()
    if not form.is_valid():
        messages.error(request, "Say why: a note of up to 300 letters is needed.")
        return
    count = services.drop_all(actor=actor, now=now, **form.cleaned_data)
    messages.success(request, f"{count:,} bars are left out for good; they stay on record.")


@require_POST
@permission("data.write")
def decide_bar(request: HttpRequest, quarantined_id: int) -> HttpResponse:
    """Store a bar that was kept out, or leave it out for good."""
    form = forms.QuarantineForm(request.POST)
    try:
        _decide_bar(request, quarantined_id, form)
    except LabError as error:
        messages.error(request, error.message)
    return redirect("market:quarantine")


def _decide_bar(request: HttpRequest, quarantined_id: int, form: forms.QuarantineForm) -> None:
    if not form.is_valid():
        messages.error(request, "Say why: a note of up to 300 letters is needed.")
        return
    known = {"actor": signed_in(request), "quarantined_id": quarantined_id, "now": clock.now()}
    note = form.cleaned_data["note"]
    if form.cleaned_data["act"] == "release":
        services.release(note=note, values=form.corrected(), **known)
    else:
        services.drop(note=note, **known)


@require_GET
@permission("team.read")
def revisions(request: HttpRequest) -> HttpResponse:
    """Show which batches changed stored bars."""
    context = selectors.revisions_page(team_id=signed_in(request).team)
    return render(request, "market/revisions.html", context)


@require_GET
@permission("team.read")
def revision(request: HttpRequest, batch_id: int) -> HttpResponse:
    """Show what one batch changed, bar by bar."""
    context = selectors.revisions_page(team_id=signed_in(request).team, batch_id=batch_id)
    return render(request, "market/revisions.html", context)


@require_GET
@permission("team.read")
def reference(request: HttpRequest) -> HttpResponse:
    """Show the members of indices by day, and tickers that changed."""
    asked = {key: request.GET.get(key, "") for key in ("index", "on", "symbol")}
    context = selectors.reference_page(team_id=signed_in(request).team, **asked)
    return render(request, "market/reference.html", context)


@require_POST
@permission("data.write")
def ask_for_members(request: HttpRequest) -> HttpResponse:
    """Start fetching the members of an index from a provider."""
    form = forms.MembersForm(request.POST)
    try:
        _ask_for_members(request, form)
    except LabError as error:
        messages.error(request, error.message)
    return redirect("market:reference")


def _ask_for_members(request: HttpRequest, form: forms.MembersForm) -> None:
    actor, now = signed_in(request), clock.now()
    if not form.is_valid():
        messages.error(request, "Name the index whose members are wanted.")
        return
    services.ask_for_members(actor=actor, now=now, **form.cleaned_data)
    messages.success(request, "The members were asked for; the progress is in the corner.")
