"""How figures, times, states and small drawings are written on pages."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.templatetags.static import static
from django.urls import Resolver404, resolve
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from apps.core import clock, secrets

register = template.Library()

THIN = "\u2009"
MINUS = "\u2212"
MISSING = "\u2013"
TONES = {
    "ok": {"ok", "done", "passed", "pass", "approved", "filled", "active", "healthy", "complete"},
    "bad": {
        *("failed", "fail", "lost", "rejected", "halted", "down", "refused", "error", "broken"),
        *("blocked_no_isolation", "revoked", "expired", "stopped"),
    },
    "person": {"open", "pending", "waiting", "degraded", "warning", "stale", "paused", "proposed"},
    "busy": {"running", "submitted", "accepted", "partially_filled", "new", "working", "starting"},
}
TONE_ICONS = {"ok": "check", "bad": "cross", "person": "alert", "busy": "jobs", "idle": "circle"}
NAV = (
    ("Dashboard", "/", "dashboard", "d"),
    ("Data", "/data/", "data", "t"),
    ("Strategies", "/strategies/", "strategies", "s"),
    ("Research", "/research/", "research", "r"),
    ("Scanner", "/scanner/", "scanner", "c"),
    ("Assistant", "/assistant/", "assistant", "a"),
    ("Approvals", "/approvals/", "approvals", "p"),
    ("Live", "/live/", "live", "l"),
    ("Risk", "/risk/", "risk", "k"),
    ("Audit", "/audit/", "audit", "u"),
    ("Operations", "/ops/", "ops", "o"),
    ("Settings", "/team/", "settings", "e"),
)
# Pages whose address begins otherwise than their place of the rail.
BELONGS = {"/revisions/": "/data/"}
STEPS = (0.0, 0.2, 0.4, 0.6, 0.8)


def as_float(value: Any) -> float | None:
    """Return the value as a finite float, or None."""
    if value is None or isinstance(value, bool) or value == "":
        return None
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def text_of(value: Any, places: int = 2, *, signed: bool = False) -> str:
    """Write a number with thin-space thousands, a true minus and fixed decimals."""
    exact = value if isinstance(value, Decimal | int) and as_float(value) is not None else None
    shown = exact if exact is not None else as_float(value)
    if shown is None:
        return MISSING
    body = f"{abs(shown):,.{places}f}".replace(",", THIN)
    is_zero = not body.strip("0." + THIN)
    sign = "" if is_zero else MINUS if shown < 0 else "+" if signed else ""
    return sign + body


@register.filter
def number(value: Any, places: int = 2) -> str:
    """``{{ x|number:2 }}`` → 12 345.60."""
    return text_of(value, int(places))


@register.filter
def signed(value: Any, places: int = 2) -> str:
    """``{{ x|signed:2 }}`` → +12.60."""
    return text_of(value, int(places), signed=True)


@register.filter
def percent(value: Any, places: int = 2) -> str:
    """``{{ 0.1234|percent:1 }}`` → 12.3 %; the value is a fraction."""
    fraction = as_float(value)
    return MISSING if fraction is None else f"{text_of(fraction * 100, int(places))}{THIN}%"


@register.filter
def signed_percent(value: Any, places: int = 2) -> str:
    """``{{ 0.1234|signed_percent:1 }}`` → +12.3 %."""
    fraction = as_float(value)
    if fraction is None:
        return MISSING
    return f"{text_of(fraction * 100, int(places), signed=True)}{THIN}%"


@register.filter
def money(value: Any, currency: str = "USD") -> str:
    """``{{ x|money:"USD" }}`` → 1 234.50 USD."""
    written = text_of(value)
    return written if written == MISSING else f"{written}\u00a0{currency}"


@register.filter
def signed_money(value: Any, currency: str = "USD") -> str:
    """``{{ x|signed_money:"USD" }}`` → +1 234.50 USD."""
    written = text_of(value, signed=True)
    return written if written == MISSING else f"{written}\u00a0{currency}"


@register.filter
def updown(value: Any) -> str:
    """Name the class of a change: up, down or flat."""
    change = as_float(value)
    return "flat" if not change else "up" if change > 0 else "down"


@register.filter
def compact(value: Any) -> str:
    """``{{ 20480000|compact }}`` → 20.5 M."""
    amount = as_float(value)
    if amount is None:
        return MISSING
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(amount) >= size:
            divisor = 1e3 if unit == "k" else size
            return f"{text_of(amount / divisor, 1)}{THIN}{unit}"
    return text_of(amount, 0)


@register.filter
def utc(value: Any, seconds: str = "") -> str:
    """Write a time in UTC; scripts add the local time on hover."""
    if value in (None, ""):
        return MISSING
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return value.isoformat() if isinstance(value, date) else str(value)
    at = value.astimezone(UTC)
    layout = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    return format_html(
        '<time class="num" datetime="{}" data-utc>{}</time>', at.isoformat(), at.strftime(layout)
    )


@register.filter
def ago(value: Any) -> str:
    """Write how long ago a time was; the time itself shows on hover."""
    if value in (None, ""):
        return MISSING
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return format_html(
        '<time class="num" datetime="{}" title="{} UTC" data-ago>{}</time>',
        at.isoformat(),
        at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        in_words(clock.now() - at),
    )


def in_words(span: timedelta) -> str:
    """Write a time span in its largest unit, as past or future."""
    seconds = span.total_seconds()
    size = abs(seconds)
    if size < 1:
        return "now"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if size >= length:
            words = f"{int(size // length)}{THIN}{unit}"
            break
    return f"{words} ago" if seconds > 0 else f"in {words}"


@register.filter
def duration(seconds: Any) -> str:
    """Write a number of seconds: 42 s, 3 min 10 s, 2 h 5 min."""
    total = as_float(seconds)
    if total is None:
        return MISSING
    if total < 60:
        return f"{text_of(total, 1 if total < 10 else 0)}{THIN}s"
    minutes, rest = divmod(round(total), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{THIN}h {minutes}{THIN}min"
    return f"{minutes}{THIN}min {rest}{THIN}s"


@register.filter
def short(digest: Any, length: int = 10) -> str:
    """Shorten a digest to its first characters, without the name of the hash."""
    return str(digest or "").rpartition(":")[2][: int(length)] or MISSING


@register.filter
def words(code: Any) -> str:
    """Write a code such as ``risk_manager`` as words."""
    return str(code or "").replace("_", " ").replace(".", " ")


@register.filter
def may(can: Any, permission: str) -> bool:
    """``{% if can|may:"trading.halt" %}``: tell whether the reader holds a permission."""
    if hasattr(can, "may"):
        return bool(can.may(permission))
    return bool(can) and permission in can


@register.filter
def item(mapping: Any, key: Any) -> Any:
    """Return ``mapping[key]``, or None."""
    try:
        return mapping[key]
    except (KeyError, IndexError, TypeError):
        return None


@register.filter
def tone(status: Any) -> str:
    """Return the tone of a state: ok, bad, person, busy or idle."""
    name = str(status or "").lower()
    return next((tone for tone, names in TONES.items() if name in names), "idle")


@register.filter
def tone_icon(name: Any) -> str:
    """Return the icon of a tone, so that no state is told by colour alone."""
    return TONE_ICONS.get(str(name), "circle")


@register.filter
def heat(value: Any, scale: Any = 0.1) -> str:
    """Name the heat step of a value: p1…p5 above zero, n1…n5 below; ``scale`` is the strongest."""
    size, top = as_float(value), as_float(scale) or 1.0
    if not size:
        return ""
    step = sum(abs(size) / top > edge for edge in STEPS)
    return f"{'p' if size > 0 else 'n'}{max(step, 1)}"


@register.filter
def times(value: Any, factor: Any) -> float | None:
    """Multiply, for figures shown in another unit; None stays None."""
    amount = as_float(value)
    return None if amount is None else amount * float(factor)


@register.filter
def split_words(text: str) -> list[str]:
    """Split a text at its blanks."""
    return str(text).split()


@register.simple_tag
def diff_lines(before: str, after: str) -> list[dict[str, Any]]:
    """Compare two texts line by line, for components/_diff.html."""
    old = new = 0
    rows = []
    for line in difflib.ndiff(before.splitlines(), after.splitlines()):
        kind = {"+": "add", "-": "del", " ": "same"}.get(line[0])
        if kind is None:
            continue
        old += kind != "add"
        new += kind != "del"
        rows.append(
            {
                "kind": kind,
                "text": line[2:],
                "old": old if kind != "add" else None,
                "new": new if kind != "del" else None,
            }
        )
    return rows


# A later name hides in the words of an earlier one: Edge and Opera call themselves Chrome, too.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome"}
BROWSERS |= {"Safari": "Safari"}
SYSTEMS = {"Windows": "Windows", "Android": "Android", "iPhone": "iPhone", "iPad": "iPad"}
SYSTEMS |= {"Mac OS": "macOS", "Linux": "Linux"}


@register.filter
def browser(user_agent: str) -> str:
    """Say a browser and its system as people do: ``Firefox on Linux``."""
    name = next((said for word, said in BROWSERS.items() if word in user_agent), "")
    system = next((said for word, said in SYSTEMS.items() if word in user_agent), "")
    return " on ".join(filter(None, (name, system))) or user_agent[:60] or "unknown"


@register.filter
def seconds_ago_tone(value: Any, limit: int = 60) -> str:
    """Return ok when the time lies within ``limit`` seconds, else person, or bad when missing."""
    if not isinstance(value, datetime):
        return "bad"
    return "ok" if (clock.now() - value).total_seconds() <= int(limit) else "person"


@register.simple_tag
def figure(
    value: Any, places: int = 2, unit: str = "", reason: str = "", sign: bool = False
) -> str:
    """Write one figure as an element; a missing one says why on hover."""
    written = text_of(value, places, signed=sign)
    if written == MISSING:
        why = reason or "not available"
        return format_html(
            '<span class="num muted" title="{}">{}<span class="visually-hidden"> {}</span></span>',
            why,
            MISSING,
            why,
        )
    change = updown(value) if sign else ""
    tail = format_html(' <span class="unit">{}</span>', unit) if unit else ""
    return format_html('<span class="num {}">{}{}</span>', change, written, tail)


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Draw an icon of the sprite; decorative unless it has a label."""
    said = format_html('role="img" aria-label="{}"', label) if label else 'aria-hidden="true"'
    return format_html(
        '<svg class="icon" {}><use href="{}#{}"></use></svg>',
        mark_safe(said),  # noqa: S308 made by format_html above, or constant
        static("img/icons.svg"),
        name,
    )


