FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN python -m venv /opt/mapigw \
    && /opt/mapigw/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY mapigw mapigw
COPY autodiscover autodiscover
COPY nspi nspi
COPY oab oab
RUN /opt/mapigw/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --system --uid 8443 --home-dir /data --shell /usr/sbin/nologin mapigw \
    && install -d -o mapigw -g mapigw -m 0700 /data
COPY --from=build /opt/mapigw /opt/mapigw
ENV PATH=/opt/mapigw/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MAPIGW_DATA=/data \
    MAPIGW_LISTEN=0.0.0.0:8443 \
    MAPIGW_LOG__ACCESS=- \
    HEALTH_URL=https://127.0.0.1:8443/
USER mapigw
VOLUME /data
EXPOSE 8443
# A TLS handshake and an answer; the certificate may well be the self-signed one.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, ssl, urllib.request as request; \
        request.urlopen(os.environ['HEALTH_URL'], timeout=4, context=ssl._create_unverified_context())"]
CMD ["mapigw", "serve"]
