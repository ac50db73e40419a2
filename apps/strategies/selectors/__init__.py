"""Reads of strategies: the library, the inventory, versions and how they differ, scans."""

from apps.strategies.selectors.editing import Draft as Draft
from apps.strategies.selectors.editing import code_page as code_page
from apps.strategies.selectors.editing import code_state as code_state
from apps.strategies.selectors.editing import expression_page as expression_page
from apps.strategies.selectors.editing import newest_version as newest_version
from apps.strategies.selectors.editing import read_code as read_code
from apps.strategies.selectors.editing import spec_of as spec_of
from apps.strategies.selectors.editing import targets_of as targets_of
from apps.strategies.selectors.expressions import list_operators as list_operators
from apps.strategies.selectors.expressions import preview_expression as preview_expression
from apps.strategies.selectors.library import is_in_library as is_in_library
from apps.strategies.selectors.library import list_published as list_published
from apps.strategies.selectors.library import list_strategies as list_strategies
from apps.strategies.selectors.library import read_expression as read_expression
from apps.strategies.selectors.library import source_of as source_of
from apps.strategies.selectors.recipes import Recipe as Recipe
from apps.strategies.selectors.recipes import recipe_of as recipe_of
from apps.strategies.selectors.recipes import source_digest_of as source_digest_of
from apps.strategies.selectors.running import check_runnable as check_runnable
from apps.strategies.selectors.running import code_approval as code_approval
from apps.strategies.selectors.running import fences_of as fences_of
from apps.strategies.selectors.running import get_strategy as get_strategy
from apps.strategies.selectors.running import kernel_release as kernel_release
from apps.strategies.selectors.running import sandbox as sandbox
from apps.strategies.selectors.running import sandbox_status as sandbox_status
from apps.strategies.selectors.running import (
    sandbox_status_if_made as sandbox_status_if_made,
)
from apps.strategies.selectors.scannable import list_scanned as list_scanned
from apps.strategies.selectors.scannable import scanned_name as scanned_name
from apps.strategies.selectors.scannable import signal_name as signal_name
from apps.strategies.selectors.scans import ScanView as ScanView
from apps.strategies.selectors.scans import get_scan as get_scan
from apps.strategies.selectors.scans import list_consensus as list_consensus
from apps.strategies.selectors.scans import list_readings as list_readings
from apps.strategies.selectors.scans import list_scans as list_scans
from apps.strategies.selectors.scans import list_signals as list_signals
from apps.strategies.selectors.scans import panel_to_scan as panel_to_scan
from apps.strategies.selectors.scans import scan_views as scan_views
from apps.strategies.selectors.scans import scanner_page as scanner_page
from apps.strategies.selectors.trying import try_file as try_file
from apps.strategies.selectors.versions import StrategyView as StrategyView
from apps.strategies.selectors.versions import VersionDiff as VersionDiff
from apps.strategies.selectors.versions import VersionView as VersionView
from apps.strategies.selectors.versions import diff_unsaved as diff_unsaved
from apps.strategies.selectors.versions import diff_versions as diff_versions
from apps.strategies.selectors.versions import find_version as find_version
from apps.strategies.selectors.versions import get_strategy_row as get_strategy_row
from apps.strategies.selectors.versions import get_version as get_version
from apps.strategies.selectors.versions import get_version_detail as get_version_detail
from apps.strategies.selectors.versions import list_inventory as list_inventory
from apps.strategies.selectors.versions import list_version_history as list_version_history
from apps.strategies.selectors.versions import list_versions as list_versions
from apps.strategies.selectors.versions import read_version as read_version
from apps.strategies.selectors.versions import view_of as view_of
from apps.strategies.selectors.versions import views_of as views_of

__all__ = [
    "Draft",
    "Recipe",
    "ScanView",
    "StrategyView",
    "VersionDiff",
    "VersionView",
    "check_runnable",
    "code_approval",
    "code_page",
    "code_state",
    "diff_unsaved",
    "diff_versions",
    "expression_page",
    "fences_of",
    "find_version",
    "get_scan",
    "get_strategy",
    "get_strategy_row",
    "get_version",
    "get_version_detail",
    "is_in_library",
    "kernel_release",
    "list_consensus",
    "list_inventory",
    "list_operators",
    "list_published",
    "list_readings",
    "list_scanned",
    "list_scans",
    "list_signals",
    "list_strategies",
    "list_version_history",
    "list_versions",
    "newest_version",
    "panel_to_scan",
    "preview_expression",
    "read_code",
    "read_expression",
    "read_version",
    "recipe_of",
    "sandbox",
    "sandbox_status",
    "sandbox_status_if_made",
    "scan_views",
    "scanned_name",
    "scanner_page",
    "signal_name",
    "source_digest_of",
    "source_of",
    "spec_of",
    "targets_of",
    "try_file",
    "view_of",
    "views_of",
]
