"""The ways a file reaches us: as the body itself, or as the one part of a form.

It is kept in memory, once, and never on disk; its name is looked at for its ending alone.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import PurePath
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http import QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict
from rest_framework.exceptions import APIException
from rest_framework.parsers import BaseParser, DataAndFiles
from rest_framework.request import Request

from api.batch_files import Upload
from api.errors import BodyTooLargeError, FieldProblem, InvalidBodyError
from api.negotiation import AlwaysJSON
from api.parsers import digest_keep
from monitoring.batches import Format

PART = "file"
_BLOCK = 64 * 1024
_TYPES = {"text/csv": Format.CSV, "application/x-ndjson": Format.NDJSON}
_ENDINGS = {".csv": Format.CSV, ".ndjson": Format.NDJSON}


class NotAFileError(APIException):
    """What was sent is neither of the two formats."""

    status_code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    default_detail = (
        "The file must be sent as text/csv or application/x-ndjson, or as multipart/form-data "
        f'with one part "{PART}", in UTF-8.'
    )


class FileNegotiation(AlwaysJSON):
    """Take a body that is a file, and say what one is."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        """Return the parser of the body's media type."""
        parser = super().select_parser(request, parsers)
        if parser is None:
            raise NotAFileError
        return parser


class FileParser(BaseParser):
    """Read a body that is the file."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> DataAndFiles[Any, Any]:
        """Return the file under the name of the part that a form would send it as.

        Raises
        ------
        BodyTooLargeError
            Over ``MAX_BATCH_BYTES``, by its Content-Length.
        NotAFileError
            A charset other than UTF-8, a content encoding, or a format that is not read here.
        InvalidBodyError
            Shorter than its Content-Length, or a form with anything else than the one part.
        """
        request: Request = (parser_context or {})["request"]
        if not _is_plain(request.META):
            raise NotAFileError
        body = _read(stream, declared=request.META.get("CONTENT_LENGTH"))
        digest_keep(request, body=body.getvalue())
        files = MultiValueDict({PART: [self.upload(body, request)]})
        return DataAndFiles(QueryDict(), files)

    def upload(self, body: io.BytesIO, request: Request) -> Upload:
        """Return the file that a body is."""
        _refuse_charset(request.content_type or "")
        return Upload(format=_TYPES[self.media_type or ""], content=body)


class CSVParser(FileParser):
    """Read a CSV file."""

    media_type = "text/csv"


class NDJSONParser(FileParser):
    """Read a file with a JSON object on each line."""

    media_type = "application/x-ndjson"


class FormParser(FileParser):
    """Read a form with exactly one part."""

    media_type = "multipart/form-data"

    def upload(self, body: io.BytesIO, request: Request) -> Upload:
        """Return the file that stands in a form."""
        keeper = _Keeper()
        try:
            form = MultiPartParser(request.META, body, [keeper], "utf-8")
            fields, files = form.parse()
        except (MultiPartParserError, SuspiciousOperation):
            raise _not_one_part() from None
        if fields or [*files] != [PART] or len(files.getlist(PART)) != 1:
            raise _not_one_part()
        return files[PART]  # type: ignore[return-value]


class _Keeper(FileUploadHandler):
    """Keep a part in memory, whatever its size: the body is bounded, and disks are not for this."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a part."""
        super().new_file(*args, **kwargs)
        self._content = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep a piece of it."""
        self._content.write(raw_data)

    def file_complete(self, file_size: int) -> Any:
        """Return the file."""
        self._content.seek(0)
        charset = (self.content_type_extra or {}).get("charset", b"utf-8").decode("latin-1")
        _refuse_charset(f"{self.content_type}; charset={charset}")
        ending = PurePath(self.file_name or "").suffix.lower()
        format_ = _TYPES.get(self.content_type or "") or _ENDINGS.get(ending)
        if format_ is None:
            raise NotAFileError
        return Upload(format=format_, content=self._content)


def _is_plain(meta: Mapping[str, Any]) -> bool:
    return meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() in {"", "identity"}


def _refuse_charset(media_type: str) -> None:
    for part in media_type.lower().split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8"}:
            raise NotAFileError


def _read(stream: IO[bytes], *, declared: str | None) -> io.BytesIO:
    """Return the body; in blocks, so that it is in memory once."""
    length = int(declared) if declared and declared.isdigit() else 0
    if length > settings.MAX_BATCH_BYTES:
        raise BodyTooLargeError(
            f"The file is larger than {settings.MAX_BATCH_BYTES // 1024**2} MB."
        )
    body = io.BytesIO()
    while block := stream.read(_BLOCK):
        body.write(block)
    if body.tell() < length:
        raise InvalidBodyError(FieldProblem("", "cut_off", "The body ends before its length."))
    body.seek(0)
    return body


def _not_one_part() -> InvalidBodyError:
    detail = f'The form must have exactly one part, a file named "{PART}".'
    return InvalidBodyError(FieldProblem("", "not_one_part", detail))
