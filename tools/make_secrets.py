"""Make the secrets of the team deployment once: ``make_secrets.py [HOST]``.

They go to ``deploy/secrets`` (0700; the files are readable inside the containers only through
it). What exists stays. With HOST, ``.env`` gets the site's address too.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONAL = ("openai_api_key", "groq_api_key")


def make(folder):
    """Write the missing files; return their names."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = []

    def once(name, value):
        path = folder / name
        if not path.exists():
            with os.fdopen(
                os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "w"
            ) as file:
                file.write(value)
            made.append(name)
        return path.read_text(encoding="utf-8").strip()

    admin = once("postgres_password", secrets.token_urlsafe(32))
    redis = once("redis_password", secrets.token_urlsafe(32))
    server = "postgresql://{}:{}@postgres:5432/{}"
    once("admin_database_url", server.format("admin", admin, "postgres"))
    for role, name in (
        ("app", "database_url"),
        ("migrate", "migrate_database_url"),
        ("sequencer", "sequencer_database_url"),
    ):
        once(name, server.format(role, secrets.token_urlsafe(32), "quantsite"))
    once("redis_url", f"redis://:{redis}@redis:6379/0")
    once("secret_key", secrets.token_urlsafe(64))
    once("seal_key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    once("metrics_token", secrets.token_urlsafe(32))
    for name in OPTIONAL:
        once(name, "")
    return made


def main(arguments):
    """Make the secrets, and ``.env`` when a host is named."""
    made = make(ROOT / "deploy" / "secrets")
    print(f"Made in deploy/secrets: {', '.join(made) or 'nothing, all were there'}")
    note = ROOT / ".env"
    if arguments and not note.exists():
        host = arguments[0]
        note.write_text(f"SITE_URL=https://{host}\nALLOWED_HOSTS={host}\n", encoding="utf-8")
        print(f"Wrote .env for https://{host}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
