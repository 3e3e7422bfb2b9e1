"""The soak: its figures, and a short one of the app as it is."""

import asyncio
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from own_thread import in_own_thread

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty record, whose clock stands at 100 seconds."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import soak_record

    record = soak_record.Record()
    monkeypatch.setattr(record, "now", lambda: 100.0)
    return record


def test_a_fault_excuses_what_it_names_until_a_while_after_it(
    record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with record.fault("a full disk", "alert"):
        record.saw("alert", "no space")
        record.saw("exception", "a traceback")
    for seconds, text in ((114.0, "still no space"), (116.0, "no space, but the disk is free")):
        monkeypatch.setattr(record, "now", lambda seconds=seconds: seconds)
        record.saw("alert", text)
    seen = [each.text for each in record.visible_errors()]
    assert seen == ["a traceback", "no space, but the disk is free"]


def test_a_fault_excuses_no_alert_about_something_else(record: Any) -> None:
    with record.fault("a full disk", "alert", words=("space", "written")):
        record.saw("alert", "masks cannot be written")
        record.saw("alert", "the loss is not a number")
    assert [each.text for each in record.visible_errors()] == ["the loss is not a number"]


def test_an_act_that_began_before_the_end_of_a_fault_is_excused(
    record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with record.fault("the server killed", "timeout"):
        pass
    monkeypatch.setattr(record, "now", lambda: 200.0)
    record.saw("timeout", "no answer", since=110.0)
    assert record.visible_errors() == []


def test_the_slope_of_a_memory_is_found_after_the_last_kill_of_the_server(record: Any) -> None:
    from soak_record import Sample, settled_samples, slope_per_minute, summary

    before = [Sample(float(at), 1, 900.0, 50, 9) for at in range(60)]
    warm_up = [Sample(60.0 + at, 2, 100.0 + 5 * at, 50, 9) for at in range(60)]
    after = [Sample(120.0 + at, 2, 400.0 + 0.5 * at, 60, 9) for at in range(60)]
    record.samples += [*before, *warm_up, *after]
    assert settled_samples(record) == after
    assert slope_per_minute([0, 60, 120], [1, 2, 3]) == pytest.approx(1)
    assert summary(record)["rss_mib_per_minute"] == 30
    assert summary(record)["fds_per_minute"] == 0


def test_requests_are_counted_apart_without_and_with_a_training(record: Any) -> None:
    from soak_record import Sample, as_markdown, summary

    record.samples.append(Sample(0.0, 1, 1.0, 1, 1))
    record.trained_since = 50.0
    record.requests += [("a picture", float(at), at / 100) for at in range(100)]
    report = summary(record)
    quiet, busy = (
        report["requests"][f"a picture, {how} a training"] for how in ("without", "with")
    )
    assert (quiet["count"], quiet["p50_ms"], quiet["p95_ms"]) == (50, 245, 470)
    assert (busy["count"], busy["p50_ms"], busy["p95_ms"]) == (50, 745, 970)
    assert "| a picture, with a training | 50 | 745 | 970 |" in as_markdown(report)


def test_a_request_is_sent_again_only_if_a_kept_connection_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    from soak_visitors import get

    answers, served = [True], []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the first request of a connection, if at all, and end it at the next."""
        served.append(asyncio.current_task())
        for answered in answers:
            await reader.readuntil(b"\r\n\r\n")
            if answered:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async def visit() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/"
        async with server:
            async with httpx.AsyncClient() as client:
                for _ in range(2):
                    assert (await get(client, url, {})).text == "ok"
            answers.clear()
            async with httpx.AsyncClient() as client:
                with pytest.raises(httpx.RemoteProtocolError):
                    await get(client, url, {})
            await asyncio.gather(*filter(None, served))

    in_own_thread(asyncio.run, visit())


@pytest.mark.soak
def test_two_minutes_of_use_and_faults_show_no_error_and_lose_nothing(tmp_path: Path) -> None:
    report = soaked(tmp_path, "--minutes=2", "--sessions=12", "--contexts=4")
    assert report["visible_errors"] == []
    assert report["losses"] == []
    assert {fault["name"] for fault in report["faults"]} >= {"the server killed", "a full disk"}


@pytest.mark.soak
def test_three_hundred_predictions_leave_the_memory_flat(tmp_path: Path) -> None:
    report = soaked(tmp_path, "--predictions=300")
    assert report["rss_mib_per_hundred"] < 10


def soaked(folder: Path, *options: str) -> dict[str, Any]:
    """The report of a soak; its status says the same as the report."""
    command = [sys.executable, str(SCRIPTS / "soak.py"), *options, f"--out={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (folder / "soak.json").exists(), done.stderr
    report: dict[str, Any] = json.loads((folder / "soak.json").read_text())
    return report