@register.simple_tag
def sparkline(
    values: Iterable[Any] | None, label: str = "", width: int = 72, height: int = 28
) -> SafeString:
    """Draw a small line of the values, teal when it ends higher than it began."""
    points = [v for v in map(as_float, values or ()) if v is not None]
    if len(points) < 2:
        return format_html(
            '<svg class="spark muted" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">'
            '<path class="spark-none" d="M0 {3}H{0}"></path></svg>',
            width,
            height,
            label or "no history yet",
            height // 2,
        )
    line = _path(points, width, height)
    change = updown(points[-1] - points[0])
    said = label or f"from {text_of(points[0])} to {text_of(points[-1])}"
    return format_html(
        '<svg class="spark {0}" viewBox="0 0 {1} {2}" preserveAspectRatio="none" role="img" '
        'aria-label="{3}"><path class="spark-fill" d="{4} L{1} {2} L0 {2} Z"></path>'
        '<path class="spark-line" d="{4}"></path></svg>',
        change,
        width,
        height,
        said,
        line,
    )


def _path(points: Sequence[float], width: int, height: int) -> str:
    low, high = min(points), max(points)
    span = (high - low) or 1.0
    step = width / (len(points) - 1)
    top = height - 2
    at = (
        f"{i * step:.1f} {1 + top - (point - low) / span * top:.1f}"
        for i, point in enumerate(points)
    )
    return "M" + " L".join(at)


