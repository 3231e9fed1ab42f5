"""Labels from a file: uploaded, looked through, and put on record once somebody has confirmed."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from monitoring.admin.pages import check_may
from monitoring.label_import import (
    COLUMNS,
    MAX_BYTES,
    MAX_ROWS,
    FaultyLinesError,
    LabelFileError,
    content_seal,
    content_unseal,
    labels_import,
    labels_preview,
)
from monitoring.roles import Action

FAULTS_SHOWN = 100
# A form that is sent back may hold 2.5 MB, and there is more in it than this.
MAX_SEALED = 2_400_000
TOO_LARGE = "The file is too large for this page; manage.py import_labels takes it."


class UploadForm(forms.Form):
    """A file to look through."""

    file = forms.FileField(label="File (CSV)", widget=forms.FileInput(attrs={"accept": ".csv"}))

    def clean_file(self) -> UploadedFile:
        """Refuse a large file before it is read."""
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > MAX_BYTES:
            raise forms.ValidationError(f"The file is larger than {MAX_BYTES // 1024**2} MB.")
        return file


class ConfirmForm(forms.Form):
    """A file that was looked through, encrypted, and whether to leave out its faulty lines."""

    sealed = forms.CharField(widget=forms.HiddenInput)
    skip_faulty = forms.BooleanField(required=False, widget=forms.HiddenInput)


@require_http_methods(["GET", "POST"])
def import_view(request: HttpRequest) -> HttpResponse:
    """Take a file, say what it would do, and do it when that is confirmed."""
    check_may(request, Action.SETTLE_LABELS)
    author = cast("User", request.user)
    confirmed = ConfirmForm(request.POST) if "sealed" in request.POST else None
    if confirmed is not None and confirmed.is_valid():
        return _import(request, author=author, **confirmed.cleaned_data)
    form = UploadForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        return _preview(request, form, author=author)
    return _page(request, form=form)


def _preview(request: HttpRequest, form: UploadForm, *, author: User) -> HttpResponse:
    content = form.cleaned_data["file"].read()
    try:
        found = labels_preview(content, author=author)
        sealed = content_seal(content, author=author)
    except LabelFileError as error:
        form.add_error("file", str(error))
        return _page(request, form=form)
    if len(sealed) > MAX_SEALED:
        form.add_error("file", TOO_LARGE)
        return _page(request, form=form)
    confirm = ConfirmForm({"sealed": sealed, "skip_faulty": bool(found.faults)})
    return _page(request, form=UploadForm(), found=found, confirm=confirm, faults=found.faults)


def _import(request: HttpRequest, *, author: User, sealed: str, skip_faulty: bool) -> HttpResponse:
    try:
        content = content_unseal(sealed, author=author)
        done = labels_import(content, author=author, skip_faulty=skip_faulty)
    except LabelFileError as error:
        messages.error(request, str(error))
    except FaultyLinesError as error:
        messages.error(request, str(error))
        return _page(request, form=UploadForm(), faults=error.faults)
    else:
        messages.success(request, f"On record: {done.as_text()}.")
    return HttpResponseRedirect(reverse("label_import"))


def _page(request: HttpRequest, *, faults: Any = (), **context: Any) -> HttpResponse:
    around = {
        **admin.site.each_context(request),
        "title": "Import labels",
        "columns": COLUMNS,
        "max_mb": MAX_BYTES // 1024**2,
        "max_rows": MAX_ROWS,
        "faults": faults[:FAULTS_SHOWN],
        "more_faults": max(0, len(faults) - FAULTS_SHOWN),
    }
    return render(request, "admin/monitoring/label_import.html", around | context)
