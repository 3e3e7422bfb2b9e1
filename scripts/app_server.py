"""A Streamlit server that lives as long as a `with` block."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path


@contextmanager
def serving(script: Path, *arguments: object) -> Iterator[str]:
    """The address of a new server that runs `script`, once it answers.

    `arguments` are flags of `streamlit run`, then `--` and arguments of the script.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}"]
    command += ["--server.headless=true", "--server.address=127.0.0.1", *map(str, arguments)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet) as server:
        try:
            while not answers(port):
                if server.poll() is not None:
                    sys.exit(f"Streamlit does not start: see {' '.join(command)}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def answers(port: int, base_path: str = "") -> bool:
    """Whether a server at `port` answers below `base_path`, a path without slashes around it."""
    below = f"/{base_path}" if base_path else ""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"{below}/_stcore/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
