"""A trainer without torch: python stand_in.py BEHAVIOUR RUN.

obedient    trains until RUN/finish appears (done) or SIGTERM arrives (stopped)
several     obedient, and stops through RUN/job/stop.json as a training in several processes does
stubborn    ignores SIGTERM, and has a detached child that ignores it, too
orphaning   has such a child, and ends at SIGTERM
crash       ends with status 1 and a message on standard error
done        ends at once, with a summary
silent      ends at once with status 0, without a summary
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

behaviour, run = sys.argv[1], Path(sys.argv[2])


def write(file: Path, content: dict[str, str]) -> None:
    unfinished = file.with_suffix(".part")  # whoever reads it finds all of it or nothing
    unfinished.write_text(json.dumps(content))
    unfinished.replace(file)


def end(status: str, code: int) -> None:
    if behaviour == "several" and status == "stopped":
        write(run / "job" / "stop.json", {"by": "trainer"})
    write(run / "summary.json", {"status": status})
    sys.exit(code)


if behaviour == "child":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(run / "child").write_text(str(os.getpid()))
    time.sleep(600)
if behaviour == "crash":
    sys.exit("no module is called numbers\n" * 3)
if behaviour == "silent":
    sys.exit(0)
if behaviour == "done":
    end("done", 0)
if behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda number, frame: end("stopped", 2))
if behaviour in ("stubborn", "orphaning"):
    subprocess.Popen([sys.executable, __file__, "child", str(run)], start_new_session=True)
    while not (run / "child").exists():
        time.sleep(0.01)
row = {"kind": "train", "epoch": 1, "step": 10, "steps": 100, "loss": 1.0, "seconds": 5.0}
with (run / "metrics.jsonl").open("a") as rows:
    rows.write(json.dumps(row) + "\n")
write(run / "job" / "progress.json", {"stage": "training"})
while not (run / "finish").exists():
    time.sleep(0.01)
end("done", 0)
