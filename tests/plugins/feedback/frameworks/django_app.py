"""Django: one view. It is exempt from the CSRF check, for the unguessable path does what that would do."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from altcraft_plugins.feedback import FeedbackReceiver

receivers: list[FeedbackReceiver] = []  # in a project: a module's global, as the client's is


@csrf_exempt
@require_POST
def feedback(request: HttpRequest, token: str) -> HttpResponse:
    # The request itself is the stream: unlike request.body it is read no further than the receiver's limit.
    answer = receivers[-1].deliver(request.path, request.headers, request)  # type: ignore[arg-type]  # it has read()
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))


urlpatterns = [path("altcraft/<str:token>", feedback)]


def create_app(receiver: FeedbackReceiver) -> WSGIHandler:
    receivers.append(receiver)
    if not settings.configured:
        given: dict[str, Any] = {"ROOT_URLCONF": __name__, "ALLOWED_HOSTS": ["127.0.0.1"], "SECRET_KEY": "of the tests"}
        settings.configure(**given)
        django.setup()
    return get_wsgi_application()
