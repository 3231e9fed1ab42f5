"""Every route of the API, on one screen."""

from django.urls import path, re_path
from knox.views import LogoutAllView, LogoutView

from api import model_views, monitoring_views, views
from api.errors import not_found
from api.metrics import metrics

# What a model version can be called; no other text reaches the database.
VERSION = r"(?P<version>[A-Za-z0-9][A-Za-z0-9._-]{0,63})"

urlpatterns = [
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("api/v1/triage/", views.TriageView.as_view(), name="triage"),
    path("api/ml/predict/", views.TriageView.as_view(), name="predict"),
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
    path("api/v1/auth/login/", views.LoginView.as_view(), name="login"),
    path("api/v1/auth/logout/", LogoutView.as_view(), name="logout"),
    path("api/v1/auth/logoutall/", LogoutAllView.as_view(), name="logoutall"),
    # Anything else under /api/ is answered in the API's own shape, DEBUG or not.
    re_path(r"^api/", not_found),
]
