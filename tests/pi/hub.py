"""The stand-in hub on this machine's loopback, and a back end for it.

The guest reaches it at an address that this machine does not have. So twinhub has that address as its host name, and this
back end connects to the loopback but asks for that name.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse

from machine import Failed, until

# The address of this machine in QEMU's network, as the guest sees it.
NAME = "10.0.2.2"


class Hub:
    """See the module."""

    def __init__(self, twinhub, folder, devices):
        self.log = os.path.join(folder, "hub.log")
        self.ca = os.path.join(folder, "hub", "ca.pem")
        command = [twinhub, "serve", "--folder", os.path.join(folder, "hub"), "--host", NAME]
        command += ["--mqtt-port", "0", "--https-port", "0"]
        for device in devices:
            command += ["--device", device]
        self.process = subprocess.Popen(command, stdout=open(self.log, "w"), stderr=subprocess.STDOUT)
        until("twinhub is up", lambda: self._alive() and "in /etc/twind.toml" in self.said())
        said = self.said()
        self.port = int(re.search(r"devices connect to [^\n]*:(\d+)\n", said).group(1))
        self.connection_strings = dict(re.findall(r"device (\S+):\n  (\S+)\n", said))
        policy = re.search(r"HostName=[^;]*:(\d+);SharedAccessKeyName=([^;]*);SharedAccessKey=(\S+)", said)
        self.https_port, self.policy, self.key = int(policy.group(1)), policy.group(2), policy.group(3)

    def _alive(self):
        if self.process.poll() is not None:
            raise Failed(f"twinhub ended: {self.said()}")
        return True

    def said(self):
        with open(self.log) as log:
            return log.read()

    def _token(self):
        expiry = int(time.time()) + 3600
        mac = hmac.new(base64.b64decode(self.key), f"{NAME}\n{expiry}".encode(), hashlib.sha256)
        signature = urllib.parse.quote(base64.b64encode(mac.digest()), safe="")
        return f"SharedAccessSignature sr={NAME}&sig={signature}&se={expiry}&skn={self.policy}"

    def _call(self, method, path, body=None):
        context = ssl.create_default_context(cafile=self.ca)
        connection = http.client.HTTPSConnection(NAME, self.https_port, timeout=60)
        connection.sock = context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.https_port), 60), server_hostname=NAME
        )
        headers = {"Authorization": self._token(), "Content-Type": "application/json; charset=utf-8"}
        connection.request(method, f"{path}?api-version=2021-04-12", body and json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != 200:
            raise Failed(f"{method} {path}: {answer.status} {text}")
        return json.loads(text)

    def twin(self, device):
        return self._call("GET", f"/twins/{device}")

    def reported(self, device):
        return self.twin(device)["properties"]["reported"]

    def patch(self, device, desired):
        """Changes the desired section; returns its new version."""
        return self.desired(device, desired)["$version"]

    def desired(self, device, patch):
        """Changes the desired section; returns the whole of it."""
        return self._call("PATCH", f"/twins/{device}", {"properties": {"desired": patch}})["properties"]["desired"]

    @contextlib.contextmanager
    def frozen(self):
        """While this is active the hub is silent, with its connections open."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.process.terminate()
        self.process.wait()
