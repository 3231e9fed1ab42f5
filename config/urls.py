"""What is served where."""

from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path

from api.auth_views import login_page

admin.site.site_header = admin.site.site_title = "Triage service"
admin.site.index_title = "Record and trial"
# An address nobody serves is answered by 404, not by a redirect that repeats it.
admin.site.final_catch_all_view = False
# There is no page but the admin's own.
admin.site.site_url = None
admin.site.index_template = "admin/monitoring/index.html"

urlpatterns = [
    path("admin/login/", login_page, name="admin-login"),
    path("admin/monitoring/", include("monitoring.admin.urls")),
    path("admin/", admin.site.urls),
    # Browsers ask for it with every page. There is none, and that is no error.
    path("favicon.ico", lambda _: HttpResponse(status=204)),
    path("", include("api.urls")),
]

handler400 = "api.errors.bad_request"
handler404 = "api.errors.not_found"
handler500 = "api.errors.server_error"
