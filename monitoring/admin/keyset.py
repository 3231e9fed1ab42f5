"""Lists that stay quick however long they grow: nothing is counted, and pages go from id to id."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import urlencode

from ml.admin import ReadOnlyAdmin
from monitoring.review import first_of
from monitoring.selectors import first_id

BEFORE, AFTER = "before", "after"
PERIOD = "period"
# What one index cannot find alone is looked for no further back than this.
LONGEST_COMBINED = "30d"
_SPANS = {"today": timedelta(0), "7d": timedelta(days=7), LONGEST_COMBINED: timedelta(days=30)}


class ColumnFilter(admin.SimpleListFilter):
    """A filter on one indexed column, by words that are known without asking the table."""

    column: str
    words: list[tuple[str, str]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the words."""
        return self.words

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows with the chosen word; of a word nobody offered there are none."""
        value = self.value()
        if value is None:
            return queryset
        if value not in {str(key) for key, _ in self.lookup_choices}:
            return queryset.none()
        return self.chosen(queryset, value)

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Keep the rows with a word that was offered."""
        return queryset.filter(**{self.column: value})


class PeriodFilter(ColumnFilter):
    """Since when; the ids are in order of time, so no other index is needed."""

    title = "period"
    parameter_name = PERIOD
    words = [("today", "Today"), ("7d", "7 days"), (LONGEST_COMBINED, "30 days")]

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Keep what was written since then."""
        return queryset.filter(pk__gte=first_id(_since(value)))


def _since(period: str) -> datetime:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - _SPANS[period]


class KeysetChangeList(ChangeList):
    """A page of rows, newest first, and the ids from which the next and the former page go on."""

    newer: str | None
    older: str | None
    is_cut_short: bool

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Keep what the filters choose; two or more of them look back thirty days at most."""
        self._cursor = {name: self._take(name) for name in (BEFORE, AFTER)}
        chosen = self.filter_params.keys() - {PERIOD}
        self.is_cut_short = len(chosen) > 1 and PERIOD not in self.filter_params
        rows = super().get_queryset(request, exclude_parameters)
        if self.is_cut_short:
            rows = rows.filter(pk__gte=first_id(_since(LONGEST_COMBINED)))
        return rows

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Newest first: of any other order a page could not be found without reading them all."""
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Fetch one page and a row beyond it, which says whether there is more."""
        before, after = self._cursor[BEFORE], self._cursor[AFTER]
        rows = self.queryset
        if after is not None:
            rows = rows.filter(pk__gt=after).order_by("pk")
        elif before is not None:
            rows = rows.filter(pk__lt=before)
        found = first_of(rows, self.list_per_page + 1)
        page, has_more = found[: self.list_per_page], len(found) > self.list_per_page
        if after is not None:
            page.reverse()
        self._show(page)
        has_newer = has_more if after is not None else before is not None
        has_older = has_more if after is None else True
        self.newer = self._link(AFTER, page[0].pk) if page and has_newer else None
        self.older = self._link(BEFORE, page[-1].pk) if page and has_older else None

    def _show(self, page: list[Any]) -> None:
        """Say what the templates of the admin ask a list for; there is never a count."""
        self.result_list = page
        self.result_count = len(page)
        self.full_result_count = None
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = False

    def _take(self, name: str) -> Any:
        self.params.pop(name, None)
        value = self.filter_params.pop(name, [""])[-1]
        try:
            return self.lookup_opts.pk.to_python(value) if value else None
        except ValidationError:
            raise BadRequest(f"{name} is not an id") from None

    def _link(self, name: str, pk: Any) -> str:
        query = {key: value for key, value in self.filter_params.items() if key != name}
        return "?" + urlencode({**query, name: pk}, doseq=True)


class KeysetAdmin(ReadOnlyAdmin):
    """A read-only list without counts, for tables whose ids are in order of time."""

    list_per_page = 50
    sortable_by = ()
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_filter: ClassVar[Any] = (PeriodFilter,)
    change_list_template = "admin/monitoring/keyset_list.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Page from id to id."""
        return KeysetChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only the filters themselves; any other column would be searched row by row."""
        return lookup in {one.parameter_name for one in self.list_filter}
