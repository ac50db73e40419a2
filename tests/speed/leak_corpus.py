"""The corpus of leaks, the long form: more cuts, several seeds, and every text in the sandbox."""

import json
import os
import re
import sys
import warnings

SEEDS, CUTS = 10, 16
RECALL, RIGHT_LINE = 0.95, 0.90


def main(seeds=SEEDS):
    """Print a line for each seed, and one for the sandbox; 1 when a goal was missed."""
    os.environ.setdefault("QUANTSITE_ENV", "test")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings.test")
    import django

    django.setup()
    from apps.strategies.sandbox.base import Stopped
    from apps.strategies.selectors import sandbox
    from tests.factories import leaks

    warnings.simplefilter("ignore")
    rows = [
        row(f"seed {seed}", seed, leaks.TextSubject, (Exception,)) for seed in range(1, seeds + 1)
    ]
    if sandbox().status().holds:
        rows.append(row("in the sandbox", 1, in_sandbox, (Stopped,)))
    return int(not all(one["passed"] for one in rows))


def in_sandbox(text):
    """Return a text as users' texts are asked."""
    from apps.strategies.kernel.interface import check_params
    from apps.strategies.kernel.user_code import read
    from apps.strategies.sandbox.own import OwnStrategy
    from apps.strategies.sandbox.probing import OwnSubject
    from apps.strategies.selectors import sandbox

    # The corpus has inputs that the lab stores under no name; its panel carries them all the same.
    text = re.sub(r"^INPUTS = .*$", 'INPUTS = ("close",)', text, flags=re.MULTILINE)
    declared = read("mine", text)
    strategy = OwnStrategy(declared, text, sandbox(), lambda _: None)
    return OwnSubject(strategy, check_params(declared.spec, {}))


def row(name, seed, subject, errors):
    """Probe the corpus once; return and print what came of it."""
    from apps.strategies.kernel.probe import Plan, Sheet, probe
    from tests.factories import leaks

    sheet = Sheet(leaks.bars(), leaks.known_at())
    caught = named = leaky = clean = 0
    alarms, missed, wrong = [], [], []
    for case in leaks.cases(*leaks.LEAKY, *leaks.CLEAN):
        if case.is_expression:
            continue
        asked = subject(case.text)
        plan = Plan(0, seed, cuts=CUTS, errors=errors, with_warmup=False)
        report = probe(asked, sheet, plan)
        asked.afresh()
        found = report.finding
        if not case.leaks:
            clean += 1
            alarms += [] if report.passed else [case.name]
            continue
        leaky += 1
        caught += found is not None
        missed += [] if found else [case.name]
        if found:
            is_right = found.line in case.lines and bool({*found.inputs} & {*case.leaks})
            named += is_right
            wrong += [] if is_right else [case.name]
    passed = not alarms and caught >= RECALL * leaky and named >= RIGHT_LINE * caught
    told = {
        "row": "leak_corpus", "of": name, "leaky": leaky, "caught": caught, "line_right": named,
        "clean": clean, "alarms": alarms, "missed": missed, "wrong": wrong, "passed": passed,
    }  # fmt: skip
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    return told


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS))
