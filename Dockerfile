# docker build -t ganatomy .
# docker run --gpus all -v "$PWD/runs:/work/runs" ganatomy train task=segmentation
#
# The "base" flavour of the CUDA runtime: torch's own wheels bring cuBLAS, cuDNN and NCCL, a larger flavour would hold them twice.
# Packages of the system are not pinned: their archive keeps the newest version alone, with its security fixes.
FROM nvidia/cuda:12.8.1-base-ubuntu24.04 AS build

# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

ENV PATH=/opt/venv/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# From what changes least to our code, a layer each: a change of our code downloads nothing again.
WORKDIR /opt/ganatomy
COPY constraints.txt ./
RUN python3 -m venv /opt/venv && pip install -c constraints.txt torch
COPY requirements.lock ./
RUN pip install --no-deps --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY conf ./conf
RUN ln -s src ganatomy && pip install -c constraints.txt . && pip check

FROM nvidia/cuda:12.8.1-base-ubuntu24.04

# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/*

COPY --from=build /opt/venv /opt/venv

# A number, so that a cluster can tell that it is not root. Its home folder and the image may be read-only: caches go to /tmp.
RUN useradd --create-home --uid 10001 gan && install -d -o gan -g gan /work /work/runs
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GANATOMY_CACHE=/tmp/ganatomy \
    MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/tmp/cache
USER 10001
WORKDIR /work

# The first word names the command: `train task=segmentation` runs `ganatomy train task=segmentation`.
ENTRYPOINT ["ganatomy"]
CMD ["--help"]
