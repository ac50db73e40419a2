"""What styles and scripts promise: tokens hold the raw values, nothing is injected."""

import re
from pathlib import Path

import pytest
from django.conf import settings

STATIC = Path(settings.BASE_DIR) / "static"
PAGES = Path(settings.BASE_DIR) / "templates"
PLOTLY = dict(item for item in settings.STATICFILES_DIRS if isinstance(item, tuple))["plotly"]
OURS = [*STATIC.glob("css/*.css")]
SKIPPED = ("modebar", "data-title", "cloud")  # parts of plotly.js that the house never shows


@pytest.fixture(scope="module")
def plotly():
    return (Path(PLOTLY) / "plotly.min.js").read_text()


def test_only_tokens_hold_raw_colours():
    for sheet in OURS:
        if sheet.name != "tokens.css":
            text = re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)
            assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{]*;)", text) == [], sheet.name


def test_every_token_used_is_defined():
    known = set(re.findall(r"(--[\w-]+):", (STATIC / "css/tokens.css").read_text()))
    for sheet in OURS:
        used = set(re.findall(r"var\((--[\w-]+)", sheet.read_text()))
        assert used <= known, f"{sheet.name}: {used - known}"


def test_plotly_skips_its_own_styles_when_ours_are_there(plotly):
    script = (STATIC / "js/lib/chart.js").read_text()
    assert '"plotly.js-style-"+' in plotly
    assert ".no-inline-styles" in plotly
    assert 'id: "plotly.js-style-global", class: "no-inline-styles"' in script
    for name in re.findall(r'if\(!document\.getElementById\("([0-9a-f]{64})"\)', plotly):
        assert name in script


def test_our_sheet_has_the_rules_plotly_would_inject(plotly):
    start = plotly.index('{"X,X div":')
    selectors = re.findall(r'"(X [^"]+)":', plotly[start : start + 9000])
    sheet = (STATIC / "css/plotly.css").read_text()
    wanted = [s for s in selectors if not any(word in s for word in SKIPPED)]
    assert len(wanted) > 20
    for selector in wanted:
        for part in selector.split(","):
            name = part.strip().removeprefix("X").strip()
            assert f".js-plotly-plot .plotly {name}" in sheet, selector


@pytest.mark.parametrize("page", sorted(PAGES.rglob("*.html")), ids=lambda page: page.name)
def test_templates_hold_to_the_content_security_policy(page):
    text = page.read_text()
    assert not re.search(r"<[^>{%]*\sstyle=", text)
    assert not re.search(r"<[^>{%]*\son(click|load|submit|change|input)=", text)
    assert "<style" not in text
    for script in re.findall(r"<script[^>]*>(.*?)</script>", text, flags=re.DOTALL):
        assert script.strip() == ""


def test_icons_named_in_templates_exist():
    known = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "img/icons.svg").read_text()))
    for page in PAGES.rglob("*.html"):
        named = set(re.findall(r'{% icon "([\w-]+)"', page.read_text()))
        named |= set(re.findall(r'icon_name="([\w-]+)"', page.read_text()))
        assert named <= known, f"{page.name}: {named - known}"
