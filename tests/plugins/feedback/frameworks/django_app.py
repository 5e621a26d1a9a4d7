"""Django: one view. It needs no CSRF check, because its path can't be guessed."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from altcraft_plugins.feedback import FeedbackReceiver

receivers: list[FeedbackReceiver] = []  # in a project: a global of a module, beside the client


@csrf_exempt
def feedback(request: HttpRequest, token: str) -> HttpResponse:
    # Django's request is a stream. The receiver reads it up to its limit; request.body would read all of it.
    answer = receivers[-1].deliver(request.path, request.headers, request, method=request.method)
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))


urlpatterns = [path("altcraft/<str:token>", feedback)]


def create_app(receiver: FeedbackReceiver) -> WSGIHandler:
    receivers.append(receiver)
    if not settings.configured:
        given: dict[str, Any] = {"ROOT_URLCONF": __name__, "ALLOWED_HOSTS": ["127.0.0.1"], "SECRET_KEY": "of the tests"}
        settings.configure(**given)
        django.setup()
    return get_wsgi_application()
