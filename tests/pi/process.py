"""twind as a process in a guest: start, status and end. Its configuration and log are named after it there."""

import json

from machine import Failed, until


class Process:
    """See the module."""

    def __init__(self, machine, name):
        self.machine, self.name = machine, name
        self.config = f"/root/{name}.toml"
        self.log = f"/run/{name}.log"
        self.pid = None

    def start(self):
        self.machine.run(f"date -u +%FT%TZ\\ start >>{self.log}")
        # In a subshell, so that the console does not report its end.
        _, said = self.machine.run(
            f"cut -d' ' -f1 /proc/uptime >/run/{self.name}.started; "
            f"(RUST_LOG=debug /root/twind run --config {self.config} </dev/null >>{self.log} 2>&1 & echo $!)"
        )
        self.pid = int(said.split()[-1])
        until(lambda: f"twind answers; its log: {self.said()}", lambda: self.status())

    def status(self):
        """What `twind status --json` says; `None` if nobody answers."""
        code, said = self.machine.run(f"/root/twind status --json --changes 1000 --config {self.config}", check=False)
        if code != 0:
            if self.machine.run(f"kill -0 {self.pid}", check=False)[0] != 0:
                raise Failed(f"{self.name} is gone; its log: {self.said()}")
            return None
        return json.loads(said[said.index("{") :])

    def drives(self):
        """The outputs' drives in permille, as the daemon reports them. The simulated board cannot read back an earlier state,
        so the pump's drive may be unknown there: it is then not driven."""
        return {name: output["permille"] or 0 for name, output in self.status()["outputs"].items()}

    def changes(self):
        """Every (output, permille) so far, in order."""
        return [(change["output"], change["permille"]) for change in reversed(self.status()["changes"])]

    def said(self):
        return self.machine.run(f"tail -n 60 {self.log}")[1]

    def signal(self, name):
        """Sends a signal and waits for the end of the process."""
        self.machine.run(f"kill -{name} {self.pid}")
        gone = f"! kill -0 {self.pid}"
        until(f"twind ends after SIG{name}", lambda: self.machine.run(gone, check=False)[0] == 0)
        self.pid = None

    def safe(self):
        """`twind safe` as the service manager would run it after a crash; returns what it printed."""
        return self.machine.run(f"SERVICE_RESULT=signal /root/twind safe --config {self.config}")[1]
