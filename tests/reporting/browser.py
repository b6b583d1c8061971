"""Chromium without a window, told what to do over two pipes: no driver, no port of its own."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_PATIENCE: Final = 60.0  # seconds; shared machines stall
# What Windows numbers them, and what they write.
_KEYS: Final = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " ")}


def find_browser() -> str | None:
    """Where a browser lies, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Page:
    """One tab. What it asks for is kept in `asked`, what its console says is wrong in `wrong`."""

    _into: int
    _out: int
    _log: Path
    _session: str | None = None
    _number: int = 0
    _rest: bytes = b""
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _seen: list[str] = field(default_factory=list)

    def tell(self, method: str, **words: Any) -> Any:
        """Give a command of the DevTools protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": words}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            came = self._next()
            if came.get("id") == self._number:
                assert "error" not in came, (method, came["error"])
                return came["result"]

    def _next(self) -> Any:
        end = time.monotonic() + _PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._out], [], [], max(end - time.monotonic(), 0))
            part = os.read(self._out, 1 << 20) if ready else b""
            if not part:
                said = self._log.read_text("utf-8", errors="replace")[-2000:]
                raise AssertionError(f"the browser does not answer: {said}")
            self._rest += part
        first, self._rest = self._rest.split(b"\0", 1)
        came = json.loads(first)
        self._seen.append(came.get("method", ""))
        if came.get("method") == "Network.requestWillBeSent":
            self.asked.append(came["params"]["request"]["url"])
        if (complaint := _complaint(came)) is not None:
            self.wrong.append(complaint)
        return came

    def look(self, *, width: int, height: int, scheme: str) -> None:
        """Make the window this large, in a light or a dark colour scheme."""
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.tell("Emulation.setEmulatedMedia", media="", features=features)

    def open(self, where: Path | str, *, width: int, height: int, scheme: str) -> None:
        """Show a file or an address in such a window."""
        self.look(width=width, height=height, scheme=scheme)
        self._seen.clear()
        address = where.resolve().as_uri() if isinstance(where, Path) else where
        self.tell("Page.navigate", url=address)
        while "Page.loadEventFired" not in self._seen:
            self._next()

    def ask(self, expression: str) -> Any:
        """Return the value of an expression in JavaScript; the page's own policy allows none."""
        words = {"returnByValue": True, "awaitPromise": True}
        came = self.tell("Runtime.evaluate", expression=expression, **words)
        assert "exceptionDetails" not in came, came["exceptionDetails"]
        return came["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Ask again until the value is something (an element counts), and return it."""
        told = f"(found => found instanceof Node ? true : found)({expression})"
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if found := self.ask(told):
                return found
            time.sleep(0.02)
        raise AssertionError(f"in {_PATIENCE:.0f} s there was no {expression}")

    def press(self, key: str) -> None:
        """Press a key and let go of it: Tab, Enter or Space."""
        number, text = _KEYS[key]
        name = " " if key == "Space" else key
        words = {"key": name, "code": key, "windowsVirtualKeyCode": number}
        kind = "keyDown" if text else "rawKeyDown"
        self.tell("Input.dispatchKeyEvent", type=kind, text=text, **words)
        self.tell("Input.dispatchKeyEvent", type="keyUp", **words)

    @contextmanager
    def inside_frame(self, *, holding: str) -> Iterator[None]:
        """Ask the page's frame, which a browser keeps apart from it, once it holds an element."""
        outer, end = self._session, time.monotonic() + _PATIENCE
        try:
            while time.monotonic() < end:
                self._session = None
                for each in self.tell("Target.getTargets")["targetInfos"]:
                    if each["type"] != "iframe":
                        continue
                    # the frame may be empty yet, and be put into another process when it is not
                    self._session = None
                    words = {"targetId": each["targetId"], "flatten": True}
                    self._session = self.tell("Target.attachToTarget", **words)["sessionId"]
                    if self.ask(f"document.querySelector({holding!r}) !== null"):
                        yield
                        return
                time.sleep(0.1)
            raise AssertionError(f"the page has no frame that holds {holding}")
        finally:
            self._session = outer

    def picture(self, path: Path) -> None:
        """Write the whole page, not only the window, as PNG."""
        came = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(came["data"]))

    def pdf(self, path: Path) -> None:
        """Print the page on A4."""
        came = self.tell("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
        path.write_bytes(base64.b64decode(came["data"]))


def _complaint(came: Any) -> str | None:
    """What an event of the browser says is wrong with the page."""
    told = came.get("params", {})
    if came.get("method") == "Runtime.exceptionThrown":
        details = told["exceptionDetails"]
        return str(details.get("exception", {}).get("description", details["text"]))
    if came.get("method") == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning"}:
        return str(told["args"])
    entry = told.get("entry", {}) if came.get("method") == "Log.entryAdded" else {}
    return str(entry["text"]) if entry.get("level") in {"error", "warning"} else None


@contextmanager
def browsing(program: str, folder: Path) -> Iterator[Page]:
    """Start a browser with a profile of its own, and end it."""
    log = folder / "browser.log"
    pipes = [*os.pipe(), *os.pipe()]
    # above 3 and 4, which the browser reads and writes: one may not overwrite the other
    read, into, out, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in pipes)
    for end in pipes:
        os.close(end)
    to_log = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    process = os.posix_spawn(
        program,
        [program, *_FLAGS, f"--user-data-dir={folder / 'profile'}"],
        dict(os.environ),
        file_actions=[
            (os.POSIX_SPAWN_DUP2, read, 3),
            (os.POSIX_SPAWN_DUP2, write, 4),
            (os.POSIX_SPAWN_OPEN, 1, str(log), to_log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setpgroup=0,
    )
    os.close(read)
    os.close(write)
    try:
        page = Page(into, out, log)
        target = page.tell("Target.createTarget", url="about:blank")["targetId"]
        session = page.tell("Target.attachToTarget", targetId=target, flatten=True)
        page._session = session["sessionId"]
        page.tell("Page.enable")
        page.tell("Network.enable")
        page.tell("Runtime.enable")
        page.tell("Log.enable")
        yield page
    finally:
        os.close(into)
        os.close(out)
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
