"""Every route of the API, on one screen."""

from django.urls import path, re_path
from knox.views import LogoutAllView, LogoutView

from api import views
from api.errors import not_found

urlpatterns = [
    path("livez", views.livez),
    path("readyz", views.readyz),
    path("api/v1/triage/", views.TriageView.as_view(), name="triage"),
    path("api/ml/predict/", views.TriageView.as_view(), name="predict"),
    path(
        "api/v1/predictions/<uuid:prediction_id>/ground-truth/",
        views.GroundTruthView.as_view(),
        name="ground-truth",
    ),
    path("api/v1/auth/login/", views.LoginView.as_view(), name="login"),
    path("api/v1/auth/logout/", LogoutView.as_view(), name="logout"),
    path("api/v1/auth/logoutall/", LogoutAllView.as_view(), name="logoutall"),
    # Anything else under /api/ is answered in the API's own shape, DEBUG or not.
    re_path(r"^api/", not_found),
]
