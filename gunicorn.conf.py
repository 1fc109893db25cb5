"""gunicorn's settings, which it reads by itself when started in this directory; the command line wins over them."""

import os

from config.logs import logging_settings
from config.variables import DEPLOYED

worker_class = "gthread"
workers = 2
threads = 4  # more only contend: measured with one query a request, connections kept
timeout = 30
graceful_timeout = 20
keepalive = 5
control_socket_disable = True  # nothing here administers gunicorn over a socket
accesslog = None  # RequestLogMiddleware writes one line a request, without tokens

# The master's own lines take the pipeline of all others; a worker sets it up again with the secrets it knows.
logconfig_dict = logging_settings(level="INFO", json=os.environ.get("ENVIRONMENT") in DEPLOYED, secrets=())
del logconfig_dict["secrets"]
