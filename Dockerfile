# One image for every process; the command says which. Runs as a plain user on a read-only file system.
FROM python:3.13-slim AS build
# `docker compose build --build-arg REQUIREMENTS=tracing` adds what traces need (docs/monitoring.md).
ARG REQUIREMENTS=runtime
WORKDIR /app
# Installed from outside, so that the image carries no pip.
RUN python -m venv --without-pip /venv
COPY requirements/runtime.txt requirements/tracing.txt requirements/
RUN pip --python /venv install --no-cache-dir --require-hashes --only-binary :all: -r requirements/${REQUIREMENTS}.txt
COPY pyproject.toml README.md LICENSE ./
COPY tasks tasks
COPY workers workers
COPY producers producers
RUN pip --python /venv install --no-cache-dir --no-deps --no-build-isolation . \
    && pip --python /venv uninstall --yes setuptools \
    && /venv/bin/python -m compileall -q /venv

FROM python:3.13-slim
# The folder exists and belongs to the user before a volume is mounted on it, so the volume does too.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin relay \
    && install -d -o relay -g relay /var/lib/stockrelay
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /var/lib/stockrelay
USER 10001:10001
# What shows that a process works differs by command: docker-compose.yml has it.
HEALTHCHECK NONE
CMD ["stockrelay", "--help"]
