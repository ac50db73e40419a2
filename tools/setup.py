"""Make ``.venv`` from the hashed lock: ``make setup``. Only the standard library is needed.

Nothing is done while the lock is what the stamp in ``.venv`` says. Packages for developers
(``--dev``) and the bench (``--bench``) are kept once they are there.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "lock-stamp.json"
PYTHON = VENV / "bin" / "python"
OWN_UV = VENV / "uv"
LOCKS = {name: ROOT / "requirements" / f"{name}.txt" for name in ("base", "dev", "bench")}
OLDEST = (3, 11)


def main():
    """Bring the virtual environment to the lock, if it isn't there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="with the packages of developers")
    parser.add_argument("--bench", action="store_true", help="and with the peers of the bench")
    asked = parser.parse_args()
    check_python()
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = read_stamp() if works(PYTHON, "-c", "") else {}
        bench = asked.bench or found.get("bench")
        dev = asked.dev or bench or found.get("dev")
        wanted = ["base"] + ["dev"] * bool(dev) + ["bench"] * bool(bench)
        digests = {name: digest(LOCKS[name]) for name in wanted}
        if any(found.get(name) != digests[name] for name in wanted):
            sync(wanted)
            STAMP.write_text(json.dumps(digests), encoding="utf-8")


def check_python():
    """Stop with a plain word when this Python or platform can't run the lab."""
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:2])
        fail(f"This is Python {found}; 3.11 or later is needed: make setup PYTHON=python3.11")
    if not sys.platform.startswith("linux"):
        say(f"The embedded servers run on Linux, this is {sys.platform}: set DATABASE_URL and")
        say("REDIS_URL to servers of your own, or use docker compose up.")


def read_stamp():
    """Return which lock the environment was made from."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(STAMP.read_text(encoding="utf-8"))
    return {}


def digest(path):
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sync(names):
    """Install exactly what the locks name, hashes checked."""
    locks = [LOCKS[name] for name in names]
    say(f"Installing the packages of {', '.join(lock.name for lock in locks)} …")
    uv = find_uv()
    if not works(PYTHON, "-c", ""):
        if uv:
            run(uv, "venv", "-q", "--allow-existing", "--python", sys.executable, VENV)
        else:
            make_venv()
    uv = uv or fetch_uv()
    options = ["-q", "--require-hashes", "--python", PYTHON]
    if not uv or not succeeds(uv, "pip", "sync", *options, *locks):
        install_by_pip(locks)


def install_by_pip(locks):
    """Install with pip, which knows the machine's own mirrors and certificates."""
    say("uv could not do it; trying pip …")
    ensure_pip()
    files = [part for lock in locks for part in ("-r", lock)]
    run(PYTHON, "-m", "pip", "install", "-q", "--require-hashes", "--no-deps", *files)


def find_uv():
    """Return a uv that works: the one on the path, or the one fetched earlier."""
    for candidate in (shutil.which("uv"), OWN_UV / "bin" / "uv"):
        if candidate and works(candidate, "--version"):
            return candidate
    return None


def make_venv():
    """Make the environment with Python's own means."""
    if not works(sys.executable, "-c", "import ensurepip"):
        fail(
            "Neither uv nor Python's venv module is here. Install one of them: "
            "apt-get install python3-venv, or pip install uv."
        )
    run(sys.executable, "-m", "venv", VENV)


def fetch_uv():
    """Fetch uv into a folder of its own, where a sync leaves it alone; None when that fails."""
    ensure_pip()
    options = ["-q", "--disable-pip-version-check", "--target", OWN_UV]
    if succeeds(PYTHON, "-m", "pip", "install", *options, "uv"):
        return OWN_UV / "bin" / "uv"
    return None


def ensure_pip():
    """Have pip in the environment."""
    if not works(PYTHON, "-m", "pip", "--version"):
        run(PYTHON, "-m", "ensurepip", "--upgrade")


def works(*command):
    """Tell whether a command can be run and ends well."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def succeeds(*command):
    """Run a command, its words on standard error; tell whether it ended well."""
    environment = {"UV_SYSTEM_CERTS": "1", **os.environ}
    environment.pop("VIRTUAL_ENV", None)
    parts = [str(part) for part in command]
    return subprocess.run(parts, env=environment, stdout=sys.stderr, check=False).returncode == 0


def run(*command):
    """Run a command; stop when it fails."""
    if not succeeds(*command):
        fail(f"{' '.join(str(part) for part in command[:4])} … failed; see above.")


def say(text):
    """Tell the person at the terminal; standard output stays for results."""
    print(text, file=sys.stderr, flush=True)


def fail(text):
    """Stop."""
    say(text)
    sys.exit(1)


if __name__ == "__main__":
    main()
