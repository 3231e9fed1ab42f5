"""Every route of the API, on one screen."""

from django.urls import path, re_path

from api import (
    auth_views,
    batch_views,
    bulk_views,
    docs_views,
    model_views,
    monitoring_views,
    prediction_views,
    views,
)
from api.errors import not_found
from api.metrics import MetricsView

# What a model version can be called; no other text reaches the database.
VERSION = r"(?P<version>[A-Za-z0-9][A-Za-z0-9._-]{0,63})"

urlpatterns = [
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("api/v1/triage/", views.TriageView.as_view(), name="triage"),
    path("api/v1/triage/bulk/", bulk_views.BulkView.as_view(), name="triage-bulk"),
    path("api/ml/predict/", views.TriageView.as_view(), name="predict"),
    path("api/v1/batches/", batch_views.BatchesView.as_view(), name="batches"),
    path(
        "api/v1/batches/template/",
        batch_views.BatchTemplateView.as_view(),
        name="batch-template",
    ),
    path("api/v1/batches/<uuid:batch_id>/", batch_views.BatchView.as_view(), name="batch"),
    path(
        "api/v1/batches/<uuid:batch_id>/result/",
        batch_views.BatchResultView.as_view(),
        name="batch-result",
    ),
    path("api/v1/predictions/", prediction_views.PredictionsView.as_view(), name="predictions"),
    path(
        "api/v1/predictions/<uuid:prediction_id>/",
        prediction_views.PredictionView.as_view(),
        name="prediction",
    ),
    path(
        "api/v1/predictions/<uuid:prediction_id>/ground-truth/",
        views.GroundTruthView.as_view(),
        name="ground-truth",
    ),
    path("api/v1/models/", model_views.ModelsView.as_view(), name="models"),
    path("api/v1/models/rollback/", model_views.RollbackView.as_view(), name="model-rollback"),
    re_path(rf"^api/v1/models/{VERSION}/$", model_views.ModelView.as_view(), name="model"),
    re_path(
        rf"^api/v1/models/{VERSION}/promote/$",
        model_views.PromoteView.as_view(),
        name="model-promote",
    ),
    path(
        "api/v1/monitoring/summary/",
        monitoring_views.SummaryView.as_view(),
        name="monitoring-summary",
    ),
    path("api/v1/auth/login/", auth_views.LoginView.as_view(), name="login"),
    path("api/v1/auth/logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("api/v1/auth/logoutall/", auth_views.LogoutAllView.as_view(), name="logoutall"),
    path("api/v1/schema/", docs_views.SchemaView.as_view(), name="schema"),
    path("api/v1/docs/", docs_views.DocsView.as_view(), name="docs"),
    # Anything else under /api/ is answered in the API's own shape, DEBUG or not.
    re_path(r"^api/", not_found),
]
