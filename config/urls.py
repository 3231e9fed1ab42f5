"""What is served where."""

from django.contrib import admin
from django.urls import include, path

admin.site.site_header = admin.site.site_title = "Triage service"
admin.site.index_title = "Record and trial"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("api.urls")),
]

handler400 = "api.errors.bad_request"
handler404 = "api.errors.not_found"
handler500 = "api.errors.server_error"
