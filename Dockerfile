# Two images from one file: `bot` is small and has no torch; `worker` answers.
#   docker build --target bot -t kefu-bot .
#   docker build --target worker -t kefu-worker .
# PIP_FLAGS can name PyTorch's CPU package index to keep CUDA out of the worker's image (README, "Installing").

FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 1000 kefu
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY bot bot
COPY workers workers

FROM base AS bot
RUN pip install -c constraints.txt .
USER kefu
EXPOSE 8080
CMD ["kefu", "bot"]

FROM base AS worker
ARG PIP_FLAGS=""
COPY model model
RUN pip install ${PIP_FLAGS} -c constraints.txt ".[worker,meaning]"
USER kefu
CMD ["kefu", "worker"]
