"""The contract of every provider of market data.

``ProviderContract`` holds for all of them, the bundled ones included. ``VendorContract`` adds what
must hold over a socket: it drives the provider against a local server that speaks the vendor's
format (``tests/servers``), injects faults, and must fail against each wrong twin of the server.
"""

import logging
import traceback
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from apps.core.errors import Denied, Invalid, LabError, NotFound, Unavailable
from apps.core.kernel.limits import LocalGate
from apps.core.kernel.timeframes import SECONDS, seconds_of
from apps.core.plugs import list_plugs, load_plug
from apps.market.kernel.bars import PRICE_MODES
from apps.market.kernel.cleaning import find_defects
from apps.market.providers.base import Request
from apps.market.providers.pacing import Timing
from tests.servers import vendor

FIELDS = ("open", "high", "low", "close", "volume")
MICROS = 1_000_000


class FakeTime:
    """A clock that only waiting moves."""

    def __init__(self):
        self.at = datetime(2026, 1, 5, 12, tzinfo=UTC)
        self.slept = 0.0
        self.gate = LocalGate()

    def now(self):
        return self.at

    def sleep(self, seconds):
        self.slept += seconds
        self.at += timedelta(seconds=seconds)

    @property
    def timing(self):
        return Timing(now=self.now, sleep=self.sleep, gate=self.gate)


class ProviderContract:
    """A short subclass names the provider and a section with one of its symbols."""

    name: str
    section: str
    symbol: str
    timeframe: str
    until: int | None = 1_767_250_800_000_000  # the first hours of 2026
    # A symbol nobody has; by default the known one with a letter more.
    unknown: str = ""
    min_bars = 101

    @pytest.fixture
    def provider(self):
        return load_plug("MARKET_PROVIDERS", self.name)

    def request(self, **changes):
        wanted = {"section": self.section, "timeframe": self.timeframe, "until": self.until}
        return Request(**{**wanted, **changes})

    def task(self, provider, **changes):
        (task,) = provider.plan(self.request(symbols=(self.symbol,), **changes))
        return task

    def test_it_is_in_the_table_under_its_own_name(self, provider):
        assert provider.capabilities.name == self.name
        assert self.name in list_plugs("MARKET_PROVIDERS")

    def test_sections_say_source_licence_and_survivorship(self, provider):
        for name in provider.capabilities.sections:
            section = provider.section(name)
            assert section.source
            assert section.licence
            assert section.survivorship
            assert section.calendar

    def test_the_plan_has_one_task_per_symbol_with_its_own_key(self, provider):
        tasks = provider.plan(self.request())
        assert len({task.key for task in tasks}) == len(tasks) > 0
        assert {task.symbol for task in tasks} == {
            listing.symbol for listing in provider.listings(self.section)
        }

    def test_bars_are_clean_and_in_order(self, provider):
        bars = provider.fetch(self.task(provider)).bars
        assert len(bars) >= self.min_bars
        assert find_defects(bars) == []
        assert bars.ts.dtype == np.int64
        assert all(getattr(bars, n).dtype == np.float64 for n in ("open", "close", "volume"))

    def test_since_and_until_bound_the_bars(self, provider):
        whole = provider.fetch(self.task(provider)).bars
        if not len(whole):
            return
        since, until = int(whole.ts[10]), int(whole.ts[20])
        part = provider.fetch(self.task(provider, since=since, until=until)).bars
        assert part.ts[0] == since
        # Only bars that have closed by then.
        assert part.ts[-1] + seconds_of(self.timeframe) * MICROS <= until

    def test_the_same_task_gives_the_same_bars(self, provider):
        task = self.task(provider)
        one, two = provider.fetch(task), provider.fetch(task)
        assert np.array_equal(one.bars.close, two.bars.close)

    def test_an_unknown_symbol_is_named(self, provider):
        unknown = self.unknown or f"{self.symbol}Z"
        with pytest.raises(NotFound) as caught:
            list(map(provider.fetch, provider.plan(self.request(symbols=(unknown,)))))
        assert unknown in caught.value.message
        assert caught.value.code == "symbol.unknown"


