"""Writes of strategies: strategies, versions that never change, stages people decided, scans."""

from apps.strategies.services.code import check_code as check_code
from apps.strategies.services.code import propose_code as propose_code
from apps.strategies.services.code import save_code as save_code
from apps.strategies.services.probes import create_probe as create_probe
from apps.strategies.services.probes import probe_approved_text as probe_approved_text
from apps.strategies.services.probes import run_probe as run_probe
from apps.strategies.services.scans import create_scan as create_scan
from apps.strategies.services.scans import run_scan_batch as run_scan_batch
from apps.strategies.services.scans import start_scan as start_scan
from apps.strategies.services.stages import promote_version as promote_version
from apps.strategies.services.stages import set_stage as set_stage
from apps.strategies.services.stages import step_back as step_back
from apps.strategies.services.versions import create_strategy as create_strategy
from apps.strategies.services.versions import create_version as create_version
from apps.strategies.services.versions import ensure_version as ensure_version

__all__ = [
    "check_code",
    "create_probe",
    "create_scan",
    "create_strategy",
    "create_version",
    "ensure_version",
    "probe_approved_text",
    "promote_version",
    "propose_code",
    "run_probe",
    "run_scan_batch",
    "save_code",
    "set_stage",
    "start_scan",
    "step_back",
]
