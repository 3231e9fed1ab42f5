"""The doors: HTTP, authentication, and the one function that joins the five steps."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The triage API."""

    name = "api"
    verbose_name = "API"
