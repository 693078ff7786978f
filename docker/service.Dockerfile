# The service, without torch:  docker build --file docker/service.Dockerfile --tag learngenes-service .
# Needs a queue in LEARNGENES_REDIS_URL for jobs; without one it serves all the same.
FROM python:3.13.16-slim-trixie AS build

WORKDIR /build
COPY constraints.txt pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY learngenes learngenes
COPY service service
RUN python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
    --constraint constraints.txt --build-constraint constraints.txt '.[s3]' './service[s3]'

FROM python:3.13.16-slim-trixie

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LEARNGENES_HOST=0.0.0.0 \
    LEARNGENES_PORT=8000 \
    LEARNGENES_DATA=/data \
    LEARNGENES_LOG=json

# A new volume mounted there takes over the owner. Nothing is written anywhere else.
RUN install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=build /opt/venv /opt/venv

USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["learngenes-service"]
