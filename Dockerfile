# One image for every process of the team deployment: docs/DEPLOY.md
FROM python:3.11-slim-trixie AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements/base.txt /tmp/base.txt
RUN /opt/venv/bin/pip install --require-hashes --no-deps -r /tmp/base.txt

FROM python:3.11-slim-trixie
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LAB_HOME=/var/lib/quantsite \
    STATIC_ROOT=/srv/static
# Python strategies of users run in bubblewrap: docs/SANDBOX.md. The wheel's pg_dump has no TLS.
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends bubblewrap postgresql-client-17 \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 quantsite \
 && useradd --uid 10001 --gid quantsite --no-create-home --home-dir /var/lib/quantsite quantsite \
 && install -d -o quantsite -g quantsite -m 0700 /var/lib/quantsite /var/lib/ledger \
 && install -d -o quantsite -g quantsite /srv/static
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/quantsite
COPY . .
RUN python -m compileall -q apps quantsite celery_worker
USER quantsite
# Collecting needs settings, not secrets: these are for this step alone.
RUN QUANTSITE_ENV=prod SECRET_KEY=only-to-collect-static-files SEAL_KEY= \
    python manage.py collectstatic --noinput -v 0 -i widgetbundle.js
EXPOSE 8000
CMD ["python", "-m", "uvicorn", "quantsite.asgi:application", "--host=0.0.0.0", "--port=8000", \
     "--http=apps.core.connections:BoundedProtocol", "--lifespan=off", "--no-access-log", \
     "--log-config=deploy/uvicorn_logging.json"]
