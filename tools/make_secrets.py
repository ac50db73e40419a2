"""Make the secrets of the team deployment once: ``make_secrets.py [HOST] [--renew]``.

They go to ``deploy/secrets`` (0700; the files are readable inside the containers only through
it). What exists stays. With HOST, ``.env`` gets the site's address too. The certificates of
PostgreSQL and Redis are made with the ``openssl`` command and hold for two years; ``--renew``
makes them anew. Their authority signs these two and is forgotten: its key is kept nowhere.
"""

import base64
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONAL = ("openai_api_key", "groq_api_key", "email_password")
SERVERS = ("postgres", "redis")
DAYS = "730"
AUTHORITY = "/run/secrets/tls_authority"  # where the containers find it
VERIFIED = {
    "postgresql": f"?sslmode=verify-full&sslrootcert={AUTHORITY}",
    "redis": f"?ssl_cert_reqs=required&ssl_ca_certs={AUTHORITY}",
}
CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:{name}
"""


def make(folder):
    """Write the missing files; return their names."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = []

    def once(name, value):
        if not (folder / name).exists():
            write(folder / name, value)
            made.append(name)
        return (folder / name).read_text(encoding="utf-8").strip()

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
    changed = [name for name in ask_for_tls(folder) if name not in made]
    return [*made, *changed, *make_certificates(folder)]


def write(path, value):
    """Write a file that is there whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "w") as file:
        file.write(value)
    new.replace(path)


def ask_for_tls(folder):
    """Have addresses of our own servers ask for TLS, those of earlier deployments too."""
    changed = []
    for path in sorted(folder.glob("*_url")):
        address = path.read_text(encoding="utf-8").strip()
        kind, _, rest = address.partition("://")
        ours = any(f"@{server}:" in rest for server in SERVERS)
        if ours and "?" not in rest and kind in VERIFIED:
            kind_with_tls = "rediss" if kind == "redis" else kind
            write(path, f"{kind_with_tls}://{rest}{VERIFIED[kind]}")
            changed.append(path.name)
    return changed


def make_certificates(folder, *, anew=False):
    """Make an authority and what it signs for each server; all of it or nothing."""
    names = ["tls_authority", *(f"{s}_{part}" for s in SERVERS for part in ("certificate", "key"))]
    if not anew and all((folder / name).exists() for name in names):
        return []
    with tempfile.TemporaryDirectory() as aside:
        at = Path(aside)
        key_of(at, "tls_authority", "-x509", "-days", DAYS, "-extensions", "authority")
        for server in SERVERS:
            sign(at, server)
        for name in names:
            write(folder / name, (at / name).read_text(encoding="ascii"))
    return names


def sign(at, server):
    """Make the key and the certificate of a server."""
    key_of(at, server)
    openssl(
        "x509", "-req", "-in", at / server, "-CA", at / "tls_authority",
        "-CAkey", at / "tls_authority_key", "-set_serial", f"0x{secrets.token_hex(16)}",
        "-days", DAYS, "-sha256", "-extfile", at / f"{server}.cnf", "-extensions", "server",
        "-out", at / f"{server}_certificate",
    )  # fmt: skip


def key_of(at, name, *more):
    """Make a key on P-256 with a request for a certificate, or with ``-x509`` the certificate."""
    configuration = at / f"{name}.cnf"
    configuration.write_text(CONFIGURATION.format(name=name), encoding="ascii")
    openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-config", configuration, "-keyout", at / f"{name}_key", "-out", at / name, *more,
    )  # fmt: skip


def openssl(*arguments):
    """Run the openssl command; what it says is shown when it fails."""
    done = subprocess.run(
        ["openssl", *map(str, arguments)],  # noqa: S607 the system's
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def main(arguments):
    """Make the secrets, and ``.env`` when a host is named."""
    folder = ROOT / "deploy" / "secrets"
    made = make(folder)
    if "--renew" in arguments:
        made += make_certificates(folder, anew=True)
    print(f"Made in deploy/secrets: {', '.join(made) or 'nothing, all were there'}")
    note, hosts = ROOT / ".env", [word for word in arguments if not word.startswith("--")]
    if hosts and not note.exists():
        host = hosts[0]
        note.write_text(f"SITE_URL=https://{host}\nALLOWED_HOSTS={host}\n", encoding="utf-8")
        print(f"Wrote .env for https://{host}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
