# docker build -t appliance . && docker run -v appliance:/var/lib/appliance appliance
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY requirements/runtime.txt requirements/
RUN python -m venv /opt/appliance \
    && /opt/appliance/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY . .
RUN /opt/appliance/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
COPY --from=build /opt/appliance /opt/appliance
RUN useradd --system --home-dir /var/lib/appliance --create-home appliance \
    && mkdir -p /etc/appliance
ENV PATH=/opt/appliance/bin:$PATH \
    STATE_DIRECTORY=/var/lib/appliance \
    PYTHONUNBUFFERED=1
USER appliance
WORKDIR /var/lib/appliance
VOLUME /var/lib/appliance
ENTRYPOINT ["appliance"]
CMD ["serve", "--config", "/etc/appliance/appliance.yaml"]
