"""Every read of market: universes, panels, instruments, feeds."""

from apps.market.selectors.feeds import (
    FeedState,
    feed_state,
    get_feed,
    list_feeds,
    list_running_feeds,
)
from apps.market.selectors.keys import (
    KeyView,
    ProviderView,
    list_vendors,
    provider_for,
    vendor_dict,
)
from apps.market.selectors.lists import (
    InstrumentView,
    bar_arrays,
    bar_rows,
    bars_of,
    coverage_of,
    data_health,
    get_ingest,
    get_instrument,
    ingest_dict,
    instruments_json,
    list_datasets,
    list_ingests,
    list_providers,
    list_readers,
)
from apps.market.selectors.pages import (
    data_room,
    ingest_page,
    instrument_bars,
    instrument_page,
    universe_page,
)
from apps.market.selectors.panels import (
    read_figures,
    read_panel,
)
from apps.market.selectors.rankings import Rule
from apps.market.selectors.reference import (
    convert,
    list_indices,
    list_renames,
    members_on,
    rate_at,
    symbol_on,
)
from apps.market.selectors.revisions import (
    ReaderView,
    RevisionView,
    get_revision,
    readers_of,
    teams_that_read,
)
from apps.market.selectors.universes import (
    UniverseView,
    get_universe,
    list_universes,
)

__all__ = [
    "FeedState",
    "InstrumentView",
    "KeyView",
    "ProviderView",
    "ReaderView",
    "RevisionView",
    "Rule",
    "UniverseView",
    "bar_arrays",
    "bar_rows",
    "bars_of",
    "convert",
    "coverage_of",
    "data_health",
    "data_room",
    "feed_state",
    "get_feed",
    "get_ingest",
    "get_instrument",
    "get_revision",
    "get_universe",
    "ingest_dict",
    "ingest_page",
    "instrument_bars",
    "instrument_page",
    "instruments_json",
    "list_datasets",
    "list_feeds",
    "list_indices",
    "list_ingests",
    "list_providers",
    "list_readers",
    "list_renames",
    "list_running_feeds",
    "list_universes",
    "list_vendors",
    "members_on",
    "provider_for",
    "rate_at",
    "read_figures",
    "read_panel",
    "readers_of",
    "symbol_on",
    "teams_that_read",
    "universe_page",
    "vendor_dict",
]
