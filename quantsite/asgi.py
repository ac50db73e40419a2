"""One ASGI application for pages, REST and websockets."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings")

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from apps.accounts.backends import SocketActorMiddleware
from quantsite.routing import websocket_urlpatterns

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(SocketActorMiddleware(URLRouter(websocket_urlpatterns)))
        ),
    }
)
