"""One ASGI application for pages, REST and websockets."""

import gc
import os

gc.set_threshold(200_000, 50, 50)  # fewer looks through what the imports leave, which all stays
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings")

import django
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

django.setup(set_prefix=False)

from apps.accounts.backends import SocketActorMiddleware
from apps.core import telemetry
from apps.core.serving import ThreadedHandler
from quantsite.routing import websocket_urlpatterns

telemetry.start("quantsite-web")  # before the handler reads the middleware
application = ProtocolTypeRouter(
    {
        "http": ThreadedHandler(),
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(SocketActorMiddleware(URLRouter(websocket_urlpatterns)))
        ),
    }
)
# What is loaded by now stays and is looked through no more: a whole look held requests up 0.2 s.
gc.freeze()
gc.set_threshold(20_000, 50, 100)
