# One image for web, worker, beat and set-up; docker-compose.yml says which is which.
FROM python:3.11-slim

# Numerical libraries read OMP_NUM_THREADS once, when they load; one thread answers fastest.
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    BIND=0.0.0.0:8000 \
    MODEL_STORE=/models

WORKDIR /app
RUN useradd --system --uid 10001 --no-create-home triage

COPY requirements.txt .
RUN pip install --no-cache-dir --requirement requirements.txt

COPY . .
# A new volume takes over the owner of the folder that it is mounted on.
RUN mkdir var /models && chown triage: var /models

USER triage
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "deploy/healthcheck.py"]
CMD ["gunicorn", "-c", "config/gunicorn.py"]
