# A worker:  docker build --file docker/worker.Dockerfile --tag learngenes-worker .
# torch comes with CUDA (6 GB of it or so) and runs without a GPU too. Where there is none, an index with torch built for
# CPUs alone makes the image smaller:
#   docker build --build-arg TORCH_INDEX=URL --file docker/worker.Dockerfile ...
FROM python:3.13.16-slim-trixie AS build

ARG TORCH_INDEX=""
WORKDIR /build
COPY constraints.txt pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY learngenes learngenes
COPY service service
RUN python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
    ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
    --constraint constraints.txt --build-constraint constraints.txt '.[train,gpu,s3]' './service[s3]'

FROM python:3.13.16-slim-trixie

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data/home \
    TORCHINDUCTOR_CACHE_DIR=/data/home/.cache/torchinductor \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LEARNGENES_DATA=/data \
    LEARNGENES_IMAGES=/images \
    LEARNGENES_LOG=json

# The same user as the service's: they share what they write. Checkpoints that timm fetches lie below HOME, since /tmp may be memory.
# There is no C compiler, which `training.compile` needs: see docs/deploying.md.
RUN install --directory --owner=10001 --group=10001 --mode=0750 /data /images
COPY --from=build /opt/venv /opt/venv

USER 10001:10001
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 \
  CMD ["learngenes-service", "worker", "--check"]
ENTRYPOINT ["learngenes-service", "worker"]
