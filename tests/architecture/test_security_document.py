"""docs/SECURITY.md names every requirement once, tests that exist, and counts what is open."""

import ast
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/SECURITY.md"
REQUIREMENTS = ROOT / "tests/data/security/asvs.json"
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([12]) \| (.+?) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SECTIONS = (
    "Input", "Signing in", "Sessions", "Who may what", "Keys and algorithms", "What it talks to",
    "Data", "Packages", "Logs", "Browsers", "The list", "Our own list of failures",
)  # fmt: skip
FAILURES = {59, 60, 61, 62, 63, 64, 65, 77, 78, 79, 81, 82, 83, 84, 87, 97}
SOURCES = ("apps", "quantsite", "celery_worker", "tools")
# What no line of ours does, and why it would matter.
FORBIDDEN = {
    r"shell=True|os\.system\(|os\.popen\(": "a shell reads what it is given",
    r"verify=False|CERT_NONE|_create_unverified_context": "certificates are checked",
    r"hashlib\.(md5|sha1)\(": "broken hashes",
    r"\bpickle\.loads?\(|\bmarshal\.loads\(|yaml\.load\(|dill|joblib\.load": "runs what it reads",
    r"\bmodes\.(ECB|CBC|CTR)|PKCS1v15|from Crypto": "ciphers put together by hand",
    r"engines\[|Engine\(|(?<!class )\bTemplate\(|from_string\(": "templates out of texts",
    r"etree|minidom|expat|xml\.sax": "XML",
    r"\.FileHandler|RotatingFile|SysLogHandler|HTTPHandler": "logs go to standard error",
    r"PASSWORD_(AGE|EXPIR|ROTAT)|password_changed_at": "passwords do not lapse",
    r"csrf_exempt|xframe_options_exempt|csp_exempt": "a door without its lock",
    r"CORS_|Access-Control-Allow": "other sites read nothing here",
    r"tempfile\.mktemp\(": "a name somebody else may take",
}
# Elsewhere `random` would be taken for secrets; here it draws pauses and research.
DRAWS = {
    "apps/market/services/ingests/fetching.py",
    "apps/market/services/live/running.py",
    "apps/strategies/sandbox/inside/runner.py",
    "apps/strategies/sandbox/own.py",  # the system's own generator
}
HTML_WRITERS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    r"|postMessage|window\.addEventListener\(.message|__proto__|createContextualFragment|setHTMLUnsafe"
)


def rows():
    return ROW.findall(DOCUMENT.read_text())


def functions_of(path):
    nodes = ast.walk(ast.parse(path.read_text()))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in nodes if isinstance(node, kinds)}


def sources():
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


def test_every_requirement_is_there_once():
    wanted = {
        number: level
        for chapter in json.loads(REQUIREMENTS.read_text()).values()
        for number, level in chapter.items()
    }
    assert len(wanted) == 253
    told = [(number, int(level)) for number, level, _, _ in rows()]
    assert len(told) == len(set(told))
    assert dict(told) == wanted


def test_every_test_named_exists():
    named = set(NAMED.findall(DOCUMENT.read_text()))
    assert len(named) > 80
    known = {file: functions_of(ROOT / file) for file, _ in named if (ROOT / file).exists()}
    assert [f"{f}::{n}" for f, n in sorted(named) if n not in known.get(f, set())] == []


def test_each_line_names_a_test_or_says_why_not_and_the_open_ones_are_counted():
    odd = [
        number
        for number, _, _, proof in rows()
        if not (NAMED.fullmatch(proof) or re.match(r"(N/A|open): \w.{4,}", proof))
    ]
    assert odd == []
    count = sum(proof.startswith("open: ") for _, _, _, proof in rows())
    assert f"**Open: {count} of 253.**" in DOCUMENT.read_text()


def test_sections_that_requirements_ask_for_are_there():
    text = DOCUMENT.read_text()
    parts = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)+)", text, re.MULTILINE))
    assert [name for name in SECTIONS if len(parts.get(name, "")) < 200] == []


def test_every_failure_of_our_list_has_a_test():
    part = DOCUMENT.read_text().partition("## Our own list of failures")[2]
    found = re.findall(r"^\| (\d+) \| .+ \| (.+) \|$", part, re.MULTILINE)
    assert {int(number) for number, _ in found} == FAILURES
    assert all(NAMED.findall(tests) for _, tests in found)


def test_no_source_does_what_is_forbidden():
    found = [
        f"{name}: {why}: {hit[0]}"
        for name, text in sources()
        for pattern, why in FORBIDDEN.items()
        for hit in re.finditer(pattern, text)
    ]
    assert found == []


def test_secrets_come_from_the_systems_generator():
    drawn = {
        name
        for name, text in sources()
        if re.search(r"^\s*(import|from) random\b", text, re.MULTILINE)
    }
    assert drawn == DRAWS
    makers = (
        "apps/accounts/services/invitations.py",
        "tools/make_secrets.py",
        "apps/core/lab/home.py",
    )
    for name in makers:
        made = re.findall(r"token_(?:urlsafe|bytes|hex)\((\d+)\)", (ROOT / name).read_text())
        assert made, name
        assert min(map(int, made)) >= 16, name


def test_no_script_of_a_page_writes_html():
    found = [
        f"{path.name}: {hit[0]}"
        for path in sorted((ROOT / "static/js").rglob("*.js"))
        for hit in HTML_WRITERS.finditer(path.read_text())
    ]
    assert found == []