class VendorContract(ProviderContract):
    """A subclass makes the server and connects the provider to it.

    ``pages`` tells that the task of the truth takes several requests.
    """

    pages = True
    has_key = True

    def make_server(self, twin=""):
        """Return a ``tests.servers.vendor.VendorServer``."""
        raise NotImplementedError

    def connect(self, server, key=None, timeout=20.0):
        """Return the provider, its addresses those of the server, with ``self.time.timing``."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _fresh_time(self):
        self.time = FakeTime()

    @pytest.fixture
    def server(self):
        with vendor.running(self.make_server()) as running:
            self.until = running.now
            yield running

    @pytest.fixture
    def provider(self, server):
        return self.connect(server)

    def task(self, provider, **changes):
        (task,) = provider.plan(self.request(symbols=(self.symbol,), **changes))
        return task

    def fetch(self, provider, **changes):
        """Fetch; a typed error here is a broken promise."""
        try:
            return provider.fetch(self.task(provider, **changes))
        except LabError as error:
            raise AssertionError(f"{error.code}: {error.message}") from error

    def truth(self, server):
        return server.truth[self.symbol, self.timeframe]

    # What is true.

    def check_bars(self, provider, server, found=None):
        found, truth = (found or self.fetch(provider)).bars, self.truth(server).bars
        assert np.array_equal(found.ts, truth.ts)
        for name in FIELDS:
            assert np.array_equal(getattr(found, name), getattr(truth, name)), name

    def check_actions(self, provider, server, found=None):
        found, truth = (found or self.fetch(provider)).actions, self.truth(server).actions
        assert np.array_equal(found.ts, truth.ts)
        assert np.array_equal(found.dividend, truth.dividend)
        assert np.array_equal(found.split, truth.split)

    def check_figures(self, provider, server, found=None):
        found, truth = (found or self.fetch(provider)).figures, self.truth(server).figures
        assert set(found) == set(truth)
        for name, (ts, values) in truth.items():
            assert np.array_equal(found[name][0], ts), name
            assert np.array_equal(found[name][1], values), name

    def check_truth(self, provider, server):
        """All that a wrong twin can get wrong."""
        found = self.fetch(provider)
        self.check_bars(provider, server, found)
        self.check_more(provider, server, found)

    def check_more(self, provider, server, found):
        """All beside bars."""
        self.check_actions(provider, server, found)
        self.check_figures(provider, server, found)

    def test_all_is_as_the_vendor_has_it_to_the_digit(self, provider, server):
        self.check_truth(provider, server)

    @pytest.mark.parametrize("twin", vendor.TWINS)
    def test_a_wrong_twin_is_noticed(self, twin):
        with vendor.running(self.make_server(twin)) as server:
            self.until = server.now
            provider = self.connect(server)
            with pytest.raises(AssertionError):
                self.check_truth(provider, server)

    def parts(self, server):
        """Name what a twin can be wrong in besides bars: figures, and kinds of actions."""
        truth = self.truth(server)
        kinds = {"dividend": truth.actions.dividend > 0, "split": truth.actions.split != 1}
        return [*truth.figures, *(kind for kind, there in kinds.items() if there.any())]

    @pytest.mark.parametrize("twin", vendor.TWINS)
    def test_a_twin_wrong_in_one_figure_or_action_is_noticed(self, server, twin):
        """All else is right, so that each endpoint is noticed by itself."""
        for part in self.parts(server):
            with vendor.running(self.make_server(f"{part}:{twin}")) as wrong:
                self.check_wrong(self.connect(wrong), wrong)

    def check_wrong(self, provider, wrong):
        try:
            found = self.fetch(provider)
        except AssertionError:
            return  # refused as a whole
        self.check_bars(provider, wrong, found)
        with pytest.raises(AssertionError):
            self.check_more(provider, wrong, found)

    def test_capabilities_are_declared(self, provider):
        told = provider.capabilities
        assert told.title
        assert told.history
        assert told.timeframes
        assert set(told.timeframes) <= set(SECONDS)
        assert told.price_mode in PRICE_MODES
        assert told.limits
        assert all(limit.requests > 0 and limit.seconds > 0 for limit in told.limits)
        assert bool(told.key_fields) == told.needs_key == self.has_key
        assert told.units
        assert all(told.units.values())
        assert set(told.figures) <= set(told.units)
        assert told.sections
        assert all(provider.section(name).timeframe in told.timeframes for name in told.sections)

    def test_what_it_does_not_have_is_refused_with_what_it_has(self, provider):
        told = provider.capabilities
        other = next(name for name in (*SECONDS, "3m") if name not in told.timeframes)
        for changes in ({"timeframe": other}, {"section": "mars"}):
            with pytest.raises((Invalid, NotFound)) as caught:
                provider.plan(self.request(symbols=(self.symbol,), **changes))
            assert caught.value.code in {
                "provider.timeframe",
                "timeframe.unknown",
                "provider.section_unknown",
            }
            has = told.sections if "section" in changes else told.timeframes
            assert any(name in caught.value.message for name in has)

    def test_pages_are_joined_without_a_bar_lost_or_doubled(self, provider, server):
        self.check_truth(provider, server)
        if self.pages:
            assert len(server.asked(*server.data_routes)) > 1

    def test_stretches_that_meet_make_the_whole(self, provider, server):
        truth = self.truth(server).bars
        if not len(truth):
            return
        for at in (1, server.page - 1, server.page, server.page + 1):
            edge = int(truth.ts[min(at, len(truth) - 1)])
            before = self.fetch(provider, until=edge).bars
            after = self.fetch(provider, since=edge).bars
            assert np.array_equal(np.concatenate([before.ts, after.ts]), truth.ts)
            assert np.array_equal(np.concatenate([before.close, after.close]), truth.close)

    def test_a_bar_that_is_not_over_is_left_out(self, provider, server):
        truth = self.truth(server).bars
        if not len(truth):
            return
        length = seconds_of(self.timeframe) * MICROS
        last = self.fetch(provider, until=int(truth.ts[-1]) + length - 1).bars
        assert np.array_equal(last.ts, truth.ts[:-1])
        assert len(self.fetch(provider, until=int(truth.ts[-1]) + length).bars) == len(truth)

    def test_an_empty_page_is_no_bars(self, provider, server):
        server.fault = "empty"
        found = self.fetch(provider)
        assert len(found.bars) == 0
        assert all(len(ts) == 0 for ts, _ in found.figures.values())

    # What goes wrong.

    def test_too_many_requests_wait_as_long_as_the_vendor_says(self, provider, server):
        task = self.task(provider)
        slept = self.time.slept
        server.fault = "rate_limited"
        with pytest.raises(Unavailable) as caught:
            provider.fetch(task)
        assert caught.value.retry_after == vendor.RETRY_AFTER
        assert caught.value.code == "provider.limited"
        server.fault = ""
        provider.fetch(task)
        assert self.time.slept - slept >= vendor.RETRY_AFTER

    @pytest.mark.parametrize("fault", ["broken", "503", "cut"])
    def test_a_vendor_that_is_down_may_be_asked_again(self, provider, server, fault):
        task = self.task(provider)
        server.fault = fault
        with pytest.raises(Unavailable) as caught:
            provider.fetch(task)
        assert caught.value.retry_after > 0

    def test_slowness_is_passing(self, server):
        # Planned without haste: a machine under load may be slow itself.
        task = self.task(self.connect(server))
        provider = self.connect(server, timeout=0.4)
        server.fault = "slow"
        with pytest.raises(Unavailable):
            provider.fetch(task)

    def test_nobody_there_is_passing(self, provider, server):
        task = self.task(provider)
        server.server_close()
        server.fault = "cut"
        with pytest.raises(Unavailable):
            provider.fetch(task)

    @pytest.mark.parametrize("fault", ["400", "422"])
    def test_a_request_the_vendor_refuses_is_not_repeated(self, provider, server, fault):
        task = self.task(provider)
        server.fault = fault
        assert isinstance(self.failing(provider, task), Invalid)

    @pytest.mark.parametrize("fault", ["malformed", "html", "shapeless"])
    def test_a_mangled_answer_is_a_typed_error(self, provider, server, fault):
        task = self.task(provider)
        server.fault = fault
        with pytest.raises((Invalid, Unavailable)):
            provider.fetch(task)

    @pytest.mark.parametrize("status", ["401", "403"])
    def test_a_refused_key_is_told_so(self, provider, server, status):
        if not self.has_key:
            return
        task = self.task(provider)
        server.fault = status
        with pytest.raises(Denied) as caught:
            provider.fetch(task)
        assert caught.value.code == "provider.auth"

    def wrong_key(self, server):
        return {name: f"wrong-{value}-wrong" for name, value in server.key.items()}

    def test_a_key_is_checked_with_the_vendor(self, provider, server):
        if not self.has_key:
            return
        assert provider.check_key()
        with pytest.raises(Denied) as caught:
            self.connect(server, key=self.wrong_key(server)).check_key()
        assert caught.value.code == "provider.auth"

    def test_the_limits_are_kept(self, provider, server):
        """Whatever is asked in one go never exceeds a limit in any of its stretches."""
        task = self.task(provider)
        limit = min(provider.capabilities.limits, key=lambda limit: limit.requests)
        if limit.requests > 5:
            return
        start = self.time.at
        before = len(server.requests)
        provider.fetch(task)
        provider.fetch(task)
        asked = len(server.requests) - before
        spent = (self.time.at - start).total_seconds()
        assert spent >= (asked - limit.requests) / limit.requests * limit.seconds

    @pytest.mark.parametrize(
        "fault", ["rate_limited", "broken", "slow", "malformed", "shapeless", "401", "403", "cut"]
    )
    def test_the_key_is_in_no_error_and_no_log(self, server, fault, caplog):
        if not self.has_key:
            return
        caplog.set_level(logging.DEBUG)
        provider = self.connect(server)
        task = self.task(provider)
        if fault == "slow":
            provider = self.connect(server, timeout=0.4)
        server.fault = fault
        error = self.failing(provider, task)
        told = "\n".join(
            [str(error), repr(error), str(error.details), repr(provider), repr(task), caplog.text]
        ) + "".join(traceback.format_exception(error))
        assert not [value for value in server.key.values() if value in told]

    def failing(self, provider, task):
        with pytest.raises(LabError) as caught:
            provider.fetch(task)
        return caught.value