@register.simple_tag
def gap_bar(spans: Iterable[dict[str, Any]], label: str = "") -> SafeString:
    """Draw one row of a gap map: spans with ``start`` and ``end`` in 0..1 and a ``kind``."""
    rects = format_html_join(
        "",
        '<rect class="{}" x="{}" y="0" width="{}" height="10"><title>{}</title></rect>',
        (
            (
                span.get("kind", "have"),
                f"{span['start'] * 1000:.2f}",
                f"{max((span['end'] - span['start']) * 1000, 1.5):.2f}",
                span.get("label", span.get("kind", "have")),
            )
            for span in spans
        ),
    )
    return format_html(
        '<svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>',
        label,
        rects,
    )


@register.simple_tag(takes_context=True)
def nav_items(context: template.Context) -> list[dict[str, Any]]:
    """List the places of the rail that this lab has."""
    request = context.get("request")
    path = request.path if request else ""
    path = next((place for start, place in BELONGS.items() if path.startswith(start)), path)
    return [
        {
            "label": label,
            "path": target,
            "icon": name,
            "key": key,
            "current": path == target if target == "/" else path.startswith(target),
        }
        for label, target, name, key in NAV
        if has_page(target)
    ]


@register.simple_tag
def place(name: str) -> str:
    """Return the address of a place of the rail, by its icon: ``{% place "live" %}``."""
    return next(path for _, path, icon_name, _ in NAV if icon_name == name)


def has_page(path: str) -> bool:
    """Tell whether the site has a page at the path."""
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


@register.simple_tag(takes_context=True)
def preference(context: template.Context, name: str) -> str:
    """Return what the reader chose in this browser: theme, updown, rail or density."""
    allowed = {
        "theme": ("dark", "light"),
        "updown": ("teal", "swapped"),
        "rail": ("open", "closed"),
        "density": ("normal", "compact"),
    }[name]
    request = context.get("request")
    chosen = request.COOKIES.get(name, "") if request else ""
    return chosen if chosen in allowed else allowed[0]


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """Return this page's query string with some parameters changed; None drops one."""
    asked = context["request"].GET.copy()
    for name, value in changes.items():
        asked.pop(name, None)
        if value not in (None, ""):
            asked[name] = str(value)
    return f"?{asked.urlencode()}"


@register.simple_tag(takes_context=True)
def draft_key(context: template.Context) -> str:
    """Return whose unsaved texts a page keeps in the browser, and their key: ``7.Base64``."""
    actor = context["actor"]
    return f"{actor.user_id}.{secrets.draft_key(f'{actor.team}:{actor.user_id}')}"
