# docker build -t ganatomy .
# docker run --gpus all -v "$PWD/runs:/work/runs" ganatomy train task=segmentation
#
# The "base" flavour of the CUDA runtime: torch's own wheels bring cuBLAS, cuDNN and NCCL, a larger flavour would hold them twice.
FROM nvidia/cuda:12.8.1-base-ubuntu24.04

RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

ENV PATH=/opt/venv/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

# torch in a layer of its own: a change of our code does not download it again.
WORKDIR /opt/ganatomy
COPY constraints.txt ./
RUN python3 -m venv /opt/venv && pip install -c constraints.txt torch

COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY conf ./conf
RUN ln -s src ganatomy && pip install -c constraints.txt .

RUN useradd --create-home gan && install -d -o gan -g gan /work /work/runs
USER gan
WORKDIR /work

# The first word names the command: `train task=segmentation` runs `ganatomy train task=segmentation`.
ENTRYPOINT ["ganatomy"]
CMD ["--help"]
